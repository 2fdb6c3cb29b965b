"""Flip: mirror the image, without loss."""

from __future__ import annotations

from PIL import Image

from imagejob_contract.recipe import Flip
from imagejob_processor.pixels.geometry import Size

_TURNS = {"Horizontal": Image.Transpose.FLIP_LEFT_RIGHT, "Vertical": Image.Transpose.FLIP_TOP_BOTTOM}


def size_after(step: Flip, size: Size) -> Size:
    """Give the size of the result: unchanged."""
    del step
    return size


def apply(step: Flip, image: Image.Image) -> Image.Image:
    """Mirror the image."""
    return image.transpose(_TURNS[step.direction])
