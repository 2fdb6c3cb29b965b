"""Limits and formats: errors and their messages."""

import struct
import time
import zlib

import pytest
from PIL import Image

from imagejob_contract.order import ItemLimits
from imagejob_contract.output import Format
from imagejob_contract.result import ItemCode
from imagejob_processor.errors import ItemFailure, message_of
from imagejob_processor.rendering.format_detection import detect_format
from imagejob_processor.rendering.source import _webp_size, open_source
from unit.processor.images import LIMITS, file, jpeg, limits, made, make, photo, rendition, resized, stored

FORMATS = ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "AVIF", "HEIF", "JXL", "BMP"]


def refusal(data: bytes, some: ItemLimits = LIMITS) -> ItemFailure:
    with pytest.raises(ItemFailure) as caught:
        made(data, limits=some)
    return caught.value


def animation(form: str, count: int) -> bytes:
    frames = [Image.new("RGB", (8, 8), (number * 50, 255 - number * 50, 99)) for number in range(count)]
    return file(frames[0], form, save_all=True, append_images=frames[1:], duration=10)


def png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    pixels = zlib.compress(b"\0" * 1000)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_bytes_up_to_the_limit():
    data = file(photo())
    assert made(data, limits=limits(item_bytes=len(data)))
    failure = refusal(data, limits(item_bytes=len(data) - 1))
    assert failure.code is ItemCode.TOO_LARGE
    assert failure.message == (
        f"the source has {len(data)} bytes, over the limit of {len(data) - 1}; "
        "raise limits.itemSize or reduce the source"
    )


@pytest.mark.parametrize("form", FORMATS)
def test_pixels_up_to_the_limit(form):
    data = stored(form)
    assert made(data, limits=limits(pixels=64000))
    failure = refusal(data, limits(pixels=63999))
    assert failure.code is ItemCode.TOO_LARGE
    assert failure.message == (
        "the source has 320x200 = 64000 pixels, over the limit of 63999; "
        "raise limits.pixels or reduce the source"
    )


@pytest.mark.parametrize("form", FORMATS)
def test_far_over_the_limit_is_the_same_refusal(form):
    failure = refusal(stored(form), limits(pixels=100))
    assert failure.code is ItemCode.TOO_LARGE
    assert "64000" in failure.message
    assert "over the limit of 100; raise limits.pixels" in failure.message


@pytest.mark.parametrize("form", ["GIF", "PNG", "WEBP", "AVIF", "TIFF"])
def test_frames_up_to_the_limit(form):
    data = animation(form, 5)
    assert made(data, limits=limits(frames=5))
    failure = refusal(data, limits(frames=4))
    assert failure.code is ItemCode.TOO_LARGE
    assert "5 frames, over the limit of 4; raise limits.frames" in failure.message


def test_a_huge_png_costs_nothing():
    started = time.process_time()
    failure = refusal(png_header(60000, 60000))
    assert failure.code is ItemCode.TOO_LARGE
    assert "3600000000 pixels" in failure.message
    assert time.process_time() - started < 0.5


def test_ten_thousand_frames_cost_nothing():
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\x00"
    data = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff" + frame * 10_000 + b";"
    assert made(data, limits=limits(frames=10_000)).size == (1, 1)
    started = time.process_time()
    assert "frames, over the limit of 100" in refusal(data).message
    assert time.process_time() - started < 0.5


