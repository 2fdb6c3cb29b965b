"""Resize: fit an image into a box. `place` computes the geometry, `scale` and `fit_canvas` apply it.

Each resize is one resample of a part of the image, so that Cover needs no crop of its own.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from imagejob_contract.recipe import Fit, Gravity, Resample, Resize, SmartCrop
from imagejob_processor.pixels.canvas import crop_box, offset, place_on_canvas
from imagejob_processor.pixels.geometry import Box, Size, StepImpossible, full_box
from imagejob_processor.pixels.resampling import Engine
from imagejob_processor.pixels.smart_crop import find_crop


@dataclass(frozen=True)
class Placement:
    """The geometry of a resize.

    Attributes:
        box: The part of the image that is used.
        size: The size that this part is scaled to.
        canvas: The size of the result: larger than `size` for Contain, smaller for a smart crop.
        gravity: Position on a larger canvas.
        background: Colour of a larger canvas; None: white.
        smart: Method of the smart crop.
    """

    box: Box
    size: Size
    canvas: Size
    gravity: Gravity | None = None
    background: str | None = None
    smart: SmartCrop | None = None


def place(step: Resize, size: Size) -> Placement:
    """Compute how an image of `size` fits into the box of `step`.

    Raises:
        StepImpossible: The box lacks a required side.
    """
    fit = step.fit
    if fit is Fit.INSIDE or fit is Fit.OUTSIDE:
        scaled = _proportional(step, size)
        return Placement(full_box(size), scaled, scaled)
    if step.width is None or step.height is None:
        raise StepImpossible(f"fit {fit} requires width and height")
    canvas = (step.width, step.height)
    if fit is Fit.FILL:
        if step.no_upscale:
            canvas = (min(canvas[0], size[0]), min(canvas[1], size[1]))
        return Placement(full_box(size), canvas, canvas)
    if fit is Fit.CONTAIN:
        small = step.no_upscale and size[0] <= canvas[0] and size[1] <= canvas[1]
        scaled = size if small else _scale_to(canvas, size, inside=True)
        return Placement(full_box(size), scaled, canvas, step.gravity, step.background)
    return _cover(step, canvas, size)


def _cover(step: Resize, asked: Size, size: Size) -> Placement:
    """Cover the box; with `no_upscale`, the largest box of the same shape that needs no enlarging."""
    ratio = max(asked[0] / size[0], asked[1] / size[1])
    canvas = asked
    if step.no_upscale and ratio > 1:
        canvas = (max(1, round(asked[0] / ratio)), max(1, round(asked[1] / ratio)))
        ratio = max(canvas[0] / size[0], canvas[1] / size[1])
    if step.smart_crop is not None:
        return Placement(full_box(size), _scale_to(canvas, size, inside=False), canvas, smart=step.smart_crop)
    kept = (
        min(float(size[0]), max(1.0, canvas[0] / ratio)),
        min(float(size[1]), max(1.0, canvas[1] / ratio)),
    )
    if step.focal_point is None:
        return Placement(crop_box(step.gravity, size, kept), canvas, canvas)
    focus = (step.focal_point.x_percent, step.focal_point.y_percent)
    left, top = (
        min(max(0.0, side * percent / 100 - own / 2), side - own)
        for side, percent, own in zip(size, focus, kept, strict=True)
    )
    return Placement((left, top, left + kept[0], top + kept[1]), canvas, canvas)


def size_after(step: Resize, size: Size) -> Size:
    """Return the size of the result."""
    return place(step, size).canvas


def apply(step: Resize, image: Image.Image, engine: Engine) -> Image.Image:
    """Resize the whole image."""
    placement = place(step, image.size)
    return fit_canvas(scale(image, placement.box, placement.size, step.resample, engine), placement)


def scale(image: Image.Image, box: Box, size: Size, how: Resample, engine: Engine) -> Image.Image:
    """Resample the part `box` of `image` to `size`."""
    if image.size == size and box == full_box(size):
        return image
    return engine.resample(image, box, size, how)


def fit_canvas(image: Image.Image, placement: Placement) -> Image.Image:
    """Pad or smart-crop the scaled image to its canvas."""
    canvas = placement.canvas
    if image.size == canvas:
        return image
    if placement.smart is not None:
        x, y = find_crop(image, canvas, placement.smart)
        return image.crop((x, y, x + canvas[0], y + canvas[1]))
    return place_on_canvas(image, canvas, offset(placement.gravity, canvas, image.size), placement.background)


def _proportional(step: Resize, size: Size) -> Size:
    """Scale proportionally: Inside never enlarges, Outside covers the box exactly."""
    if step.width is None and step.height is None:
        raise StepImpossible("width or height is required")
    target = (step.width, step.height)
    if step.fit is Fit.OUTSIDE:
        covers = _scale_to(target, size, inside=False)
        return size if step.no_upscale and covers[0] * covers[1] > size[0] * size[1] else covers
    if all(side is None or own <= side for side, own in zip(target, size, strict=True)):
        return size
    return _scale_to(target, size, inside=True)


def _scale_to(target: tuple[int | None, int | None], size: Size, *, inside: bool) -> Size:
    """Scale `size` to fit inside `target`, or to cover it."""
    ratios = [side / own for side, own in zip(target, size, strict=True) if side is not None]
    ratio = min(ratios) if inside else max(ratios)
    return (_side(size[0], ratio, target[0], inside=inside), _side(size[1], ratio, target[1], inside=inside))


def _side(own: int, ratio: float, target: int | None, *, inside: bool) -> int:
    """Scale one side; rounding must not cross the edge of the box."""
    side = max(1, round(own * ratio))
    if target is None:
        return side
    return min(side, target) if inside else max(side, target)
