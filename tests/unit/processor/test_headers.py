"""Headers: chunks of a PNG that are not needed, layouts of a TIFF that are not supported, raw files."""

from __future__ import annotations

import struct
import time
import tracemalloc
import zlib
from collections.abc import Sequence

import pytest

from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure
from imagejob_processor.headers.read import read_header
from unit.processor.handmade import bmp, chunk, png, tiff_of
from unit.processor.images import file, jpeg, made, photo
from unit.processor.profiles import D65, P3, Space, rgb_profile

ROWS = [[(5, 6, 7), (250, 6, 7)]]
LETTERS = bytes(range(32, 127)) * 13000
PACKED = zlib.compress(LETTERS)
BOMB = zlib.compress(bytes(50 << 20), 9)


def pixels(data: bytes) -> list[tuple[int, ...]]:
    image = made(data).convert("RGBA")
    return [image.getpixel((x, 0)) for x in range(image.width)]


def refusal(data: bytes) -> ItemFailure:
    with pytest.raises(ItemFailure) as caught:
        made(data)
    return caught.value


def broken(data: bytes) -> bytes:
    """A chunk with a wrong checksum."""
    return data[:-1] + bytes((data[-1] ^ 1,))


SHOWN = [(5, 6, 7, 255), (250, 6, 7, 255)]


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param(chunk(b"zTXt", b"mxfile\0\0" + PACKED), id="a large packed text"),
        pytest.param(chunk(b"tEXt", b"mxfile\0" + LETTERS), id="a large text"),
        pytest.param(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + PACKED), id="large packed XMP"),
        pytest.param(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + LETTERS), id="large XMP"),
        pytest.param(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0junk"), id="XMP that is not packed"),
        pytest.param(chunk(b"zTXt", b"Raw profile type exif\0\0" + PACKED), id="large packed EXIF"),
        pytest.param(chunk(b"iCCP", b"p\0\0" + PACKED), id="a large profile that is none"),
        pytest.param(chunk(b"iCCP", b"p\0\0junk"), id="a profile that is not packed"),
        pytest.param(chunk(b"iCCP", b"p\0\1" + PACKED), id="a profile packed in an unknown way"),
        pytest.param(chunk(b"iCCP", b""), id="an empty profile"),
        pytest.param(chunk(b"zTXt", b"a\0\0" + BOMB), id="a text bomb"),
        pytest.param(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB), id="an XMP bomb"),
        pytest.param(b"".join(chunk(b"zTXt", b"a\0\0" + PACKED) for _ in range(60)), id="60 large texts"),
        pytest.param(broken(chunk(b"tEXt", b"a\0b")), id="a text with a wrong checksum"),
        pytest.param(broken(chunk(b"pHYs", bytes(9))), id="a resolution with a wrong checksum"),
        pytest.param(chunk(b"gAMA", b"\0"), id="a short gamma"),
        pytest.param(chunk(b"teSt", bytes(1000)), id="a private chunk"),
    ],
)
@pytest.mark.parametrize("after", [False, True], ids=["before the pixels", "after the pixels"])
def test_a_png_with_chunks_that_are_not_needed(extra, after):
    data = png(ROWS, 8, 2) if after else png(ROWS, 8, 2, extra)
    data = data[:-12] + extra + data[-12:] if after else data
    started = time.process_time()
    assert pixels(data) == SHOWN
    assert time.process_time() - started < 0.5


def test_a_png_without_such_chunks_is_not_copied():
    data = file(photo())
    assert read_header("PNG", data).data is data


def test_many_chunks_that_are_not_needed_cost_no_memory():
    data = png([[(0,)]], 8, 0, chunk(b"prVt", b"") * 20_000)
    tracemalloc.start()
    kept = read_header("PNG", data).data
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(kept) < 100
    assert peak < 100_000


def test_a_profile_bomb_is_refused_and_not_ignored():
    failure = refusal(png(ROWS, 8, 2, chunk(b"iCCP", b"p\0\0" + BOMB)))
    assert failure.code is ItemCode.TOO_LARGE
    assert failure.message == (
        "the ICC profile of the PNG has more than 8388608 bytes; convert the image to sRGB"
    )


