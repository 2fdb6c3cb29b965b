"""Rotate by quarter turns clockwise."""

from __future__ import annotations

from PIL import Image

from imagejob_contract.recipe import Rotate
from imagejob_processor.pixels.geometry import Size

# Pillow rotates counter-clockwise.
_TRANSPOSITIONS = {
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


def size_after(step: Rotate, size: Size) -> Size:
    """Return the size of the result; 90 and 270 degrees swap the sides."""
    return size if step.degrees == 180 else (size[1], size[0])


def apply(step: Rotate, image: Image.Image) -> Image.Image:
    """Rotate the image."""
    return image.transpose(_TRANSPOSITIONS[step.degrees])
