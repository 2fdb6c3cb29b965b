"""Pillow alone: with_pillow.py WAY FORM COUNT OUT SOURCE…

naive: one full decode, then one Lanczos resize for each rendition. floor: a decode at the least sufficient
scale, and encoding of images that were prepared; no resize.
"""

import sys
from io import BytesIO
from pathlib import Path

from PIL import Image

OPTIONS = {
    "JPEG": {"quality": 82, "subsampling": "4:2:0", "optimize": True},
    "WebP": {"quality": 80, "method": 4},
    "AVIF": {"quality": 60, "speed": 8, "max_threads": 1, "codec": "aom", "subsampling": "4:2:0"},
    "PNG": {"compress_level": 1},
}
SIZES = ((1600, 1200), (800, 600), (200, 150))
way, form, count, out, *paths = sys.argv[1:]
sources = [Path(path).read_bytes() for path in paths]


def encoded(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, form.upper(), **OPTIONS[form])
    return file.getvalue()


def naive(data: bytes) -> list[bytes]:
    image = Image.open(BytesIO(data))
    image.load()
    return [encoded(image.resize(size, Image.Resampling.LANCZOS)) for size in SIZES]


def floor(data: bytes) -> list[bytes]:
    ready = READY[data]
    image = Image.open(BytesIO(data))
    image.draft(None, SIZES[0])
    image.load()
    image.close()
    return [encoded(picture) for picture in ready]


READY = {}
for data in set(sources if way == "floor" else []):
    first = Image.open(BytesIO(data))
    first.draft(None, SIZES[0])
    READY[data] = [first.resize(size) for size in SIZES]
for number in range(int(count)):
    made = (naive if way == "naive" else floor)(sources[number % len(sources)])
    if out != "-" and number == 0:
        for size, data in zip(SIZES, made, strict=True):
            (Path(out) / f"{size[0]}.png").write_bytes(data)
print(Path("/proc/self/status").read_text())
