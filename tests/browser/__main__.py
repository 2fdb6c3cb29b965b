"""`python -m browser [--seeds N]`: what Chromium shows of animations and of their outputs is the same.

The sources are those of `tests/golden/animations`, animated AVIFs, and delays that browsers slow down. For
each source and output format, the frames in the middle of their time are compared, and the number of plays.
"""

from __future__ import annotations

import argparse
import io
import itertools
import sys
from collections import Counter
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from browser.chromium import Browser, started
from golden.animations import generated, written
from golden.animations.shown import Shown, differences
from golden.animations.test_animations import OUTPUTS, expected_in, rendition
from imagejob_contract.output import CONTENT_TYPES, Format
from unit.processor.images import make

SLOWED = 10
"""Browsers show frames of at most so many milliseconds for 100."""


def avif(seed: int) -> bytes:
    """An AVIF of whole frames, in few colours; of limited range, since Chromium shows others wrong."""
    made, _ = generated.SOURCES["PNG"][1](seed)
    frames = [Image.fromarray(frame) for frame in written.seen(made)]
    times = [part.milliseconds for part in made.parts]
    buffer = io.BytesIO()
    options = {"quality": 100, "subsampling": "4:4:4", "speed": 10, "range": "limited"}
    frames[0].save(buffer, "AVIF", save_all=True, append_images=frames[1:], duration=times, **options)
    return buffer.getvalue()


def hasty(seed: int) -> bytes:
    """A WebP with delays of 0 to 60 milliseconds."""
    made, _ = generated.SOURCES["WebP"][1](seed)
    times = np.random.default_rng(seed).integers(0, 60, len(made.parts)).tolist()
    parts = (
        written.Part(p.left, p.top, p.pixels, milliseconds, p.disposal, p.blended)
        for p, milliseconds in zip(made.parts, times, strict=True)
    )
    return written.webp(written.Written(made.width, made.height, tuple(parts), made.plays))


def sources(seeds: int) -> Iterator[tuple[str, str, bytes]]:
    """Make all sources: kind, content type and file."""
    kinds: dict[str, tuple[str, Callable[[int], bytes]]] = {
        kind: (content_type, lambda seed, make=make: make(seed)[1])  # type: ignore[misc]
        for kind, (content_type, make) in generated.SOURCES.items()
    }
    kinds |= {"AVIF": ("image/avif", avif), "WebP hasty": ("image/webp", hasty)}
    for (kind, (content_type, written_by)), seed in itertools.product(kinds.items(), range(seeds)):
        yield kind, content_type, written_by(seed)


def compare(browser: Browser, content_type: str, data: bytes, form: Format) -> list[str]:
    """Say what differs between a source and its output, as the browser shows them."""
    source = browser.decode(data, content_type)
    output = browser.decode(make(data, rendition(form))["out"].data, CONTENT_TYPES[form])
    if source.error or output.error:
        return [f"not decoded: source {source.error or 'ok'}, output {output.error or 'ok'}"]
    times = [
        100 if time <= SLOWED else max(time, 20 if form is Format.GIF else 0) for time in source.milliseconds
    ]
    _, _, mean, alpha = OUTPUTS[form]
    shown, wanted = Shown(output.frames, output.milliseconds), Shown(expected_in(form, source.frames), times)
    found = differences(shown, wanted, mean, alpha)
    moving = len(output.frames) > 1
    if moving and output.plays != source.plays:
        found.append(f"it is played {output.plays} times, not {source.plays}")
    if moving and min(output.milliseconds) <= SLOWED:
        found.append(f"a frame of {min(output.milliseconds)} ms is slowed down")
    return found


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main() -> int:
    """Compare all sources in all formats and print a table of what differs."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seeds", type=int, default=10)
    seeds = arguments.parse_args().seeds
    compared, wrong = Counter[tuple[str, Format]](), Counter[tuple[str, Format]]()
    with started() as browser:
        for kind, content_type, data in sources(seeds):
            for form in OUTPUTS:
                found = compare(browser, content_type, data, form)
                compared[kind, form] += 1
                wrong[kind, form] += bool(found)
                for line in found:
                    say(f"{kind} as {form}: {line}")
    for kind in dict.fromkeys(kind for kind, _ in compared):
        row = (
            f"{form} {compared[kind, form] - wrong[kind, form]}/{compared[kind, form]}" for form in OUTPUTS
        )
        say(f"{kind:18} {'  '.join(row)}")
    say(f"{compared.total() - wrong.total()} of {compared.total()} outputs are shown as their source")
    return int(wrong.total() > 0)


if __name__ == "__main__":
    sys.exit(main())
