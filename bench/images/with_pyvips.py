"""pyvips: with_pyvips.py FORM COUNT OUT SOURCE…; one decode, each rendition from the previous one."""

import sys
from pathlib import Path

import pyvips

OPTIONS = {
    "JPEG": (".jpg", {"Q": 82, "optimize_coding": True, "keep": "none"}),
    "WebP": (".webp", {"Q": 80, "effort": 4, "keep": "none"}),
    "AVIF": (".avif", {"Q": 60, "effort": 1, "keep": "none"}),
    "PNG": (".png", {"compression": 1, "keep": "none"}),
}
form, count, out, *paths = sys.argv[1:]
pyvips.cache_set_max(0)
sources = [Path(path).read_bytes() for path in paths]
suffix, options = OPTIONS[form]
for number in range(int(count)):
    image = pyvips.Image.new_from_buffer(sources[number % len(sources)], "", access="sequential")
    for side in (1600, 800, 200):
        image = image.thumbnail_image(side, size="down").copy_memory()
        data = image.write_to_buffer(suffix, **options)
        if out != "-" and number == 0:
            (Path(out) / f"{side}.png").write_bytes(data)
print(Path("/proc/self/status").read_text())
