"""Whether memory has grown: what was sampled over a run, and how it is judged. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

MOST = 1.10
"""The end may need so many times what was needed after warming up."""

WARM_UP = 0.1
"""Part of the jobs that are not judged.

Within it the pools of threads and connections get their size, every code path has run, and the allocator has
the arenas that so many jobs at a time want. The run of 5,000 shows no step after its first hundreds.
"""

WINDOW = 0.1
"""Part of the jobs that makes the beginning, right after warming up, and the end."""

FEWEST = 5
"""Samples in a window, below which its median says nothing."""


@dataclass(frozen=True)
class Sample:
    """The operator's process at one moment.

    Attributes:
        jobs: That have come to their end by then.
        seconds: Since the first job was created.
        resident: Bytes of memory that are in RAM.
        began: When the process was started, by its own word; another one is another process.
        cpu: Seconds of processor time that it has used.
        files: File descriptors that are open.
    """

    jobs: int
    seconds: float
    resident: float
    began: float
    cpu: float
    files: float


@dataclass(frozen=True)
class Verdict:
    """Medians of the resident bytes in both windows, and what is held against the run."""

    before: float
    after: float
    objections: tuple[str, ...]

    @property
    def ratio(self) -> float:
        """The end in relation to the beginning."""
        return self.after / self.before


def judge(samples: Sequence[Sample], jobs: int) -> Verdict:
    """Hold the last part of a run of so many jobs against the part right after warming up.

    Raises:
        ValueError: there are too few samples to judge by.
    """
    first, wide = jobs * WARM_UP, jobs * WINDOW
    before = [s.resident for s in samples if first <= s.jobs < first + wide]
    after = [s.resident for s in samples if s.jobs >= jobs - wide]
    if min(len(before), len(after)) < FEWEST:
        text = f"{len(before)} samples after warming up and {len(after)} at the end"
        raise ValueError(f"{text}: at least {FEWEST} of each are needed")
    verdict = Verdict(statistics.median(before), statistics.median(after), ())
    objections: list[str] = []
    if verdict.ratio >= MOST:
        objections.append(f"memory has grown to {verdict.ratio:.3f} of what it was, at most {MOST:.2f}")
    if lives := len({s.began for s in samples}) - 1:
        # A new process begins anew: whatever the old one had gathered is not seen.
        objections.append(f"the operator was restarted {lives} times")
    return Verdict(verdict.before, verdict.after, tuple(objections))


def curve(samples: Sequence[Sample], points: int) -> list[tuple[int, float]]:
    """The median of the resident bytes over so many equal parts of the jobs: (jobs at its end, bytes)."""
    most = max(s.jobs for s in samples)
    found: list[tuple[int, float]] = []
    for number in range(points):
        low, high = most * number / points, most * (number + 1) / points
        inside = [s.resident for s in samples if low < s.jobs <= high]
        if inside:
            found.append((round(high), statistics.median(inside)))
    return found
