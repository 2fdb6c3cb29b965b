"""JPEG XL sources: upright, right, and refused by name where the decoder would be wrong."""

import base64
import struct
import sys

import pytest
from PIL import ExifTags, Image

from imagejob_contract.output import Format, Metadata, Output
from imagejob_contract.recipe import Rendition
from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure
from imagejob_processor.notes import collecting
from imagejob_processor.pixels import orientation
from imagejob_processor.pixels.metadata import read_metadata
from imagejob_processor.rendering.jpeg_xl import CONTAINER, read_jpeg_xl_header
from imagejob_processor.rendering.pipeline import render
from imagejob_processor.rendering.source import open_source
from unit.processor.images import LIMITS, difference, file, limits, made, photo, stored

ANIMATION = base64.b64decode(
    "/wrBBQMIKC4JCAKSCQAAfABLGIsVABxExhhjpHiBEACi22YQ/CuJtqGMPgJegLwACAIiBwBQAEsYixWAXYL/AhEAZCEkANBS+vcD"
)
"""Two frames of 16x8 pixels: red and blue, then green."""

GREY_OF_16_BITS = base64.b64decode(
    "AAAADEpYTCANCocKAAAAFGZ0eXBqeGwgAAAAAGp4bCAAAAAJanhsbAoAAAD8anhsY/8KQ/ADFBcCCAIBAJgDSzhqGNLbBShImGRk"
    "bDWaaozBnYEYg1mBgQDTDAAA4CsSAAAAAAAAAACgOQAAAAAAAAAAAAAAhwEAAAAAAAAAAAAAOAwAAAAAAAAAAAAAAGD+YQAAAAAA"
    "AAAAAAAADgMAAAAAAAAAAAAAcBgAAAAAAAAAAAAAgMMAAAAAAAAAAAAAABwGAAAAAAAAAAAAAOAwAAAAAAAAAAAAAACHAQAAAAAA"
    "AAAAAAA4DAAAAAAAAAAAAADAYQAAAAAAAAAAAAAADgMAAAAAAAAAAAAAcBgAAAAAAAAAAAAAgMMAAAAAAAAAAAAAAAA="
)
"""16x16 pixels, each of 256 levels once."""