def test_a_header_that_promises_more_than_there_is():
    data = bytearray(jpeg(Image.new("RGB", (16, 16))))
    start = data.index(b"\xff\xc0")
    data[start + 5 : start + 9] = struct.pack(">HH", 60000, 60000)
    assert refusal(bytes(data)).code is ItemCode.TOO_LARGE


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("percent", range(0, 100, 10))
def test_a_truncated_file_is_undecodable(form, percent):
    data = stored(form)
    cut = data[: len(data) * percent // 100]
    for some in (LIMITS, limits()):
        assert refusal(cut, some).code is ItemCode.UNDECODABLE


@pytest.mark.parametrize("percent", range(10, 100, 10))
def test_a_truncated_jpeg_is_undecodable_at_reduced_size_too(percent):
    data = jpeg(photo())
    with pytest.raises(ItemFailure) as caught:
        made(data[: len(data) * percent // 100], resized(40, 40))
    assert caught.value.code is ItemCode.UNDECODABLE


@pytest.mark.parametrize(
    ("data", "named"),
    [
        pytest.param(b"%PDF-1.7 ...", "PDF", id="PDF"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF", "EPS", id="EPS"),
        pytest.param(b"8BPS\0\1", "PSD", id="PSD"),
        pytest.param(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "SVG", id="SVG"),
        pytest.param(b"\xef\xbb\xbf <?xml version='1.0'?><svg/>", "SVG", id="SVG with a mark"),
        pytest.param(b"\0\0\0\x18ftypisom\0\0\0\0mp41isom", "MP4", id="MP4"),
        pytest.param(b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "Canon CR3 (camera raw)", id="CR3"),
        pytest.param(b"FUJIFILMCCD-RAW 0201FF", "Fujifilm RAF (camera raw)", id="RAF"),
        pytest.param(b"IIRO\x08\0\0\0", "Olympus ORF (camera raw)", id="ORF"),
        pytest.param(b"IIRS\x08\0\0\0", "Olympus ORF (camera raw)", id="newer ORF"),
        pytest.param(b"MMOR\0\0\0\x08", "Olympus ORF (camera raw)", id="big-endian ORF"),
        pytest.param(b"IIU\0\x18\0\0\0", "Panasonic RW2 (camera raw)", id="RW2"),
        pytest.param(b"II\x1a\0\0\0HEAPCCDR", "Canon CRW (camera raw)", id="CRW"),
        pytest.param(b"FOVb\0\0\2\0", "Sigma X3F (camera raw)", id="X3F"),
        pytest.param(b"\0MRM\0\0\0\0", "Minolta MRW (camera raw)", id="MRW"),
        pytest.param(b"\x1aE\xdf\xa3\x01\0", "WebM or Matroska", id="WebM"),
        pytest.param(b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000", id="JPEG 2000"),
        pytest.param(file(photo(), "ICO"), "ICO", id="ICO"),
        pytest.param(file(photo(), "PPM"), "PNM", id="PPM"),
        pytest.param(file(photo(), "DDS"), "DDS", id="DDS"),
    ],
)
def test_other_formats_are_named(data, named):
    failure = refusal(data)
    assert failure.code is ItemCode.UNSUPPORTED_FORMAT
    assert failure.message.startswith(named)


@pytest.mark.parametrize("data", [b"", b"\0", b"hello", b"\xff\xd8", b"RIFF\0\0\0\0WAVEfmt ", b"PK\3\4zip"])
def test_what_is_no_image(data):
    assert refusal(data).code is ItemCode.UNDECODABLE


@pytest.mark.parametrize("form", FORMATS)
def test_allowed_formats_are_known_by_their_bytes(form):
    assert detect_format(stored(form)) == form


def test_a_polyglot_is_read_as_what_it_begins_with():
    assert made(file(photo()) + b"%PDF-1.7").size == (320, 200)


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("size", [(1, 1), (300, 17), (5000, 3)])
def test_the_size_of_a_webp_is_known_ahead(lossless, mode, size):
    assert _webp_size(file(Image.new(mode, size), "WEBP", lossless=lossless)) == size


def test_opening_decodes_nothing():
    data = jpeg(Image.new("RGB", (4000, 3000)))
    started = time.process_time()
    assert open_source(data, LIMITS).size == (4000, 3000)
    opening = time.process_time() - started
    started = time.process_time()
    assert make(data, rendition(form=Format.JPEG))
    assert opening < (time.process_time() - started) / 4


def test_messages_are_short_and_without_secrets():
    text = message_of("GET http://h/b/k?X-Amz-Signature=abc&x=y failed\n" + "x" * 500)
    assert len(text) == 300
    assert "Signature" not in text
    assert "\n" not in text
    assert text.startswith("GET http://h/b/k?… failed")
