"""How far an output may be from the reference, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from imagejob_contract.output import Format
from pictures.reference import Samples

BOX = 128
"""Thumbnails are resized to fit into a square of so many pixels a side."""

EXACT_MEAN, EXACT_MOST = 1.0, 3.0
"""A PNG of the full size: limits of the mean difference and of its 99th percentile, in levels of 255."""

THUMBNAIL_MEANS = {
    Format.PNG: 2.5,
    Format.TIFF: 2.5,
    Format.WEBP: 4.0,
    Format.JPEG: 4.0,
    Format.AVIF: 5.0,
    Format.GIF: 9.0,
}
"""Thumbnails: limits of the mean difference, in levels of 255. GIF has 256 colours."""

OPAQUE = 128
Distances = NDArray[np.float64]


@dataclass(frozen=True)
class Distance:
    """The differences of samples in levels of 255: their mean, and their 99th percentile."""

    mean: float
    most: float


def distance(shown: Samples, right: Samples) -> Distance:
    """Compare two images of the same size over black and over white, so that opacity counts as it is seen."""
    apart = [np.abs(over(shown, ground) - over(right, ground)) for ground in (0.0, 255.0)]
    both = np.stack(apart)
    return Distance(float(both.mean()), float(np.percentile(both, 99)))


def over(samples: Samples, ground: float) -> Distances:
    """Composite over a grey level."""
    alpha = samples[..., 3:].astype(np.float64) / 255
    return samples[..., :3] * alpha + ground * (1 - alpha)


def fitting(size: tuple[int, int], box: int = BOX) -> tuple[int, int]:
    """The size of a thumbnail that is not enlarged and keeps the ratio."""
    scale = min(1.0, box / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def flatten(samples: Samples) -> Samples:
    """Over white, as JPEG has no opacity."""
    colours = over(samples, 255.0).round().clip(0, 255).astype(np.uint8)
    return np.concatenate([colours, np.full_like(samples[..., 3:], 255)], axis=2)


def binary(samples: Samples) -> Samples:
    """Opaque or transparent, as GIF has it."""
    found = samples.copy()
    found[..., 3] = np.where(found[..., 3] < OPAQUE, 0, 255)
    return found
