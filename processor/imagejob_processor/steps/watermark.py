"""Watermark: a text or an image over the image, once or tiled."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image

from imagejob_contract.recipe import Gravity, Watermark
from imagejob_processor.pixels import watermark_image
from imagejob_processor.pixels.canvas import alignment
from imagejob_processor.pixels.geometry import Size
from imagejob_processor.pixels.text import check_glyphs, fit_text_height, render_text

_TEXT_SCALE = 5
_IMAGE_SCALE = 25


def size_after(step: Watermark, size: Size) -> Size:
    """Return the size of the result, which is unchanged.

    Raises:
        StepImpossible: A glyph is missing, the text does not fit, or the watermark image cannot be decoded.
    """
    if step.image is not None:
        watermark_image.decoded(step.image)
    else:
        _height(step, size)
    return size


def apply(step: Watermark, image: Image.Image) -> Image.Image:
    """Draw the watermark."""
    overlay = _with_opacity(_overlay(step, image.size), step.opacity_percent)
    result = image.copy()
    if step.tile:
        for position in _tile_positions(image.size, overlay.size):
            _composite(result, overlay, position)
    else:
        _composite(result, overlay, _position(step.gravity, image.size, overlay.size))
    return result


def _overlay(step: Watermark, size: Size) -> Image.Image:
    if step.image is None:
        return render_text(step.text or "", _height(step, size))
    longest = max(1, min(size) * (step.scale_percent or _IMAGE_SCALE) // 100)
    return watermark_image.scaled(step.image, longest, _available_size(size))


def _height(step: Watermark, size: Size) -> int:
    """Return the height of the text in pixels; raises as `size_after`."""
    text = step.text or ""
    check_glyphs(text)
    return fit_text_height(
        text, min(size) * (step.scale_percent or _TEXT_SCALE) // 100, _available_size(size)
    )


def _available_size(size: Size) -> Size:
    margin = _margin(size)
    return (size[0] - 2 * margin, size[1] - 2 * margin)


def _margin(size: Size) -> int:
    return min(size) // 40


def _with_opacity(overlay: Image.Image, opacity_percent: int) -> Image.Image:
    result = overlay.copy()
    result.putalpha(overlay.getchannel("A").point([value * opacity_percent // 100 for value in range(256)]))
    return result


def _position(gravity: Gravity, size: Size, overlay: Size) -> Size:
    """Return the upper left corner of the overlay."""
    margin = _margin(size)
    x, y = (
        margin + (side - 2 * margin - own) * step // 2
        for side, own, step in zip(size, overlay, alignment(gravity), strict=True)
    )
    return (x, y)


def _tile_positions(size: Size, overlay: Size) -> Iterator[Size]:
    """Yield the upper left corners of all tiles: alternate rows are shifted, one tile is in the centre."""
    across, down = overlay[0] * 3 // 2 + 1, overlay[1] * 3 + 1
    x, y = (size[0] - overlay[0]) // 2, (size[1] - overlay[1]) // 2
    for row in range(-(-(y + overlay[1]) // down) * -1, (size[1] - y) // down + 1):
        shift = across // 2 if row % 2 else 0
        first = -(-(x + shift + overlay[0]) // across) * -1
        for column in range(first, (size[0] - x - shift) // across + 1):
            yield (x + shift + column * across, y + row * down)


def _composite(image: Image.Image, overlay: Image.Image, at: Size) -> None:
    """Draw the part of an overlay that is inside the image, in place."""
    left, top = max(0, -at[0]), max(0, -at[1])
    right, bottom = min(overlay.width, image.width - at[0]), min(overlay.height, image.height - at[1])
    if left >= right or top >= bottom:
        return
    visible = (
        overlay
        if (left, top, right, bottom) == (0, 0, *overlay.size)
        else overlay.crop((left, top, right, bottom))
    )
    corner = (at[0] + left, at[1] + top)
    if image.mode == "RGBA":
        image.alpha_composite(visible, corner)
    else:
        image.paste(visible.convert(image.mode), corner, visible.getchannel("A"))
