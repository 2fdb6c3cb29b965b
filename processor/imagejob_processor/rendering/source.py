"""The source: format detection, checks of the header, and decoding.

Only headers are read before `decode` (except that the EXIF of a PNG may follow its pixels, which are then
decoded after all checks). The format is detected by the first bytes, and Pillow uses only that decoder: file
names and content types play no role.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO

from PIL import Image

from imagejob_contract import pod_memory
from imagejob_contract.order import ItemLimits
from imagejob_contract.result import ItemCode
from imagejob_processor import limits as checks
from imagejob_processor.errors import CodecFailure, ItemFailure, detail_of
from imagejob_processor.pixels import colour, orientation
from imagejob_processor.pixels.geometry import Box, Size, full_box

_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
    (b"BM", "BMP"),
)
_REFUSED_MAGIC = (
    (b"%PDF", "PDF"),
    (b"%!PS", "EPS"),
    (b"\xc5\xd0\xd3\xc6", "EPS"),
    (b"8BPS", "PSD"),
    (b"\x00\x00\x01\x00", "ICO"),
    (b"\x00\x00\x02\x00", "CUR"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\x00\x00\x00\x0cJXL ", "JPEG XL"),
    (b"\x00\x00\x00\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"DDS ", "DDS"),
    (b"icns", "ICNS"),
    (b"qoif", "QOI"),
    (b"SIMPLE  =", "FITS"),
    (b"gimp xcf", "XCF"),
    (b"v/1\x01", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
)
_SUPPORTED = "JPEG, PNG, WebP, GIF, TIFF, AVIF or BMP"
_AVIF_BRANDS = (b"avif", b"avis")
_PNM = re.compile(rb"P[1-7f][\s#]")
_SVG = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml|<!--|<!DOCTYPE svg|<svg)", re.IGNORECASE)
# Imported when first needed, to save memory and time.
_READERS = {"WEBP": "PIL.WebPImagePlugin", "TIFF": "PIL.TiffImagePlugin", "AVIF": "PIL.AvifImagePlugin"}
_PIXEL_COUNT = re.compile(r"\((\d+) pixels\)")


@dataclass(frozen=True)
class Source:
    """An image whose header has passed all checks; its pixels are not decoded yet.

    Attributes:
        format: Pillow's name of the format.
        image: Pillow's lazy image.
        size: Width and height as stored.
        orientation: EXIF orientation, 1..8.
        profile: ICC profile, if there is one.
        memory_needed: Address space in bytes that is certainly enough to decode it.
    """

    format: str
    image: Image.Image
    size: Size
    orientation: int
    profile: bytes | None
    memory_needed: int

    @property
    def oriented_size(self) -> Size:
        """Width and height after the EXIF orientation was applied: where the steps of a rendition start."""
        return orientation.oriented_size(self.size, self.orientation)


@dataclass(frozen=True)
class Frame:
    """Decoded pixels, upright.

    Attributes:
        image: At full size, or reduced by 2, 4 or 8.
        box: The part of `image` that is the source; after a reduction its edges may be between pixels.
        source_size: Width and height of the source.
    """

    image: Image.Image
    box: Box
    source_size: Size


def sniff(data: bytes) -> str:
    """Detect a supported format by the first bytes.

    Raises:
        ItemFailure: IMG_003 for other known formats, IMG_001 for anything else.
    """
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp" and any(brand in _brands(data) for brand in _AVIF_BRANDS):
        return "AVIF"
    refused = _refused_format(data)
    if refused is None:
        raise ItemFailure(
            ItemCode.UNDECODABLE,
            f"the file ({len(data)} bytes) is not an image in a known format; use {_SUPPORTED}",
        )
    raise ItemFailure(
        ItemCode.UNSUPPORTED_FORMAT,
        f"{refused} is not supported; use {_SUPPORTED}",
    )


def open_source(data: bytes, limits: ItemLimits) -> Source:
    """Read and check the header.

    Raises:
        ItemFailure: IMG_001, IMG_002 or IMG_003.
    """
    checks.check_bytes(len(data), limits)
    name = sniff(data)
    _check_gif_frames(name, data, limits)
    with decoder_errors(limits, _memory_needed(data, _webp_size(data) if name == "WEBP" else None)):
        _import_plugin(name)
        Image.MAX_IMAGE_PIXELS = limits.pixels
        image = Image.open(BytesIO(data), formats=[name])
    checks.check_pixels(image.size, limits)
    memory_needed = _memory_needed(data, image.size)
    with decoder_errors(limits, memory_needed):
        _check_frames(name, image, limits)
        profile = image.info.get("icc_profile")
        return Source(
            name, image, image.size, orientation.read_orientation(image), profile or None, memory_needed
        )


def decode(source: Source, draft: Size | None, limits: ItemLimits) -> Frame:
    """Decode the first frame, apply its EXIF orientation, and convert it to a mode that can be resampled.

    Args:
        source: An opened image; it cannot be used again.
        draft: The least width and height needed, as stored: a JPEG is decoded at 1/2, 1/4 or 1/8 if that
            is not smaller. None: at full size.
        limits: The order's limits.

    Raises:
        ItemFailure: IMG_001 for truncated and corrupt files, IMG_002, IMG_003.
    """
    image, box = source.image, None
    with decoder_errors(limits, source.memory_needed):
        if draft is not None:
            drafted = image.draft(None, draft)
            box = drafted[1] if drafted else None
        image.load()
        image = colour.to_resizable_mode(image)
        image.info = {}
    oriented = orientation.oriented_box(box or full_box(image.size), image.size, source.orientation)
    return Frame(orientation.apply(image, source.orientation), oriented, source.oriented_size)


@contextlib.contextmanager
def decoder_errors(limits: ItemLimits, memory_needed: int) -> Iterator[None]:
    """Convert every error of a decoder into an `ItemFailure`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (ItemFailure, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        found = _PIXEL_COUNT.search(str(error))
        value = f"{found.group(1)} pixels" if found else "too many pixels"
        raise checks.too_many_pixels(value, limits) from error
    except Exception as error:
        message = f"the file is truncated or corrupt and cannot be decoded{detail_of(error)}"
        raise CodecFailure(ItemCode.UNDECODABLE, message, memory_needed) from error


def _memory_needed(data: bytes, size: Size | None) -> int:
    return pod_memory.decode_bytes(len(data), size) if size else 0


def _webp_size(data: bytes) -> Size | None:
    """Read the size of the canvas, which Pillow's decoder allocates when it opens the file."""
    kind = data[12:16]
    if kind == b"VP8X" and len(data) >= 30:
        return (int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1)
    if kind == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        return ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8 " and len(data) >= 30:
        sides = int.from_bytes(data[26:30], "little")
        return (sides & 0x3FFF, sides >> 16 & 0x3FFF)
    return None


def _brands(data: bytes) -> list[bytes]:
    """List the brands of an ISO media file: the major one and the compatible ones."""
    end = min(int.from_bytes(data[:4], "big"), len(data), 1024)
    return [data[8:12], *(data[start : start + 4] for start in range(16, end, 4))]


def _refused_format(data: bytes) -> str | None:
    for magic, name in _REFUSED_MAGIC:
        if data.startswith(magic):
            return name
    if data[4:8] == b"ftyp":
        heif = any(brand[:3] in (b"hei", b"hev", b"mif", b"msf") for brand in _brands(data))
        return "HEIC" if heif else "MP4 or QuickTime video"
    if _PNM.match(data):
        return "PNM"
    if _SVG.match(data[:512]):
        return "SVG or XML"
    return None


def _import_plugin(name: str) -> None:
    if name in _READERS:
        plugin = importlib.import_module(_READERS[name])
        if name == "AVIF":
            plugin.DEFAULT_MAX_THREADS = 1  # type: ignore[attr-defined]


def _check_frames(name: str, image: Image.Image, limits: ItemLimits) -> None:
    """Check the number of frames; further images in a JPEG (previews, gain maps) are not frames."""
    if name == "TIFF":
        _check_tiff_frames(image, limits)
    elif name in ("PNG", "WEBP", "AVIF"):
        checks.check_frames(getattr(image, "n_frames", 1), limits)


def _check_tiff_frames(image: Image.Image, limits: ItemLimits) -> None:
    """Seek one page beyond the limit: a file could make counting all pages arbitrarily slow."""
    try:
        image.seek(limits.frames)
    except EOFError:
        image.seek(0)
        return
    checks.check_frames(limits.frames + 1, limits, at_least=True)


def _check_gif_frames(name: str, data: bytes, limits: ItemLimits) -> None:
    """Count the frames of a GIF by its blocks: Pillow would decode each frame to find the next one."""
    if name != "GIF":
        return
    frames, position = 0, 13 + _colour_table(data, 10)
    while position < len(data) and frames <= limits.frames:
        kind = data[position]
        if kind == 0x2C:
            frames += 1
            position = _after_blocks(data, position + 11 + _colour_table(data, position + 9))
        elif kind == 0x21:
            position = _after_blocks(data, position + 2)
        else:
            break
    checks.check_frames(frames, limits, at_least=True)


def _colour_table(data: bytes, position: int) -> int:
    """Return the length in bytes of the colour table, from the flags at `position`."""
    flags = data[position] if position < len(data) else 0
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(data: bytes, position: int) -> int:
    """Skip a chain of length-prefixed blocks."""
    while position < len(data) and data[position]:
        position += data[position] + 1
    return position + 1