@pytest.mark.parametrize("kind", [b"IHDR", b"PLTE", b"IDAT", b"tRNS"])
def test_a_wrong_checksum_of_what_is_shown_is_named(kind):
    rows = [[(0,), (1,)]]
    whole = png(rows, 8, 3, chunk(b"PLTE", b"abcdef"), chunk(b"tRNS", b"\0"))
    at = whole.index(kind)
    end = at + 8 + struct.unpack(">I", whole[at - 4 : at])[0]
    failure = refusal(whole[: end - 1] + bytes((whole[end - 1] ^ 1,)) + whole[end:])
    assert failure.code is ItemCode.UNDECODABLE
    assert failure.message == f"the PNG file is corrupt: the checksum of its chunk {kind.decode()} is wrong"


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(png([[(0,)]], 8, 3), "it has no palette", id="no palette"),
        pytest.param(png([[(0,)]], 8, 5), "depth 8 with colour type 5 does not exist", id="colour type"),
        pytest.param(png([[(0,)]], 16, 3), "depth 16 with colour type 3 does not exist", id="depth"),
        pytest.param(png(ROWS, 8, 2)[:8] + chunk(b"gAMA", bytes(4)), "it has no header", id="no header"),
        pytest.param(
            png(ROWS, 8, 2, chunk(b"tRNS", b"\0")), "its chunk tRNS has 1 bytes instead of 6", id="tRNS"
        ),
        pytest.param(png(ROWS, 8, 2)[:33] + bytes(40), "it has no chunk at byte 33", id="zeros"),
    ],
)
def test_a_png_that_is_wrong_says_what(data, reason):
    failure = refusal(data)
    assert failure.code is ItemCode.UNDECODABLE
    assert failure.message == f"the PNG file is corrupt: {reason}"


def test_a_transparent_colour_beside_an_alpha_channel_is_ignored():
    rows = [[(5, 6, 7, 100), (0, 0, 0, 255)]]
    assert pixels(png(rows, 8, 6, chunk(b"tRNS", bytes(6)))) == [(5, 6, 7, 100), (0, 0, 0, 255)]


def test_only_the_first_transparent_colour_counts():
    first, second = (chunk(b"tRNS", struct.pack(">3H", *pixel)) for pixel in ROWS[0])
    assert [pixel[3] for pixel in pixels(png(ROWS, 8, 2, first, second))] == [0, 255]


def test_apple_png_is_refused_by_name():
    whole = png(ROWS, 8, 2)
    failure = refusal(whole[:8] + chunk(b"CgBI", bytes(4)) + whole[8:])
    assert failure.code is ItemCode.UNSUPPORTED_FORMAT
    assert failure.message.startswith("PNG in Apple's CgBI variant is not supported")


def of_tiff(tags: dict[int, Sequence[int]], order: str = "<") -> bytes:
    return tiff_of([[(200, 10, 10)] * 4] * 3, 8, 2, order=order, tags=tags)


def canon() -> bytes:
    """As CR2 begins: eight bytes more between the header and the first page."""
    data = of_tiff({})
    return data[:8] + b"CR\2\0" + data[12:]


PREVIEW = "TIFF whose first page is a reduced copy of another image, as in camera raw files, is not supported"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("tags", "message"),
    [
        pytest.param({254: [1]}, PREVIEW, id="preview"),
        pytest.param({255: [2]}, PREVIEW, id="preview, in the old way"),
        pytest.param({254: [4]}, "TIFF whose first page is a mask is not supported", id="mask"),
        pytest.param({50706: [1, 4, 0, 0]}, "camera raw (DNG) is not supported", id="DNG"),
        pytest.param({254: [1], 271: [66], 330: [8, 8]}, "camera raw is not supported", id="NEF, ARW"),
        pytest.param({262: [32803], 258: [8]}, "camera raw is not supported", id="CFA"),
        pytest.param({339: [2, 2, 2]}, "TIFF with 8-bit signed RGB is not supported", id="signed"),
        pytest.param({258: [32] * 3, 339: [3] * 3}, "TIFF with 32-bit floating-point RGB", id="floats"),
        pytest.param({258: [32] * 3}, "TIFF with 32-bit RGB is not supported", id="32 bits"),
        pytest.param({258: [5, 6, 5]}, "TIFF with 5/6-bit RGB is not supported", id="different depths"),
        pytest.param({262: [9]}, "TIFF with 8-bit ICC L*a*b* is not supported", id="ICC L*a*b*"),
        pytest.param({262: [8], 258: [16] * 3}, "TIFF with 16-bit CIE L*a*b*", id="16-bit L*a*b*"),
        pytest.param({262: [32845]}, "TIFF with 8-bit LogLuv is not supported", id="LogLuv"),
        pytest.param({262: [6]}, "TIFF with 8-bit YCbCr is not supported", id="subsampled, uncompressed"),
        pytest.param({259: [34712]}, "TIFF with compression JPEG 2000 is not supported", id="JPEG 2000"),
        pytest.param({259: [60000]}, "TIFF with compression number 60000", id="unknown compression"),
    ],
)
def test_a_tiff_that_is_refused_is_named(tags, message, order):
    failure = refusal(of_tiff(tags, order))
    assert failure.code is ItemCode.UNSUPPORTED_FORMAT
    assert failure.message.startswith(message)
    assert "; " in failure.message


