"""What an animated output shows: its frames by time, and how often it is played, from its bytes."""

from __future__ import annotations

import io
import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from PIL import Image

from golden.animations.written import Pixels


@dataclass(frozen=True)
class Shown:
    """RGBA frames with their milliseconds."""

    frames: Sequence[Pixels]
    milliseconds: Sequence[float]

    def at(self, time: float) -> Pixels:
        """Return the frame that is shown after `time` milliseconds."""
        ends = list(accumulate(self.milliseconds))
        return self.frames[min(bisect_right(ends, time), len(self.frames) - 1)]


def shown(data: bytes) -> Shown:
    """Read an output by Pillow, which reads frames right that are complete, or opaque and cropped."""
    image = Image.open(io.BytesIO(data))
    frames, milliseconds = [], []
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        image.load()
        frames.append(np.asarray(image.convert("RGBA")))
        milliseconds.append(image.info.get("duration", 0))
    return Shown(frames, milliseconds)


def plays(data: bytes) -> int:
    """Return how often an output is played, 0 for endless, from its bytes."""
    if data[:4] == b"GIF8":
        at = data.find(b"NETSCAPE2.0")
        repeats = struct.unpack("<H", data[at + 13 : at + 15])[0] if at >= 0 else None
        return 1 if repeats is None else repeats + 1 if repeats else 0
    if data[:4] == b"RIFF":
        return int(struct.unpack("<H", data[data.index(b"ANIM") + 12 :][:2])[0])
    if data[1:4] == b"PNG":
        return int(struct.unpack(">I", data[data.index(b"acTL") + 8 :][:4])[0])
    track, edit = data.index(b"tkhd") + 32, data.index(b"elst") + 12
    whole, once = (
        struct.unpack(">Q", data[track : track + 8])[0],
        struct.unpack(">Q", data[edit : edit + 8])[0],
    )
    return 0 if whole == 2**64 - 1 else whole // once


def distance(one: Pixels, other: Pixels) -> tuple[float, float]:
    """Return the mean difference of visible colours and alpha, and the largest of alpha."""
    if one.shape != other.shape:
        return float("inf"), float("inf")
    one, other = one.astype(float), other.astype(float)
    visible = np.minimum(one[..., 3:], other[..., 3:]) / 255
    colours = np.abs(one[..., :3] - other[..., :3]) * visible
    alpha = np.abs(one[..., 3] - other[..., 3])
    return float(max(colours.mean(), alpha.mean())), float(alpha.max())


def differences(output: Shown, expected: Shown, most: float, most_alpha: float) -> list[str]:
    """Name the frames of `expected` that `output` does not show in the middle of their time."""
    found, start = [], 0.0
    for number, (frame, milliseconds) in enumerate(zip(expected.frames, expected.milliseconds, strict=True)):
        mean, alpha = distance(output.at(start + milliseconds / 2), frame)
        if mean > most or alpha > most_alpha:
            found.append(f"frame {number}: {mean:.1f} on average, alpha {alpha:.0f}")
        start += milliseconds
    total = sum(output.milliseconds)
    return found if abs(total - start) <= 10 else [*found, f"it lasts {total} ms, not {start} ms"]
