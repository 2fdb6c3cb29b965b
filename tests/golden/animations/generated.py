"""Animations with every combination of places, disposals, transparency and delays, from a seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from golden.animations.written import CLEAR, KEEP, RESTORE, Part, Pixels, Written, gif, png, webp

WIDTH, HEIGHT = 24, 18
DELAYS = (20, 30, 40, 70, 120, 250)
_COLOURS = np.array(
    [
        (0, 0, 0),
        (255, 255, 255),
        (200, 30, 30),
        (30, 160, 60),
        (40, 60, 220),
        (240, 200, 40),
        (128, 128, 128),
    ],
    np.uint8,
)
OPAQUE = (255,)
BINARY = (0, 255)
PARTLY = (0, 64, 128, 200, 255)


def _blocks(rng: np.random.Generator, width: int, height: int, alphas: tuple[int, ...]) -> Pixels:
    """Blocks of 3 x 3 pixels in few colours, with one of the alphas each, or one alpha for all."""
    shape = ((height + 2) // 3, (width + 2) // 3)
    colours = _COLOURS[rng.integers(len(_COLOURS), size=shape)]
    alpha = rng.choice(alphas, size=shape) if rng.random() < 0.7 else np.full(shape, rng.choice(alphas))
    small = np.concatenate([colours, alpha.astype(np.uint8)[..., None]], axis=-1)
    return np.repeat(np.repeat(small, 3, axis=0), 3, axis=1)[:height, :width]


def _animation(
    seed: int,
    alphas: tuple[int, ...],
    *,
    disposals: tuple[int, ...] = (KEEP, CLEAR, RESTORE),
    blends: tuple[bool, ...] = (True, False),
    beyond: bool = False,
    first: bool = True,
    even: bool = False,
) -> Written:
    """Make an animation; `beyond`: parts may leave the canvas; `first`: the first part covers it."""
    rng = np.random.default_rng(seed)
    parts = []
    for number in range(int(rng.integers(3, 7))):
        left, top = (int(rng.integers(0, side)) for side in (WIDTH, HEIGHT))
        left, top = (left & ~1, top & ~1) if even else (left, top)
        width, height = int(rng.integers(1, WIDTH + 1)), int(rng.integers(1, HEIGHT + 1))
        if number == 0 and first:
            left, top, width, height = 0, 0, WIDTH, HEIGHT
        elif not beyond or number == 0:
            width, height = min(width, WIDTH - left), min(height, HEIGHT - top)
        pixels = _blocks(rng, width, height, alphas)
        delay, disposal, blended = (
            int(rng.choice(DELAYS)),
            int(rng.choice(disposals)),
            bool(rng.choice(blends)),
        )
        parts.append(Part(left, top, pixels, delay, disposal, blended))
        if rng.random() < 0.2:
            parts.append(parts[-1])
    return Written(WIDTH, HEIGHT, tuple(parts), int(rng.integers(0, 4)))


def _gif(seed: int, alphas: tuple[int, ...], *, first: bool = False) -> tuple[Written, bytes]:
    made = _animation(seed, alphas, blends=(True,), beyond=True, first=first)
    return made, gif(made, where="after" if seed % 2 else "before")


def _outgrown_gif(seed: int) -> tuple[Written, bytes]:
    """Make a GIF whose first part reaches beyond the canvas that the header declares."""
    made = _animation(seed, BINARY, blends=(True,), beyond=True)
    first = dataclasses.replace(made.parts[0], left=4, top=3, pixels=made.parts[0].pixels[3:, 4:])
    made = dataclasses.replace(made, parts=(first, *made.parts[1:]))
    return made, gif(made, declared=(11, 18))


def _png(seed: int, alphas: tuple[int, ...], kind: str, *, default: bool = False) -> tuple[Written, bytes]:
    made = _animation(seed, alphas, first=not default)
    if kind == "LA":
        grey = [part.pixels[..., [0, 0, 0, 3]] for part in made.parts]
        parts = (
            Part(p.left, p.top, g, p.milliseconds, p.disposal, p.blended)
            for p, g in zip(made.parts, grey, strict=True)
        )
        made = Written(made.width, made.height, tuple(parts), made.plays)
    still = _blocks(np.random.default_rng(seed + 99), WIDTH, HEIGHT, OPAQUE) if default else None
    return made, png(made, kind, default=still)


def _webp(seed: int, alphas: tuple[int, ...]) -> tuple[Written, bytes]:
    made = _animation(seed, alphas, disposals=(KEEP, CLEAR), even=True, first=False)
    return made, webp(made)


SOURCES: dict[str, tuple[str, Callable[[int], tuple[Written, bytes]]]] = {
    "GIF": ("image/gif", lambda seed: _gif(seed, BINARY)),
    "GIF opaque": ("image/gif", lambda seed: _gif(seed, OPAQUE, first=True)),
    "GIF outgrown": ("image/gif", _outgrown_gif),
    "PNG": ("image/png", lambda seed: _png(seed, PARTLY, "RGBA")),
    "PNG opaque": ("image/png", lambda seed: _png(seed, OPAQUE, "RGB")),
    "PNG grey": ("image/png", lambda seed: _png(seed, PARTLY, "LA")),
    "PNG palette": ("image/png", lambda seed: _png(seed, PARTLY, "palette")),
    "PNG colour key": ("image/png", lambda seed: _png(seed, BINARY, "key")),
    "PNG colour key 16": ("image/png", lambda seed: _png(seed, BINARY, "key16")),
    "PNG 16": ("image/png", lambda seed: _png(seed, PARTLY, "RGBA16")),
    "PNG default image": ("image/png", lambda seed: _png(seed, PARTLY, "RGBA", default=True)),
    "WebP": ("image/webp", lambda seed: _webp(seed, PARTLY)),
    "WebP opaque": ("image/webp", lambda seed: _webp(seed, OPAQUE)),
}
"""The content type of each kind of source, and the function that makes one of a seed."""
