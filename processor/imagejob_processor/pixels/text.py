"""Lettering: a text as a small picture, white with a dark edge, in the font that comes with the program.

What draws is loaded with the first text: most orders have none, and it costs time.

A text that the font cannot write or that does not fit is refused: a picture without the mark that was asked
for, or with boxes in its place, would be worse than none.
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
SMALLEST = 4
"""The least height of a text in pixels."""

_MISSING = "\U0010ffff"


def check_glyphs(text: str) -> None:
    """Look whether the font has all characters of a text.

    Raises:
        StepImpossible: It lacks one.
    """
    for character in text:
        if not character.isspace() and _glyph(character) == _glyph(_MISSING):
            raise StepImpossible(f"the built-in font has no character {character!r}")


@functools.lru_cache(maxsize=64)
def fitting_height(text: str, height: int, room: Size) -> int:
    """Find the height in pixels, `height` at most, at which a text fits into `room`.

    Raises:
        StepImpossible: It does not even at 4 pixels.
    """
    height = max(SMALLEST, height)
    while height >= SMALLEST:
        needed = _extent(text, height)
        if needed[0] <= room[0] and needed[1] <= room[1]:
            return height
        height = min(height - 1, height * room[0] // needed[0])
    raise StepImpossible(
        f"a text of {len(text)} characters does not fit on {room[0]}x{room[1]} pixels, "
        f"even {SMALLEST} pixels high"
    )


@functools.lru_cache(maxsize=8)
def lettered(text: str, height: int) -> Image.Image:
    """Draw a text on a clear ground of its own size, RGBA; never changed by those who use it."""
    from PIL import ImageDraw

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
    return tile


@functools.lru_cache(maxsize=512)
def _glyph(character: str) -> tuple[Size, bytes]:
    mask = _font(16).getmask(character)
    return (mask.size, bytes(mask))


@functools.lru_cache(maxsize=8)
def _font(height: int) -> ImageFont.FreeTypeFont:
    from PIL import ImageFont

    return ImageFont.truetype(FONT, height)


def _edge(height: int) -> int:
    return max(1, height // 16)


def _bounds(text: str, height: int) -> tuple[int, int, int, int]:
    from PIL import ImageDraw

    canvas = ImageDraw.Draw(Image.new("L", (1, 1)))
    left, top, right, bottom = canvas.textbbox((0, 0), text, font=_font(height), stroke_width=_edge(height))
    return (int(left), int(top), int(right) + 1, int(bottom) + 1)


def _extent(text: str, height: int) -> Size:
    left, top, right, bottom = _bounds(text, height)
    return (right - left, bottom - top)
