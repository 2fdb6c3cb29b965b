"""Real photos that ship inside packages of the environment, and one of 12 megapixels made from them."""

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
"""Name of a photo: the package that has it, and where in it."""

LARGE = "flower-12mp.jpg"
LARGE_SIZE = (4000, 3000)
NOISE = 6.0
"""Standard deviation of the sensor noise, in steps of 256: gives about 2 bits a pixel, as photos have."""


def path_of(name: str) -> Path:
    """Where a packaged photo lies; the package itself is not imported.

    Raises:
        DemoError: if the environment lacks it.
    """
    package, inside = PACKAGED[name]
    found = importlib.util.find_spec(package)
    for folder in (found.submodule_search_locations or []) if found else []:
        path = Path(folder) / inside
        if path.is_file():
            return path
    raise DemoError(f"the Python environment lacks {package}'s {inside}: make clean, then make demo again")


def photo(name: str) -> bytes:
    """The bytes of one of `names()`."""
    return enlarged(path_of("flower.jpg")) if name == LARGE else path_of(name).read_bytes()


def names() -> list[str]:
    """All photos of the demo."""
    return [*PACKAGED, LARGE]


def enlarged(source: Path, size: tuple[int, int] = LARGE_SIZE, seed: int = 1) -> bytes:
    """A photo enlarged to a camera's size, with seeded noise so that it is as hard to compress as one."""
    with Image.open(source) as opened:
        big = opened.convert("RGB").resize(size, Image.Resampling.LANCZOS)
    pixels = np.asarray(big, dtype=np.float32)
    noise = np.random.default_rng(seed).standard_normal((size[1], size[0], 1), dtype=np.float32)
    noisy = np.clip(pixels + NOISE * noise, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noisy).save(file, "JPEG", quality=88)
    return file.getvalue()
