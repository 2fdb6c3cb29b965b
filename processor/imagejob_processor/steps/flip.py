"""Flip: mirror the image."""

from __future__ import annotations

from PIL import Image

from imagejob_contract.recipe import Flip
from imagejob_processor.pixels.geometry import Size

_TRANSPOSITIONS = {"Horizontal": Image.Transpose.FLIP_LEFT_RIGHT, "Vertical": Image.Transpose.FLIP_TOP_BOTTOM}


def size_after(step: Flip, size: Size) -> Size:
    """Return the size of the result, which is unchanged."""
    del step
    return size


def apply(step: Flip, image: Image.Image) -> Image.Image:
    """Mirror the image."""
    return image.transpose(_TRANSPOSITIONS[step.direction])
