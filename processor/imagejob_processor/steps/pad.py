"""Pad: add a margin."""

from __future__ import annotations

from PIL import Image

from imagejob_contract.recipe import Pad
from imagejob_processor.pixels.canvas import place_on_canvas
from imagejob_processor.pixels.geometry import Size


def size_after(step: Pad, size: Size) -> Size:
    """Return the size of the result."""
    return (step.left + size[0] + step.right, step.top + size[1] + step.bottom)


def apply(step: Pad, image: Image.Image) -> Image.Image:
    """Add the margin."""
    return place_on_canvas(image, size_after(step, image.size), (step.left, step.top), step.background)
