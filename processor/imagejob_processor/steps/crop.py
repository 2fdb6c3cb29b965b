"""Crop: cut out a box."""

from __future__ import annotations

from PIL import Image

from imagejob_contract.recipe import Crop
from imagejob_processor.pixels.canvas import offset
from imagejob_processor.pixels.geometry import Size, StepImpossible
from imagejob_processor.pixels.smart_crop import find_crop


def size_after(step: Crop, size: Size) -> Size:
    """Return the size of the result.

    Raises:
        StepImpossible: The box extends beyond the image.
    """
    x, y = step.x or 0, step.y or 0
    if x + step.width > size[0] or y + step.height > size[1]:
        where = f" at {x},{y}" if step.x is not None else ""
        box = f"{step.width}x{step.height}{where}"
        raise StepImpossible(
            f"the box {box} is not inside the image of {size[0]}x{size[1]} pixels; use a smaller box"
        )
    return (step.width, step.height)


def apply(step: Crop, image: Image.Image) -> Image.Image:
    """Cut the box out."""
    size = size_after(step, image.size)
    if step.x is not None and step.y is not None:
        x, y = step.x, step.y
    elif step.smart_crop is not None:
        x, y = find_crop(image, size, step.smart_crop)
    else:
        x, y = offset(step.gravity, image.size, size)
    return image.crop((x, y, x + size[0], y + size[1]))