TRANSCODED_JPEG = base64.b64decode(
    "AAAADEpYTCANCocKAAAAFGZ0eXBqeGwgAAAAAGp4bCAAAAASanhscAAAAAD/CsMtEBMAAAHjamJyZMBw2wCCIAgtAwJALgChRoGQ"
    "q0oAAEDIUdmCoTj/J4iMEco4pxS0HyFDmKUOMsxA6Q41WB8ynHzMgEMOKixy0LAD20cN/fsjyxx23IGGovtfjHHGJJds8skopzwz"
    "zTXbfDPOOQs9NNFFG3000klLPTXVVVt9NdZZiz022WWbfTbaacs9N91123033nkLPjjhhRt+OOKJRy755JRXbvnlmGceuuijk166"
    "6aejnnrsss9Oe+2234577sELPzzxxRt/PPLJRy/99NRXb/312GcPfvjij09++eafj3768Mcv//z012///fjn/69gqqoEAEDIUdmC"
    "oTj/L4iEUkZZpxSJ8YCQzahBhkl1oKF6sOHcQ44ZUJAPGnLQYQc2FlnmqN/tw44bWtEfeWbwSYb3vxjjjEs2+WSUU6a5Zptvxjln"
    "oYcmumijj0Y6aamnprpqq6/GOmuxxya7bLPPRjttueemu26778Y778AFH5zwwg0/HPHEI5d8csort/xyzDMPXfTRSS/d9NNRTz12"
    "2WenvXbbb8c99+CFH5744o0/Hvnko5d+euqrt/567LMPX/zxyS/f/PPRTz9++eenv37778c//3+BHwCoLAALCIDgABBKRklGAAEB"
    "AAABAAEAAAMAAAA2YnJvYkV4aWYbKQAABOpk928zWYlClayDiRw4B9iWHPDgMXy3IoD9M/vCakJFxsXNxwEAAAESanhscIAAAAHg"
    "WwIQAPwDDGQMZAxk/v8OAAAYAAgAAQAAAAAAgIAliSNUL+aK75bQAwAUkhQUFNjSGIPXxsbYxsa2McbYFkkxeLRryBTGgfLRoVIB"
    "WxOAM4HPAJ8eTuCDXAUBAIrmBBBTdREAwIcCaSYAbHIJANVcAgAUAAAAANAAAAAAAAAAAAAAAG9rcG/orhDlkazmDTDCvWiXECqI"
    "aAPTNBA5gkFRgEsIcGAMGULFCBFfjUB6pwBA9CwAnOYJAFAAAADkBQAAAAAAAAAAAAAAAAAAAAAAFFLgaFkq2SgxKpKbOCD3Wwrm"
    "Co+ONVJjLiZBPiEFiVOz0h4ItPnftQf3N0As7AxCyRJmDvAQ"
)
"""A JPEG of 32x16 pixels, red on the left, blue on the right, with the orientation 6."""


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def contained(codestream: bytes, *more: bytes, parts: int = 1) -> bytes:
    """A container of a codestream in one or several parts."""
    start = CONTAINER + box(b"ftyp", b"jxl \0\0\0\0jxl ") + b"".join(more)
    if parts == 1:
        return start + box(b"jxlc", codestream)
    step = -(-len(codestream) // parts)
    pieces = [codestream[place : place + step] for place in range(0, len(codestream), step)]
    last = len(pieces) - 1
    return start + b"".join(
        box(b"jxlp", struct.pack(">I", number | (number == last) << 31) + piece)
        for number, piece in enumerate(pieces)
    )


class Fields:
    """Writes the fields of a header, the lowest bit first."""

    def __init__(self) -> None:
        self.value = self.length = 0

    def put(self, *fields: tuple[int, int]) -> "Fields":
        for value, bits in fields:
            self.value |= value << self.length
            self.length += bits
        return self

    def bytes(self) -> bytes:
        return self.value.to_bytes(-(-self.length // 8) + 8, "little")


def header(width: int, height: int, *metadata: tuple[int, int]) -> bytes:
    sides = ((3, 2), (height - 1, 30), (0, 3), (3, 2), (width - 1, 30))
    return Fields().put((0x0AFF, 16), (0, 1), *sides, *metadata).bytes()


PLAIN_DEPTH = ((0, 1), (0, 2))
NO_EXTRA_FIELDS = ((0, 1), (0, 1), *PLAIN_DEPTH, (1, 1))
ONE_CHANNEL = (1, 2)


def refusal(data: bytes, **options: object) -> ItemFailure:
    with pytest.raises(ItemFailure) as caught:
        made(data, **options)
    return caught.value


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA"])
@pytest.mark.parametrize("parts", [0, 1, 3])
def test_samples_of_8_bits_are_kept(mode: str, parts: int) -> None:
    image = photo().convert(mode)
    if mode.endswith("A"):
        image.putalpha(Image.linear_gradient("L").resize(image.size))
    data = file(image, "JXL", lossless=True)
    data = contained(data, parts=parts) if parts else data
    assert made(data).convert(mode).tobytes() == image.tobytes()


def test_a_lossy_file_is_close() -> None:
    assert difference(made(stored("JXL")), photo()) < 3


def test_16_bits_of_grey_become_8() -> None:
    assert made(GREY_OF_16_BITS).convert("L").tobytes() == bytes(range(256))


@pytest.mark.parametrize("turn", range(1, 9))
def test_the_orientation_of_the_codestream_counts(turn: int) -> None:
    codestream = header(40, 30, (0, 1), (1, 1), (turn - 1, 3), (0, 3), *PLAIN_DEPTH, (1, 1), (0, 2))
    assert read_jpeg_xl_header(codestream).size == orientation.oriented_size((40, 30), turn)


def test_a_transcoded_jpeg_is_upright_once() -> None:
    """Its EXIF and its codestream both have the orientation 6."""
    shown = made(TRANSCODED_JPEG)
    assert shown.size == (16, 32)
    assert difference(shown.crop((0, 0, 16, 12)), Image.new("RGB", (16, 12), "red")) < 3
    assert difference(shown.crop((0, 20, 16, 32)), Image.new("RGB", (16, 12), "blue")) < 3


def test_the_orientation_in_exif_alone_does_not_count() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    data = contained(stored("JXL"), box(b"Exif", bytes(4) + exif.tobytes()[6:]))
    assert difference(made(data), made(stored("JXL"))) == 0


@pytest.mark.parametrize("offset", [bytes(4), b""], ids=["with-offset", "without"])
def test_exif_and_xmp_of_the_container_are_read(offset: bytes) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "Ada"
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    data = contained(stored("JXL"), box(b"Exif", offset + exif.tobytes()[6:]), box(b"xml ", xmp))
    metadata = read_metadata(data, open_source(data, LIMITS).image)
    assert b"Ada" in (metadata.exif.copyright or b"")
    assert metadata.xmp.whole == xmp


@pytest.mark.parametrize("metadata", Metadata)
def test_compressed_metadata_is_noted_where_it_was_to_be_kept(metadata: Metadata) -> None:
    """As cjxl writes it."""
    way = Rendition(name="out", output=Output(format=Format.PNG, metadata=metadata))
    with collecting() as notes:
        list(render(TRANSCODED_JPEG, (way,), LIMITS))
    text = "EXIF of 42 bytes was dropped: in JPEG XL, it cannot be read if it is compressed"
    assert notes == ([] if metadata is Metadata.STRIP else [text])


@pytest.mark.parametrize(
    ("width", "height", "start"),
    [
        (1 << 20, 1 << 20, b""),
        (65_535, 65_535, b""),
        (7072, 7071, b""),
    ],
)
def test_the_size_is_checked_before_the_decoder_is_loaded(
    width: int, height: int, start: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    codestream = header(width, height, (1, 1))
    for data in (codestream, contained(codestream), contained(codestream, parts=2)):
        failure = refusal(data)
        assert failure.code is ItemCode.TOO_LARGE
        assert f"{width}x{height} = {width * height} pixels, over the limit of 50000000" in failure.message


@pytest.mark.parametrize("ratio", range(8))
@pytest.mark.parametrize("small", [0, 1])
def test_every_form_of_size_is_read(small: int, ratio: int) -> None:
    height = (3, 5) if small else (0, 2)
    width = (7, 5) if small else (0, 2)
    fields = [(small, 1), height, *([] if small else [(63, 9)]), (ratio, 3)]
    fields += [] if ratio else [width, *([] if small else [(99, 9)])]
    across, down = [(2 if small else 100 / 64, 1), (1, 1), (6, 5), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1)][
        ratio
    ]
    high = 32 if small else 64
    found = read_jpeg_xl_header(Fields().put((0x0AFF, 16), *fields, (1, 1)).bytes())
    assert found.size == (int(high * across / down), high)


def test_an_animation_is_named() -> None:
    failure = refusal(ANIMATION)
    assert failure.code is ItemCode.UNSUPPORTED_FORMAT
    assert failure.message == "an animated JPEG XL is not supported; convert it to another format"


def test_cmyk_is_named() -> None:
    black = ((0, 1), (2, 2), (2, 4), *PLAIN_DEPTH, (0, 2), (0, 2))
    failure = refusal(header(8, 8, *NO_EXTRA_FIELDS, ONE_CHANNEL, *black))
    assert failure.code is ItemCode.UNSUPPORTED_FORMAT
    assert failure.message == "JPEG XL in CMYK is not supported; convert it to another format"


def test_channels_of_every_kind_are_distinguished() -> None:
    name = ((1, 2), (3, 4), *((letter, 8) for letter in b"abc"))
    spot = ((0, 1), (2, 2), (0, 4), *PLAIN_DEPTH, (0, 2), *name, *((0, 16),) * 4)
    bayer = ((0, 1), (2, 2), (3, 4), *PLAIN_DEPTH, (0, 2), (0, 2), (1, 2), (1, 2))
    depth = ((0, 1), (1, 2), (1, 1), (1, 2), (4, 4), (3, 2), (2, 3), (0, 2))
    alpha = ((0, 1), (0, 2), *PLAIN_DEPTH, (0, 2), (0, 2), (1, 1))
    four = ((2, 2), (2, 4))
    found = read_jpeg_xl_header(header(8, 8, *NO_EXTRA_FIELDS, *four, *spot, *bayer, *depth, *alpha))
    assert found.premultiplied
    assert not found.black


def test_a_header_with_every_field_is_read() -> None:
    preview = ((1, 1), (2, 2), (3, 5), (0, 3), (3, 2), (0, 9))
    animation = ((2, 2), (9, 10), (0, 2), (1, 2), (5, 3), (1, 1))
    fields = ((0, 1), (1, 1), (4, 3), (1, 1), (1, 1), (0, 5), (1, 3), (1, 1), *preview, (1, 1), *animation)
    found = read_jpeg_xl_header(header(40, 30, *fields, *PLAIN_DEPTH, (1, 1), (1, 2), (1, 1)))
    assert found.size == (30, 40)
    assert found.animated


def test_without_the_package_it_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    data = stored("JXL")
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    failure = refusal(data)
    assert failure.code is ItemCode.UNSUPPORTED_FORMAT
    assert "pillow_jxl is not installed" in failure.message


@pytest.mark.parametrize("percent", range(0, 100, 7))
def test_a_truncated_container_is_undecodable(percent: int) -> None:
    data = contained(stored("JXL"), parts=3)
    assert refusal(data[: len(data) * percent // 100]).code is ItemCode.UNDECODABLE


def test_its_pixels_are_limited_like_those_of_other_formats() -> None:
    assert made(stored("JXL"), limits=limits(pixels=64_000)).size == (320, 200)
