"""Frames from the parts that a GIF or an animated PNG stores, as browsers compose them.

Each part is decoded alone. The canvas is transparent at first, whatever background colour a GIF names.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from PIL import Image

from imagejob_processor.pixels.geometry import Size

_CLEAR = (0, 0, 0, 0)


class Disposal(enum.Enum):
    """What follows the time of a part: it stays, its box is cleared, or the canvas is restored."""

    KEEP = "keep"
    CLEAR = "clear"
    RESTORE = "restore"


@dataclass(frozen=True)
class Part:
    """A part of an animation.

    Attributes:
        left: Distance from the left edge of the canvas.
        top: Distance from the upper edge.
        size: Width and height; it may be empty, and reach beyond the canvas.
        milliseconds: How long the frame is shown, as stored.
        disposal: What follows.
        blended: Whether it is drawn over the canvas; if not, it replaces the pixels of its box.
        file: A file with the pixels of this part alone.
    """

    left: int
    top: int
    size: Size
    milliseconds: float
    disposal: Disposal
    blended: bool
    file: bytes


def compose(
    parts: Iterable[Part], size: Size, decode: Callable[[bytes], Image.Image]
) -> Iterator[tuple[Image.Image, float]]:
    """Return each frame in RGBA, with its time in milliseconds as stored.

    Args:
        parts: The parts in the order of the file.
        size: Size of the canvas.
        decode: Decodes the file of one part.
    """
    canvas = Image.new("RGBA", size, _CLEAR)
    for part in parts:
        before = canvas.copy() if part.disposal is Disposal.RESTORE else canvas
        place = (part.left, part.top)
        if 0 not in part.size:
            pixels = decode(part.file).convert("RGBA")
            if part.blended:
                canvas.alpha_composite(pixels, place)
            else:
                canvas.paste(pixels, place)
        yield canvas.copy(), part.milliseconds
        if part.disposal is Disposal.CLEAR:
            canvas.paste(_CLEAR, (*place, part.left + part.size[0], part.top + part.size[1]))
        canvas = before
