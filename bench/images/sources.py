"""The sources of the benchmark: three photos of 12 megapixels with grain, and a zone plate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from skimage import data as samples
from sklearn.datasets import load_sample_image

SIZE = (4000, 3000)
RINGS = 0.9
"""The highest spatial frequency, as a share of the Nyquist frequency."""


def write_sources(folder: Path) -> tuple[list[Path], Path]:
    """Write missing sources; returns the photos and the zone plate."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {
        "china": lambda: load_sample_image("china.jpg"),
        "flower": lambda: load_sample_image("flower.jpg"),
        "astronaut": samples.astronaut,
    }
    photos = []
    for seed, (name, load) in enumerate(pictures.items()):
        path = folder / f"{name}.jpg"
        photos.append(path)
        if not path.exists():
            _grained(Image.fromarray(load()), seed).save(path, quality=92, subsampling="4:2:0")
    plate = folder / "plate.jpg"
    if not plate.exists():
        zone_plate().save(plate, quality=98, subsampling="4:4:4")
    return photos, plate


def _grained(image: Image.Image, seed: int) -> Image.Image:
    """Enlarge a small photo and add grain, so that it is as hard to decode as a real one."""
    pixels = np.asarray(image.resize(SIZE, Image.Resampling.BICUBIC)).astype(np.float32)
    random = np.random.default_rng(seed)
    pixels += random.normal(0, 3, pixels.shape[:2])[..., None] + random.normal(0, 1.5, pixels.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def zone_plate() -> Image.Image:
    """Rings with a frequency that grows outwards, up to `RINGS` at the left and right edge."""
    width, height = SIZE
    y, x = np.mgrid[-height / 2 : height / 2, -width / 2 : width / 2]
    rings = 127.5 + 127.5 * np.cos(np.pi * RINGS * (x * x + y * y) / width)
    return Image.fromarray(rings.astype(np.uint8)).convert("RGB")
