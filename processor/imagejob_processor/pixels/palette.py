"""Palettes of at most 256 colours: exact where an image has few colours, else the nearest ones."""

from __future__ import annotations

import math
import sys

from PIL import Image

from imagejob_processor.notes import note
from imagejob_processor.pixels.geometry import strips

ALL_COLOURS = 256
_PALETTE_PIXELS = 1_000_000


def with_palette(image: Image.Image, colours: int, *, alpha: bool) -> Image.Image:
    """Reduce to at most `colours` colours; GIF has binary transparency, PNG an alpha channel."""
    if image.mode != "RGBA":
        return _quantize(image, colours)
    if alpha:
        return _with_own_palette(image, colours) or image.quantize(colours, method=Image.Quantize.FASTOCTREE)
    if image.getchannel("A").getextrema() == (255, 255):
        return _quantize(image.convert("RGB"), colours)
    return with_transparent_colour(image, colours)


def _with_own_palette(image: Image.Image, colours: int) -> Image.Image | None:
    """Give RGBA a palette of exactly its colours; None if it has more than `colours`."""
    found = image.getcolors(colours)
    if not found:
        return None
    palette = [bytes(colour) for _, colour in found if isinstance(colour, tuple)]
    index = {int.from_bytes(colour, sys.byteorder): place for place, colour in enumerate(palette)}
    # A strip at a time, so that its numbers need little memory.
    made = Image.new("P", image.size)
    for box in strips(image.size):
        part = image.crop(box)
        pixels = bytes(map(index.__getitem__, memoryview(part.tobytes()).cast("I")))
        made.paste(Image.frombytes("P", part.size, pixels), box)
    made.putpalette(b"".join(palette), "RGBA")
    return made


def _quantize(image: Image.Image, colours: int) -> Image.Image:
    """Quantize; with too many colours, by a palette from at most a megapixel.

    The memory for the search of a palette grows with the colours.
    """
    excess = math.ceil(math.sqrt(image.width * image.height / _PALETTE_PIXELS))
    if excess <= 1 or image.getcolors(colours):
        return image.quantize(colours, method=Image.Quantize.MEDIANCUT)
    small = image.reduce(excess).convert("RGB").quantize(colours, method=Image.Quantize.MEDIANCUT)
    return image.convert("RGB").quantize(palette=small, dither=Image.Dither.NONE)


def with_transparent_colour(image: Image.Image, colours: int) -> Image.Image:
    """Quantize RGBA with one transparent entry, for pixels that are less than half opaque."""
    opacity = image.getchannel("A")
    if any(opacity.histogram()[1:255]):
        note("partial transparency was dropped: each pixel of a GIF is transparent or opaque")
    reduced = _quantize(image.convert("RGB"), colours - 1)
    palette = reduced.getpalette() or []
    clear = len(palette) // 3
    reduced.putpalette([*palette, 0, 0, 0])
    reduced.paste(clear, mask=opacity.point([255 * (value < 128) for value in range(256)]))
    reduced.info["transparency"] = clear
    return reduced
