"""Watermark: a text, white with a dark edge, in the font that Pillow carries.

A text that the font cannot write or that does not fit is refused: a picture without the mark that was
asked for, or with boxes in its place, would be worse than none.
"""

from __future__ import annotations

import functools

from PIL import Image, ImageDraw, ImageFont

from imagejob_processor.recipe import Gravity, Watermark
from imagejob_processor.steps.canvas import leaning
from imagejob_processor.steps.geometry import Size, StepImpossible

_SHARE = 20
_SMALLEST = 4
_MISSING = "\U0010ffff"


def size_after(step: Watermark, size: Size) -> Size:
    """Give the size of the result: unchanged.

    Raises:
        StepImpossible: The font has no glyph for a character, or the text does not fit at 4 pixels.
    """
    _check_glyphs(step.text)
    _fitting_height(step.text, size)
    return size


def apply(step: Watermark, image: Image.Image) -> Image.Image:
    """Write the text; 1/20 of the shorter side high, less where it would not fit, at least 4 pixels."""
    _check_glyphs(step.text)
    height = _fitting_height(step.text, image.size)
    mark = _mark(step.text, height, step.opacity_percent)
    position = _position(step.gravity, image.size, mark.size)
    marked = image.copy()
    if marked.mode == "RGBA":
        marked.alpha_composite(mark, position)
    else:
        marked.paste(mark.convert(marked.mode), position, mark.getchannel("A"))
    return marked


def _margin(size: Size) -> int:
    return min(size) // 40


def _position(gravity: Gravity, size: Size, mark: Size) -> Size:
    """Give the upper left corner of the mark."""
    margin = _margin(size)
    x, y = (
        margin + (side - 2 * margin - own) * step // 2
        for side, own, step in zip(size, mark, leaning(gravity), strict=True)
    )
    return (x, y)


def _check_glyphs(text: str) -> None:
    for character in text:
        if not character.isspace() and _glyph(character) == _glyph(_MISSING):
            raise StepImpossible(f"the built-in font has no character {character!r}")


@functools.lru_cache(maxsize=512)
def _glyph(character: str) -> tuple[Size, bytes]:
    mask = _font(16).getmask(character)
    return (mask.size, bytes(mask))


@functools.lru_cache(maxsize=64)
def _fitting_height(text: str, size: Size) -> int:
    """Find the font size in pixels."""
    height = max(_SMALLEST, min(size) // _SHARE)
    room = tuple(side - 2 * _margin(size) for side in size)
    while height >= _SMALLEST:
        needed = _extent(text, height)
        if needed[0] <= room[0] and needed[1] <= room[1]:
            return height
        height = min(height - 1, height * room[0] // needed[0])
    raise StepImpossible(
        f"a text of {len(text)} characters does not fit on {size[0]}x{size[1]} pixels, "
        f"even {_SMALLEST} pixels high"
    )


def _edge(height: int) -> int:
    return max(1, height // 16)


@functools.lru_cache(maxsize=8)
def _font(height: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(height)
    assert isinstance(font, ImageFont.FreeTypeFont)  # noqa: S101 - the wheel has FreeType
    return font


def _bounds(text: str, height: int) -> tuple[int, int, int, int]:
    canvas = ImageDraw.Draw(Image.new("L", (1, 1)))
    left, top, right, bottom = canvas.textbbox((0, 0), text, font=_font(height), stroke_width=_edge(height))
    return (int(left), int(top), int(right) + 1, int(bottom) + 1)


def _extent(text: str, height: int) -> Size:
    left, top, right, bottom = _bounds(text, height)
    return (right - left, bottom - top)


@functools.lru_cache(maxsize=8)
def _mark(text: str, height: int, opacity_percent: int) -> Image.Image:
    """Draw the text on a transparent tile of its own size, RGBA; never changed by those who use it."""
    left, top, right, bottom = _bounds(text, height)
    tile = Image.new("RGBA", (right - left, bottom - top), (0, 0, 0, 0))
    ImageDraw.Draw(tile).text(
        (-left, -top),
        text,
        font=_font(height),
        fill=(255, 255, 255, 255),
        stroke_width=_edge(height),
        stroke_fill=(0, 0, 0, 255),
    )
    tile.putalpha(tile.getchannel("A").point([value * opacity_percent // 100 for value in range(256)]))
    return tile
