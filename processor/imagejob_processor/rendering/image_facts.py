"""Facts about an image, in a few bytes: for users' pages and for finding duplicates.

All are computed from one small copy of the decoded image, which is made of a sample of its pixels: reading
every pixel once more would cost a sixth of the whole work.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence

from PIL import Image

from imagejob_contract.result import ImageFacts
from imagejob_processor.pixels import colour
from imagejob_processor.pixels.canvas import flatten
from imagejob_processor.rendering.source import Frame, Source

_SIDE = 32
"""The longest side of the small copy in pixels."""

_SAMPLES = 16
"""Each pixel of the small copy is the mean of so many pixels across, and down."""

_DIFFERENCE = (9, 8)
_PALETTE = 8


def image_facts_of(source: Source, frame: Frame) -> ImageFacts:
    """Return the facts about `source`, of which `frame` was decoded."""
    small = _small(frame.image, source.profile)
    opaque = flatten(small, None)
    return ImageFacts(
        format=source.format,
        width=frame.source_size[0],
        height=frame.source_size[1],
        perceptual_hash=difference_hash(opaque),
        dominant_color=dominant_colour(opaque),
        thumb_hash=base64.b64encode(thumb_hash(small.convert("RGBA"))).decode(),
    )


def _small(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Shrink to at most 32 pixels a side, in sRGB."""
    for side, how in ((_SIDE * _SAMPLES, Image.Resampling.NEAREST), (_SIDE, Image.Resampling.BOX)):
        longest = max(image.size)
        if longest > side:
            size = (max(1, round(image.width * side / longest)), max(1, round(image.height * side / longest)))
            image = image.resize(size, how)
    return colour.to_srgb(image, profile)


def difference_hash(image: Image.Image) -> str:
    """Return 64 bits in hex: whether each of 8 x 8 cells is brighter than the one to its right (dHash).

    Similar images differ in few bits, whatever their size, format and quality.
    """
    cells = image.convert("L").resize(_DIFFERENCE, Image.Resampling.BOX).tobytes()
    across, down = _DIFFERENCE
    bits = (
        cells[row * across + column] > cells[row * across + column + 1]
        for row in range(down)
        for column in range(across - 1)
    )
    return f"{sum(bit << (63 - place) for place, bit in enumerate(bits)):016x}"


def dominant_colour(image: Image.Image) -> str:
    """Return the most frequent colour of a palette of eight, as #rrggbb."""
    reduced = image.convert("RGB").quantize(_PALETTE, method=Image.Quantize.MEDIANCUT)
    counts = reduced.histogram()
    most_frequent = counts.index(max(counts))
    red, green, blue = (reduced.getpalette() or [0, 0, 0])[most_frequent * 3 : most_frequent * 3 + 3]
    return f"#{red:02x}{green:02x}{blue:02x}"


def thumb_hash(image: Image.Image) -> bytes:
    """Return the ThumbHash of an RGBA image of at most 100 pixels a side: a preview of about 25 bytes.

    See https://evanw.github.io/thumbhash/.
    """
    width, height = image.size
    planes = [[value / 255 for value in band.tobytes()] for band in image.split()]
    alpha = planes[3]
    visible = sum(alpha)
    means = [sum(map(float.__mul__, plane, alpha)) / visible if visible else 0.0 for plane in planes[:3]]
    red, green, blue = (
        [mean * (1 - opacity) + value * opacity for value, opacity in zip(plane, alpha, strict=True)]
        for plane, mean in zip(planes[:3], means, strict=True)
    )
    pixels = list(zip(red, green, blue, strict=True))
    translucent = visible < width * height
    longest = max(width, height)
    limit = 5 if translucent else 7
    across, down = max(1, _round(limit * width / longest)), max(1, _round(limit * height / longest))
    lightness = _waves([sum(pixel) / 3 for pixel in pixels], image.size, max(3, across), max(3, down))
    yellow = _waves([(r + g) / 2 - b for r, g, b in pixels], image.size, 3, 3)
    reddish = _waves([r - g for r, g, _ in pixels], image.size, 3, 3)
    opacity = [_waves(alpha, image.size, 5, 5)] if translucent else []
    landscape = width > height
    head = (
        _round(63 * lightness[0])
        | _round(31.5 + 31.5 * yellow[0]) << 6
        | _round(31.5 + 31.5 * reddish[0]) << 12
        | _round(31 * lightness[1]) << 18
        | translucent << 23
        | (down if landscape else across) << 24
        | _round(63 * yellow[1]) << 27
        | _round(63 * reddish[1]) << 33
        | landscape << 39
    )
    parts = bytearray(head.to_bytes(5, "little"))
    parts += bytes(_round(15 * level) | _round(15 * scale) << 4 for level, scale, _ in opacity)
    nibbles = [_round(15 * wave) for channel in (lightness, yellow, reddish, *opacity) for wave in channel[2]]
    nibbles += [0] * (len(nibbles) % 2)
    parts += bytes(low | high << 4 for low, high in zip(nibbles[::2], nibbles[1::2], strict=True))
    return bytes(parts)


def _waves(
    plane: Sequence[float], size: tuple[int, int], across: int, down: int
) -> tuple[float, float, list[float]]:
    """Transform a channel (DCT): its mean, the largest coefficient, and all coefficients scaled to 0..1."""
    width, height = size
    lines = [plane[row * width : (row + 1) * width] for row in range(height)]
    along = [[math.cos(math.pi / width * wave * (x + 0.5)) for x in range(width)] for wave in range(across)]
    by_line = [[sum(map(float.__mul__, line, cosine)) for line in lines] for cosine in along]
    found: list[float] = []
    for wave_down in range(down):
        cosine = [math.cos(math.pi / height * wave_down * (y + 0.5)) for y in range(height)]
        wave_across = 0
        while wave_across * down < across * (down - wave_down):
            found.append(sum(map(float.__mul__, by_line[wave_across], cosine)) / (width * height))
            wave_across += 1
    mean, rest = found[0], found[1:]
    scale = max(map(abs, rest), default=0.0)
    return mean, scale, [0.5 + 0.5 / scale * wave if scale else 0.0 for wave in rest]


def _round(value: float) -> int:
    return math.floor(value + 0.5)
