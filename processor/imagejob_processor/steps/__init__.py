"""The operations, with the size it leads to (planned first) and the pixels (made later).

Planning an operation never needs pixels, so that a step that cannot work is refused before anything is
decoded. No operation changes the image that it is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from imagejob_contract.recipe import OPERATIONS, members
from imagejob_processor.pixels.geometry import Size, StepImpossible
from imagejob_processor.steps import crop, flip, pad, resize, rotate, tone, watermark

if TYPE_CHECKING:
    from PIL import Image

    from imagejob_contract.recipe import Step
    from imagejob_contract.wire import Wire
    from imagejob_processor.pixels.resampling import Engine

__all__ = ["Operation", "apply", "members", "name_of", "operation_of", "size_after"]

Operation: TypeAlias = "Wire"
"""One of the types of the members of a step."""

_MODULES: dict[str, Any] = {
    "resize": resize,
    "rotate": rotate,
    "flip": flip,
    "crop": crop,
    "pad": pad,
    "watermark": watermark,
} | dict.fromkeys(("flatten", "sharpen", "blur", "grayscale"), tone)
assert set(_MODULES) == set(OPERATIONS)  # noqa: S101 - each operation has its module


def name_of(step: Step) -> str:
    """Name the one member of `step` that is set.

    Raises:
        StepImpossible: None is, or several.
    """
    names = members(step)
    if len(names) != 1:
        raise StepImpossible(f"a step is exactly one operation, not {len(names)}")
    return names[0]


def operation_of(step: Step) -> Operation:
    """Give the one operation that `step` is; raises as `name_of`."""
    operation: Operation = getattr(step, name_of(step))
    return operation


def size_after(step: Step, size: Size) -> Size:
    """Tell what an image of `size` (width, height in pixels) becomes.

    Raises:
        StepImpossible: The operation cannot be applied to an image of that size.
    """
    after: Size = _MODULES[name_of(step)].size_after(operation_of(step), size)
    return after


def apply(step: Step, image: Image.Image, engine: Engine) -> Image.Image:
    """Give the image after `step`; raises as `size_after`, and for a text that cannot be written."""
    if step.resize is not None:
        return resize.apply(step.resize, image, engine)
    changed: Image.Image = _MODULES[name_of(step)].apply(operation_of(step), image)
    return changed
