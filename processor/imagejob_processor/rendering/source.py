"""Source: what are these bytes, may they be decoded, and the decoding itself.

Everything up to `decode` reads headers only (but the EXIF of a PNG may stand behind its pixels, so those
are decoded to find it, after all limits). Formats are recognised here, by their first bytes, and
Pillow is then told to use exactly that one decoder: file names and content types are never believed.
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
from imagejob_processor.errors import CodecFailure, ItemFailure, describe
from imagejob_processor.pixels import colour, orient
from imagejob_processor.pixels.geometry import Box, Size, whole

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
_AVIF_BRANDS = (b"avif", b"avis")
_PNM = re.compile(rb"P[1-7f][\s#]")
_SVG = re.compile(rb"\A(?:\xef\xbb\xbf)?\s*(?:<\?xml|<!--|<!DOCTYPE svg|<svg)", re.IGNORECASE)
# Not loaded by Pillow itself, and not by us before they are needed: they cost memory and time.
_READERS = {"WEBP": "PIL.WebPImagePlugin", "TIFF": "PIL.TiffImagePlugin", "AVIF": "PIL.AvifImagePlugin"}
_BOMB = re.compile(r"\((\d+) pixels\)")


@dataclass(frozen=True)
class Source:
    """An image whose header has passed all checks; its pixels are not decoded yet.

    Attributes:
        format: Pillow's name of the format that it was recognised as.
        image: Pillow's lazy image.
        size: Width and height as stored, before it is put upright.
        orientation: EXIF orientation, 1..8.
        profile: ICC profile, if there is one.
        need: Bytes of address space that are surely enough to decode it.
    """

    format: str
    image: Image.Image
    size: Size
    orientation: int
    profile: bytes | None
    need: int

    @property
    def upright_size(self) -> Size:
        """Width and height as people see it: what the steps of a rendition start from."""
        return orient.upright_size(self.size, self.orientation)


@dataclass(frozen=True)
class Frame:
    """Decoded pixels, upright.

    Attributes:
        image: In full, or reduced by 2, 4 or 8.
        box: The part of `image` that is the picture; after a reduction its edges may lie between pixels.
        source_size: Width and height of the picture in full.
    """

    image: Image.Image
    box: Box
    source_size: Size


def sniff(data: bytes) -> str:
    """Recognise an allowed format by its first bytes.

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
        raise ItemFailure(ItemCode.UNDECODABLE, f"not an image: {len(data)} bytes of no known format")
    raise ItemFailure(
        ItemCode.UNSUPPORTED_FORMAT,
        f"{refused} is not allowed: use JPEG, PNG, WebP, GIF, TIFF, AVIF or BMP",
    )


def open_source(data: bytes, limits: ItemLimits) -> Source:
    """Read the header and check everything that can be known from it.

    Raises:
        ItemFailure: IMG_001, IMG_002 or IMG_003.
    """
    checks.check_bytes(len(data), limits)
    name = sniff(data)
    _check_gif_frames(name, data, limits)
    with decoder_errors(limits, _need(data, _webp_size(data) if name == "WEBP" else None)):
        _import_plugin(name)
        Image.MAX_IMAGE_PIXELS = limits.pixels
        image = Image.open(BytesIO(data), formats=[name])
    checks.check_pixels(image.size, limits)
    need = _need(data, image.size)
    with decoder_errors(limits, need):
        _check_frames(name, image, limits)
        profile = image.info.get("icc_profile")
        return Source(name, image, image.size, orient.orientation_of(image), profile or None, need)


def decode(source: Source, draft: Size | None, limits: ItemLimits) -> Frame:
    """Decode the first frame and put it upright, in a mode that can be resampled.

    Args:
        source: An opened image; it is used up.
        draft: The least width and height, as stored, that is needed; a JPEG is then decoded at 1/2, 1/4
            or 1/8 where that is not smaller, other formats are not affected. None: in full.
        limits: The order's limits.

    Raises:
        ItemFailure: IMG_001 for truncated and corrupt files, IMG_002, IMG_003.
    """
    image, box = source.image, None
    with decoder_errors(limits, source.need):
        if draft is not None:
            drafted = image.draft(None, draft)
            box = drafted[1] if drafted else None
        image.load()
        image = colour.plain(image)
        image.info = {}
    turned = orient.upright_box(box or whole(image.size), image.size, source.orientation)
    return Frame(orient.upright(image, source.orientation), turned, source.upright_size)


@contextlib.contextmanager
def decoder_errors(limits: ItemLimits, need: int) -> Iterator[None]:
    """Turn whatever a decoder raises into an `ItemFailure`: Pillow's raise nearly anything."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (ItemFailure, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        found = _BOMB.search(str(error))
        value = f"{found.group(1)} pixels" if found else describe(error)
        raise checks.too_many_pixels(value, limits) from error
    except Exception as error:
        message = f"cannot be decoded, truncated or corrupt: {describe(error)}"
        raise CodecFailure(ItemCode.UNDECODABLE, message, need) from error


def _need(data: bytes, size: Size | None) -> int:
    return pod_memory.decode_bytes(len(data), size) if size else 0


def _webp_size(data: bytes) -> Size | None:
    """Read the size of the canvas, which Pillow's decoder allocates before it tells the size."""
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
    """Count frames where headers tell; a JPEG's further pictures (previews, gain maps) are not frames."""
    if name == "TIFF":
        _check_tiff_frames(image, limits)
    elif name in ("PNG", "WEBP", "AVIF"):
        checks.check_frames(getattr(image, "n_frames", 1), limits)


def _check_tiff_frames(image: Image.Image, limits: ItemLimits) -> None:
    """Look for one page more than allowed: to count all of them is as long as the file wants it to be."""
    try:
        image.seek(limits.frames)
    except EOFError:
        image.seek(0)
        return
    checks.check_frames(limits.frames + 1, limits, at_least=True)


def _check_gif_frames(name: str, data: bytes, limits: ItemLimits) -> None:
    """Walk over a GIF's blocks, since Pillow would decode each frame to find the next one."""
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
    """Give the length in bytes of the colour table that the flags at `position` announce."""
    flags = data[position] if position < len(data) else 0
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(data: bytes, position: int) -> int:
    """Skip a chain of length-prefixed blocks."""
    while position < len(data) and data[position]:
        position += data[position] + 1
    return position + 1
