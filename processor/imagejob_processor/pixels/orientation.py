"""EXIF orientation, a number from 1 (upright) to 8.

The decoders of TIFF, HEIC and JPEG XL apply it, or what the file has instead: there, `read_orientation`
returns 1.
"""

from __future__ import annotations

from PIL import ExifTags, Image

from imagejob_processor.pixels import xmp
from imagejob_processor.pixels.geometry import Box, Size

_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def read_orientation(image: Image.Image) -> int:
    """Read the orientation, of XMP if EXIF has none; 1 if there is none or it is invalid."""
    if image.format in ("HEIF", "JXL") or ExifTags.Base.Orientation in getattr(image, "tag_v2", ()):
        return 1
    try:
        exif = image.getexif()
        packet = image.info.get("xmp", b"")
        value = exif.get(ExifTags.Base.Orientation) or xmp.orientation(packet)
        if image.format == "TIFF":
            # Or Pillow applies that of XMP as well, but does not turn the size that it reports.
            image.info.pop("xmp", None)
            exif.pop(ExifTags.Base.Orientation, None)
    except Exception:  # noqa: BLE001 - broken EXIF does not fail an image that decodes
        return 1
    return value if isinstance(value, int) and value in _TRANSPOSITIONS else 1


def inverse(orientation: int) -> int:
    """Return the inverse orientation."""
    return {6: 8, 8: 6}.get(orientation, orientation)


def swaps_sides(orientation: int) -> bool:
    """Whether width and height are swapped."""
    return orientation >= 5


def oriented_size(size: Size, orientation: int) -> Size:
    """Return the size of the upright image; the function is its own inverse."""
    return (size[1], size[0]) if swaps_sides(orientation) else size


def apply(image: Image.Image, orientation: int) -> Image.Image:
    """Return the upright image."""
    return image.transpose(_TRANSPOSITIONS[orientation]) if orientation in _TRANSPOSITIONS else image


def oriented_box(box: Box, size: Size, orientation: int) -> Box:
    """Map a box to the upright image; `size` is that of the image as stored."""
    left, top, right, bottom = box
    if orientation in (2, 3, 7, 8):
        left, right = size[0] - right, size[0] - left
    if orientation in (3, 4, 6, 7):
        top, bottom = size[1] - bottom, size[1] - top
    return (top, left, bottom, right) if swaps_sides(orientation) else (left, top, right, bottom)
