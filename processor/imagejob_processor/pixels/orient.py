"""Orient: put a photo upright by its EXIF orientation, a number from 1 (upright) to 8.

Pillow does this itself for TIFF when it decodes, so `orientation_of` says 1 there.
"""

from __future__ import annotations

from PIL import ExifTags, Image

from imagejob_processor.pixels.geometry import Box, Size

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def orientation_of(image: Image.Image) -> int:
    """Read the orientation; 1 where there is none, or none that makes sense."""
    if image.format == "TIFF":
        return 1
    try:
        value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - broken EXIF is no reason to refuse a picture that decodes
        return 1
    return value if isinstance(value, int) and value in _TURNS else 1


def opposite(orientation: int) -> int:
    """Give the orientation that undoes a turn."""
    return {6: 8, 8: 6}.get(orientation, orientation)


def swapped(orientation: int) -> bool:
    """Tell whether width and height change places."""
    return orientation >= 5


def upright_size(size: Size, orientation: int) -> Size:
    """Give the size after turning; the same function leads back."""
    return (size[1], size[0]) if swapped(orientation) else size


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """Turn the image upright."""
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image


def upright_box(box: Box, size: Size, orientation: int) -> Box:
    """Turn a box along with its image, whose size before turning is `size`."""
    left, top, right, bottom = box
    if orientation in (2, 3, 7, 8):
        left, right = size[0] - right, size[0] - left
    if orientation in (3, 4, 6, 7):
        top, bottom = size[1] - bottom, size[1] - top
    return (top, left, bottom, right) if swapped(orientation) else (left, top, right, bottom)
