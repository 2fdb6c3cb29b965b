"""Resize: bring an image into a box. `place` decides where everything goes, `scale` and `pad` do it.

All scaling is one LANCZOS resample of a region of the image, so Cover loses nothing to a separate crop.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from imagejob_processor.contract import Fit, Resize
from imagejob_processor.steps.geometry import Box, Size, StepImpossible, whole

REDUCING_GAP = 3.0
"""Pillow first shrinks by whole numbers down to this multiple of the target: about as good, much faster."""


@dataclass(frozen=True)
class Placement:
    """Where a resize takes its pixels from and puts them.

    Attributes:
        box: The part of the image that is used, in its pixels.
        size: What that part is scaled to.
        canvas: What is then padded to; equals `size` for all but Contain.
    """

    box: Box
    size: Size
    canvas: Size


def place(step: Resize, size: Size) -> Placement:
    """Decide how an image of `size` comes into the box of `step`.

    Raises:
        StepImpossible: The box lacks a side that its fit needs.
    """
    fit = step.fit
    if fit is Fit.INSIDE or fit is Fit.OUTSIDE:
        scaled = _proportional(step, size)
        return Placement(whole(size), scaled, scaled)
    if step.width is None or step.height is None:
        raise StepImpossible(f"{fit} needs both width and height")
    canvas = (step.width, step.height)
    if fit is Fit.FILL:
        return Placement(whole(size), canvas, canvas)
    if fit is Fit.CONTAIN:
        return Placement(whole(size), _touching(canvas, size, inside=True), canvas)
    return Placement(_centre(canvas, size), canvas, canvas)


def size_after(step: Resize, size: Size) -> Size:
    """Give the size of the result."""
    return place(step, size).canvas


def apply(step: Resize, image: Image.Image) -> Image.Image:
    """Resize the whole image."""
    placement = place(step, image.size)
    return pad(scale(image, placement.box, placement.size), placement.canvas)


def scale(image: Image.Image, box: Box, size: Size) -> Image.Image:
    """Resample the part `box` of `image` to `size`."""
    if image.size == size and box == whole(size):
        return image
    return image.resize(size, Image.Resampling.LANCZOS, box=box, reducing_gap=REDUCING_GAP)


def pad(image: Image.Image, canvas: Size) -> Image.Image:
    """Put `image` in the middle of a white canvas; transparent parts of the picture stay transparent."""
    if image.size == canvas:
        return image
    padded = Image.new(image.mode, canvas, "white")
    padded.paste(image, ((canvas[0] - image.width) // 2, (canvas[1] - image.height) // 2))
    return padded


def _proportional(step: Resize, size: Size) -> Size:
    """Scale without distortion: Inside never enlarges, Outside covers the box exactly."""
    if step.width is None and step.height is None:
        raise StepImpossible("resize needs width or height")
    target = (step.width, step.height)
    if step.fit is Fit.OUTSIDE:
        return _touching(target, size, inside=False)
    if all(side is None or own <= side for side, own in zip(target, size, strict=True)):
        return size
    return _touching(target, size, inside=True)


def _touching(target: tuple[int | None, int | None], size: Size, *, inside: bool) -> Size:
    """Scale `size` until it meets `target`: the first side to do so if `inside`, else the last."""
    ratios = [side / own for side, own in zip(target, size, strict=True) if side is not None]
    ratio = min(ratios) if inside else max(ratios)
    return (_side(size[0], ratio, target[0], inside=inside), _side(size[1], ratio, target[1], inside=inside))


def _side(own: int, ratio: float, target: int | None, *, inside: bool) -> int:
    """Scale one side; rounding may not push it over the wrong edge of the box."""
    side = max(1, round(own * ratio))
    if target is None:
        return side
    return min(side, target) if inside else max(side, target)


def _centre(target: Size, size: Size) -> Box:
    """Find the largest centred part of `size` with the shape of `target`, at least one pixel each way."""
    ratio = max(target[0] / size[0], target[1] / size[1])
    width = min(float(size[0]), max(1.0, target[0] / ratio))
    height = min(float(size[1]), max(1.0, target[1] / ratio))
    left, top = (size[0] - width) / 2, (size[1] - height) / 2
    return (left, top, left + width, top + height)
