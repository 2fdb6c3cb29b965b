"""The source: checks of the header, and decoding.

Only headers are read before `decode` (except that the EXIF of a PNG may follow its pixels, which are then
decoded after all checks). Pillow uses only the decoder of the detected format.
"""

from __future__ import annotations

import contextlib
import importlib
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image

from imagejob_contract import pod_memory
from imagejob_contract.order import ItemLimits
from imagejob_contract.result import ItemCode
from imagejob_processor import limits as checks
from imagejob_processor.errors import CodecFailure, ItemFailure, reason_of
from imagejob_processor.headers.header import Header
from imagejob_processor.headers.read import read_header
from imagejob_processor.pixels import orientation, sample_depth
from imagejob_processor.pixels.geometry import Box, Size, full_box
from imagejob_processor.rendering.colour_space import profile_of
from imagejob_processor.rendering.format_detection import detect_format
from imagejob_processor.rendering.frame_count import check_frame_count, check_gif_frame_count
from imagejob_processor.rendering.heif import open_heif
from imagejob_processor.rendering.iso_media import read_media
from imagejob_processor.rendering.jpeg_xl import open_jpeg_xl, read_jpeg_xl_header

# Plugins of Pillow, imported when first needed, to save memory and time.
_READERS = {"WEBP": "PIL.WebPImagePlugin", "TIFF": "PIL.TiffImagePlugin", "AVIF": "PIL.AvifImagePlugin"}
_TITLES = {"WEBP": "WebP", "JXL": "JPEG XL"}
_PIXEL_COUNT = re.compile(r"\((\d+) pixels\)")


@dataclass(frozen=True)
class Source:
    """An image whose header has passed all checks; its pixels are not decoded yet.

    Attributes:
        format: Pillow's name of the format.
        header: The file with what was read of its header.
        image: Pillow's lazy image.
        size: Width and height as stored.
        orientation: EXIF orientation, 1..8.
        profile: ICC profile of its colours; None if they are those of sRGB.
        memory_needed: Address space in bytes that is certainly enough to decode it.
    """

    format: str
    header: Header
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


def open_source(data: bytes, limits: ItemLimits) -> Source:
    """Read and check the header.

    Raises:
        ItemFailure: IMG_001, IMG_002 or IMG_003.
    """
    checks.check_bytes(len(data), limits)
    name = detect_format(data)
    check_gif_frame_count(name, data, limits)
    with decoder_errors(name, limits, _memory_needed(data, _webp_size(data) if name == "WEBP" else None)):
        header = read_header(name, data)
        image = _open(name, header.data, limits)
        image.info |= {"icc_profile": header.profile} if header.profile else {}
    checks.check_pixels(image.size, limits)
    memory_needed = _memory_needed(data, image.size)
    with decoder_errors(name, limits, memory_needed):
        check_frame_count(name, image, limits)
        profile = profile_of(name, header.data, image)
        upright = orientation.read_orientation(image)
        return Source(name, header, image, image.size, upright, profile, memory_needed)


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
    with decoder_errors(source.format, limits, source.memory_needed):
        # Other plugins take an embedded thumbnail, which need not be the same picture.
        if draft is not None and source.format == "JPEG":
            drafted = image.draft(None, draft)
            box = drafted[1] if drafted else None
        image = sample_depth.decode_samples(source.header, image)
        image.info = {}
    oriented = orientation.oriented_box(box or full_box(image.size), image.size, source.orientation)
    return Frame(orientation.apply(image, source.orientation), oriented, source.oriented_size)


@contextlib.contextmanager
def decoder_errors(name: str, limits: ItemLimits, memory_needed: int) -> Iterator[None]:
    """Convert every error of the decoder of a format into an `ItemFailure`."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (ItemFailure, MemoryError):
        raise
    except ImportError as error:
        text = f"this format is not supported here, because {error.name} is not installed"
        raise ItemFailure(ItemCode.UNSUPPORTED_FORMAT, text) from error
    except Image.DecompressionBombError as error:
        found = _PIXEL_COUNT.search(str(error))
        value = f"{found.group(1)} pixels" if found else "too many pixels"
        raise checks.too_many_pixels(value, limits) from error
    except Exception as error:
        title = _TITLES.get(name, name)
        message = f"the {title} file is truncated or corrupt and cannot be decoded{reason_of(error)}"
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


def _open(name: str, data: bytes, limits: ItemLimits) -> Image.Image:
    """Open a file with the reader of its format; sizes that its decoder would allocate are checked first."""
    Image.MAX_IMAGE_PIXELS = limits.pixels
    if name == "HEIF":
        media = read_media(data)
        for size in media.sizes:
            checks.check_pixels(size, limits)
        return open_heif(data, media)
    if name == "JXL":
        header = read_jpeg_xl_header(data)
        checks.check_pixels(header.size, limits)
        with decoder_errors(name, limits, _memory_needed(data, header.size)):
            return open_jpeg_xl(data, header)
    _import_plugin(name)
    try:
        return Image.open(BytesIO(data), formats=[name])
    except Exception:
        if name != "AVIF" or b"Exif" not in data:
            raise
    # Broken EXIF fails the whole file in libavif and Pillow; an item of an unknown type is not read.
    return Image.open(BytesIO(data.replace(b"Exif", b"skip", 1)), formats=[name])


def _import_plugin(name: str) -> None:
    if name in _READERS:
        plugin = importlib.import_module(_READERS[name])
        if name == "AVIF":
            plugin.DEFAULT_MAX_THREADS = 1  # type: ignore[attr-defined]
        elif name == "TIFF":
            _complete_tiff_layouts(plugin.OPEN_INFO)


def _complete_tiff_layouts(layouts: dict[tuple[Any, ...], tuple[str, str]]) -> None:
    """Add layouts of grey of 12 and 16 bits, in both byte orders and with 0 as white or black."""
    for order, deep in ((b"II", "I;16"), (b"MM", "I;16B")):
        for photometric in (0, 1):
            layouts.setdefault((order, photometric, (1,), 1, (16,), ()), (deep, deep))
            layouts.setdefault((order, photometric, (1,), 1, (12,), ()), ("I;16", "I;12"))
