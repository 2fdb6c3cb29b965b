"""Watermark: a text or another image over the image, once or all over it."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

from imagejob_contract.recipe import Gravity, Watermark
from imagejob_processor.pixels import watermark_image
from imagejob_processor.pixels.canvas import leaning
from imagejob_processor.pixels.geometry import Size
from imagejob_processor.pixels.text import check_glyphs, fitting_height, lettered

_TEXT_SCALE = 5
_IMAGE_SCALE = 25


def size_after(step: Watermark, size: Size) -> Size:
    """Give the size of the result: unchanged.

    Raises:
        StepImpossible: The font has no glyph for a character, the text does not fit at 4 pixels, or the
            image cannot be decoded.
    """
    if step.image is not None:
        watermark_image.picture(step.image)
    else:
        _height(step, size)
    return size


def apply(step: Watermark, image: Image.Image) -> Image.Image:
    """Put the mark on the image."""
    mark = _faded(_mark(step, image.size), step.opacity_percent)
    marked = image.copy()
    places = _all_over(image.size, mark.size) if step.tile else [_place(step.gravity, image.size, mark.size)]
    for place in places:
        _put(marked, mark, place)
    return marked


def _mark(step: Watermark, size: Size) -> Image.Image:
    if step.image is None:
        return lettered(step.text or "", _height(step, size))
    longest = max(1, min(size) * (step.scale_percent or _IMAGE_SCALE) // 100)
    return watermark_image.fitted(step.image, longest, _room(size))


def _height(step: Watermark, size: Size) -> int:
    """Find the height of the letters in pixels; raises as `size_after`."""
    text = step.text or ""
    check_glyphs(text)
    return fitting_height(text, min(size) * (step.scale_percent or _TEXT_SCALE) // 100, _room(size))


def _room(size: Size) -> Size:
    margin = _margin(size)
    return (size[0] - 2 * margin, size[1] - 2 * margin)


def _margin(size: Size) -> int:
    return min(size) // 40


def _faded(mark: Image.Image, opacity_percent: int) -> Image.Image:
    faded = mark.copy()
    faded.putalpha(mark.getchannel("A").point([value * opacity_percent // 100 for value in range(256)]))
    return faded


def _place(gravity: Gravity, size: Size, mark: Size) -> Size:
    """Give the upper left corner of the one mark."""
    margin = _margin(size)
    x, y = (
        margin + (side - 2 * margin - own) * step // 2
        for side, own, step in zip(size, mark, leaning(gravity), strict=True)
    )
    return (x, y)


def _all_over(size: Size, mark: Size) -> Iterator[Size]:
    """Give corners in rows that are shifted against each other, from one mark in the very middle."""
    across, down = mark[0] * 3 // 2 + 1, mark[1] * 3 + 1
    x, y = (size[0] - mark[0]) // 2, (size[1] - mark[1]) // 2
    for row in range(-(-(y + mark[1]) // down) * -1, (size[1] - y) // down + 1):
        shift = across // 2 if row % 2 else 0
        first = -(-(x + shift + mark[0]) // across) * -1
        for column in range(first, (size[0] - x - shift) // across + 1):
            yield (x + shift + column * across, y + row * down)


def _put(image: Image.Image, mark: Image.Image, at: Size) -> None:
    """Lay the part of a mark that is inside the image over it, in place."""
    left, top = max(0, -at[0]), max(0, -at[1])
    right, bottom = min(mark.width, image.width - at[0]), min(mark.height, image.height - at[1])
    if left >= right or top >= bottom:
        return
    seen = mark if (left, top, right, bottom) == (0, 0, *mark.size) else mark.crop((left, top, right, bottom))
    corner = (at[0] + left, at[1] + top)
    if image.mode == "RGBA":
        image.alpha_composite(seen, corner)
    else:
        image.paste(seen.convert(image.mode), corner, seen.getchannel("A"))
