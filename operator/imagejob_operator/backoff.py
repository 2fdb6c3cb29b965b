"""Exponential backoff: how long to wait before something that failed is tried again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

MOST_DOUBLINGS = 20


@dataclass(frozen=True, slots=True)
class Backoff:
    """Pauses that double from `first` to `longest`."""

    first: timedelta
    longest: timedelta
    jitter: float = 0.0
    """The part by which a pause may be shorter, 0 to 1, so that many clients do not retry at once."""

    def pause(self, failures: int, draw: float = 0.0) -> timedelta:
        """The pause after a number of failures in a row.

        Args:
            failures: 1 or more.
            draw: a random number from 0 to 1; 0 leaves the pause as it is.
        """
        doubled: timedelta = self.first * 2 ** min(max(failures - 1, 0), MOST_DOUBLINGS)
        return min(self.longest, doubled) * (1 - self.jitter * draw)
