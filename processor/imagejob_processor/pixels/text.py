"""Text as a small image, white with a dark outline, in the font that comes with the program.

A text that the font cannot render or that does not fit fails the item. The modules that draw are imported
with the first text, to save time.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from imagejob_processor.pixels.geometry import Size, StepImpossible

if TYPE_CHECKING:
    from PIL import ImageFont

FONT = Path(__file__).parents[1] / "fonts" / "DejaVuSans.ttf"
MIN_TEXT_HEIGHT = 4
"""Minimal height of a text in pixels."""

_WITHOUT_GLYPH = "\U0010ffff"


def check_glyphs(text: str) -> None:
    """Check that the font has a glyph for every character of a text.

    Raises:
        StepImpossible: A glyph is missing.
    """
    for character in text:
        if not character.isspace() and _glyph(character) == _glyph(_WITHOUT_GLYPH):
            raise StepImpossible(
                f"the font has no glyph for {character!r}; use other characters or a watermark image"
            )


@functools.lru_cache(maxsize=64)
def fit_text_height(text: str, height: int, available: Size) -> int:
    """Find the largest height in pixels, at most `height`, at which a text fits into `available`.

    Raises:
        StepImpossible: It does not fit at the minimal height.
    """
    height = max(MIN_TEXT_HEIGHT, height)
    while height >= MIN_TEXT_HEIGHT:
        needed = _size_of(text, height)
        if needed[0] <= available[0] and needed[1] <= available[1]:
            return height
        height = min(height - 1, height * available[0] // needed[0])
    raise StepImpossible(
        f"the text of {len(text)} characters does not fit into {available[0]}x{available[1]} pixels, "
        f"even at a height of {MIN_TEXT_HEIGHT} pixels; use a shorter text"
    )


@functools.lru_cache(maxsize=8)
def render_text(text: str, height: int) -> Image.Image:
    """Draw a text on a transparent RGBA image of its own size; shared, so do not change it."""
    from PIL import ImageDraw

    left, top, right, bottom = _bounds(text, height)
    tile = Image.new("RGBA", (right - left, bottom - top), (0, 0, 0, 0))
    ImageDraw.Draw(tile).text(
        (-left, -top),
        text,
        font=_font(height),
        fill=(255, 255, 255, 255),
        stroke_width=_stroke(height),
        stroke_fill=(0, 0, 0, 255),
    )
    return tile


@functools.lru_cache(maxsize=512)
def _glyph(character: str) -> tuple[Size, bytes]:
    mask = _font(16).getmask(character)
    return (mask.size, bytes(mask))


@functools.lru_cache(maxsize=8)
def _font(height: int) -> ImageFont.FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(FONT, height)


def _stroke(height: int) -> int:
    return max(1, height // 16)


def _bounds(text: str, height: int) -> tuple[int, int, int, int]:
    from PIL import ImageDraw

    canvas = ImageDraw.Draw(Image.new("L", (1, 1)))
    left, top, right, bottom = canvas.textbbox((0, 0), text, font=_font(height), stroke_width=_stroke(height))
    return (int(left), int(top), int(right) + 1, int(bottom) + 1)


def _size_of(text: str, height: int) -> Size:
    left, top, right, bottom = _bounds(text, height)
    return (right - left, bottom - top)
