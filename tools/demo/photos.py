"""Real photos from Python packages, and one of 12 megapixels made from them."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import numpy as np
from PIL import Image

from demo.errors import DemoError

PACKAGED = {
    "china.jpg": ("sklearn", "datasets/images/china.jpg"),
    "flower.jpg": ("sklearn", "datasets/images/flower.jpg"),
    "astronaut.png": ("skimage", "data/astronaut.png"),
    "chelsea.png": ("skimage", "data/chelsea.png"),
    "coffee.png": ("skimage", "data/coffee.png"),
    "hubble.jpg": ("skimage", "data/hubble_deep_field.jpg"),
    "rocket.jpg": ("skimage", "data/rocket.jpg"),
}
"""Name of a photo: its package, and the path in it."""

LARGE = "flower-12mp.jpg"
LARGE_SIZE = (4000, 3000)
NOISE = 6.0
"""Standard deviation of the sensor noise, in steps of 256: gives about 2 bits a pixel, as photos have."""


def path_of(name: str) -> Path:
    """Return the path of a packaged photo, without importing the package.

    Raises:
        DemoError: It is missing.
    """
    package, inside = PACKAGED[name]
    found = importlib.util.find_spec(package)
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder) / inside
        if path.is_file():
            return path
    raise DemoError(
        f"{inside} of the Python package {package} is missing; run `make clean`, then `make demo`"
    )


def photo(name: str) -> bytes:
    """Return the file of a photo."""
    return enlarged(path_of("flower.jpg")) if name == LARGE else path_of(name).read_bytes()


def names() -> list[str]:
    """Return the names of all photos."""
    return [*PACKAGED, LARGE]


def enlarged(source: Path, size: tuple[int, int] = LARGE_SIZE, seed: int = 1) -> bytes:
    """Enlarge a photo to a camera's size, with seeded noise, so that it compresses like a camera's photo."""
    with Image.open(source) as opened:
        big = opened.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    pixels = np.asarray(big, dtype=np.float32)
    noise = np.random.default_rng(seed).standard_normal((size[1], size[0], 1), dtype=np.float32)
    noisy = np.clip(pixels + NOISE * noise, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, "JPEG", quality=88)
    return file.getvalue()
