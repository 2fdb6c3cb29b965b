"""Exponential backoff with jitter."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

MAX_DOUBLINGS = 20


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that double from `first` to `longest`."""

    first: timedelta
    longest: timedelta
    jitter: float = 0.0
    """The fraction by which a pause may be shorter, 0 to 1, so that clients do not retry together."""

    def pause(self, failures: int, draw: float = 0.0) -> timedelta:
        """The pause after a number of consecutive failures.

        Args:
            failures: 1 or more.
            draw: a random number from 0 to 1; 0 is the full pause.
        """
        doubled: timedelta = self.first * 2 ** min(max(failures - 1, 0), MAX_DOUBLINGS)
        return min(self.longest, doubled) * (1 - self.jitter * draw)
