"""Rotate: quarter turns clockwise, without loss."""

from __future__ import annotations

from PIL import Image

from imagejob_contract.recipe import Rotate
from imagejob_processor.pixels.geometry import Size

# Pillow turns counter-clockwise.
_TURNS = {
    90: Image.Transpose.ROTATE_270,
    180: Image.Transpose.ROTATE_180,
    270: Image.Transpose.ROTATE_90,
}


def size_after(step: Rotate, size: Size) -> Size:
    """Give the size of the result: sides change places for 90 and 270 degrees."""
    return size if step.degrees == 180 else (size[1], size[0])


def apply(step: Rotate, image: Image.Image) -> Image.Image:
    """Turn the image."""
    return image.transpose(_TURNS[step.degrees])
