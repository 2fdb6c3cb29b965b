"""The image operations: for each, the size of its result, and its pixels.

The size needs no pixels, so that a step that cannot be applied is found before anything is decoded. No
operation changes the image that it is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from imagejob_contract.recipe import OPERATIONS, members
from imagejob_processor.pixels.geometry import Size, StepImpossible
from imagejob_processor.steps import adjustments, crop, flip, pad, resize, rotate, watermark

if TYPE_CHECKING:
    from PIL import Image

    from imagejob_contract.recipe import Step
    from imagejob_processor.pixels.resampling import Engine

__all__ = ["apply", "members", "size_after"]


class _Sized(Protocol):
    """What all modules of this package have; `step` is the member of `Step` that the module implements."""

    def size_after(self, step: Any, size: Size) -> Size: ...


class _Operation(_Sized, Protocol):
    def apply(self, step: Any, image: Image.Image) -> Image.Image: ...


_OPERATIONS: dict[str, _Operation] = {
    "rotate": rotate,
    "flip": flip,
    "crop": crop,
    "pad": pad,
    "watermark": watermark,
    "flatten": adjustments,
    "sharpen": adjustments,
    "blur": adjustments,
    "grayscale": adjustments,
}
_SIZED: dict[str, _Sized] = {"resize": resize, **_OPERATIONS}
"""Only resize needs the engine, too."""

assert set(_SIZED) == set(OPERATIONS)  # noqa: S101 - each operation has its module


def size_after(step: Step, size: Size) -> Size:
    """Return the size of an image of `size` after `step`.

    Raises:
        StepImpossible: The operation cannot be applied to an image of that size.
    """
    name = _name_of(step)
    return _SIZED[name].size_after(getattr(step, name), size)


def apply(step: Step, image: Image.Image, engine: Engine) -> Image.Image:
    """Return the image after `step`; raises as `size_after`."""
    if step.resize is not None:
        return resize.apply(step.resize, image, engine)
    name = _name_of(step)
    return _OPERATIONS[name].apply(getattr(step, name), image)


def _name_of(step: Step) -> str:
    names = members(step)
    if len(names) != 1:
        raise StepImpossible(f"a step must have exactly one operation, not {len(names)}")
    return names[0]