def test_cr2_is_refused_by_name():
    assert refusal(canon()).message.startswith("camera raw (CR2) is not supported")


@pytest.mark.parametrize("tags", [{254: [0]}, {254: [2]}, {255: [1]}, {271: [66]}, {330: [8, 8]}], ids=str)
def test_a_page_that_is_the_picture_is_made(tags):
    assert pixels(of_tiff(tags)) == [(200, 10, 10, 255)] * 4


def test_big_tiff():
    assert made(file(photo(), "TIFF", big_tiff=True)).tobytes() == photo().tobytes()


@pytest.mark.parametrize("cut", [8, 12, 60, 200])
def test_a_tiff_whose_tags_are_cut_off_is_truncated_and_not_odd(cut):
    data = of_tiff({})
    assert refusal(data[: len(data) - cut]).code is ItemCode.UNDECODABLE


def with_frame(marker: int, bits: int, components: int) -> bytes:
    data = bytearray(jpeg(photo()))
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4], data[at + 9] = marker, bits, components
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (with_frame(0xC1, 12, 3), "JPEG with 12 bits per sample"),
        (with_frame(0xC3, 8, 3), "lossless JPEG"),
        (with_frame(0xC5, 8, 3), "hierarchical JPEG"),
        (with_frame(0xC0, 8, 2), "JPEG with 2 components"),
    ],
    ids=["12 bits", "lossless", "hierarchical", "two components"],
)
def test_other_kinds_of_jpeg_are_named(data, named):
    failure = refusal(data)
    assert failure.code is ItemCode.UNSUPPORTED_FORMAT
    assert failure.message == f"{named} is not supported; use a JPEG with 8 bits per sample"


def with_field(at: int, layout: str, value: int) -> bytes:
    data = bytearray(bmp([[(1,)] * 9] * 9, 8, palette=[(i, i, i) for i in range(256)]))
    struct.pack_into(layout, data, at, value)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (
            bmp([[(1,)] * 9], 16, masks=(0x7C00, 0x3E0, 0x1F, 0x8000)),
            "BMP with 16-bit pixels and the masks 7C00, 3E0, 1F, 8000 (red, green, blue, alpha)",
        ),
        (
            bmp([[(1,)] * 9], 16, masks=(0xF00, 0xF0, 0xF, 0xF000)),
            "BMP with 16-bit pixels and the masks F00, F0, F, F000 (red, green, blue, alpha)",
        ),
        (
            bmp([[(1,)] * 9], 32, masks=(0x3FF00000, 0xFFC00, 0x3FF, 0)),
            "BMP with 32-bit pixels and the masks 3FF00000, FFC00, 3FF, 0 (red, green, blue, alpha)",
        ),
        (with_field(30, "<I", 4), "BMP with compression 4"),
        (with_field(30, "<I", 6), "BMP with compression 6"),
        (with_field(28, "<H", 2), "BMP with 2 bits per pixel"),
    ],
    ids=["1-5-5-5", "4-4-4-4", "10-10-10", "JPEG", "alpha bit fields", "2 bits"],
)
def test_other_kinds_of_bmp_are_named(data, named):
    failure = refusal(data)
    assert failure.code is ItemCode.UNSUPPORTED_FORMAT
    assert failure.message == f"{named} is not supported; save it as PNG"


@pytest.mark.parametrize("size", [14, 17, 18, 30, 53, 60])
def test_a_bmp_whose_header_is_cut_off_is_truncated(size):
    data = bmp([[(1,)] * 9], 16, masks=(0xF800, 0x7E0, 0x1F, 0))
    assert refusal(data[:size]).code is ItemCode.UNDECODABLE


def test_a_large_profile_is_applied():
    """Padded to more than what Pillow inflates."""
    small = rgb_profile(Space(D65, P3, None))
    large = struct.pack(">I", len(small) + (3 << 20)) + small[4:] + bytes(3 << 20)
    rows = [[(200, 30, 30)] * 3]
    one, other = (
        pixels(png(rows, 8, 2, chunk(b"iCCP", b"p\0\0" + zlib.compress(profile))))
        for profile in (small, large)
    )
    assert one == other != [(200, 30, 30, 255)] * 3
