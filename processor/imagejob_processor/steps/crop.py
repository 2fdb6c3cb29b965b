"""Crop: cut out a box that lies inside the image."""

from __future__ import annotations

from PIL import Image

from imagejob_processor.contract import Crop
from imagejob_processor.steps.geometry import Size, StepImpossible


def size_after(step: Crop, size: Size) -> Size:
    """Give the size of the result.

    Raises:
        StepImpossible: The box reaches over the edge; nothing is clipped in silence.
    """
    right, bottom = step.x + step.width, step.y + step.height
    if right > size[0] or bottom > size[1]:
        box = f"{step.width}x{step.height} at {step.x},{step.y}"
        raise StepImpossible(f"the box {box} is not inside the image, which is {size[0]}x{size[1]} here")
    return (step.width, step.height)


def apply(step: Crop, image: Image.Image) -> Image.Image:
    """Cut the box out."""
    size_after(step, image.size)
    return image.crop((step.x, step.y, step.x + step.width, step.y + step.height))
