"""Progress of slow steps, on standard error."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_STARTED = time.monotonic()


def say(text: str) -> None:
    """Write one line of progress with the time since the command began."""
    sys.stderr.write(f"[{time.monotonic() - _STARTED:7.1f}s] {text}\n")
    sys.stderr.flush()


@contextmanager
def step(title: str) -> Iterator[None]:
    """Report the start of a step, then its end with the time it took."""
    began = time.monotonic()
    say(f"{title} ...")
    try:
        yield
    except BaseException:
        say(f"{title}: FAILED after {time.monotonic() - began:.1f} s")
        raise
    say(f"{title}: done in {time.monotonic() - began:.1f} s")


class Heartbeat:
    """Reports the progress of a step, at most once in every few seconds."""

    def __init__(self, every: float = 10.0) -> None:
        """Set the period; the first report comes after it."""
        self._every = every
        self._last = time.monotonic()

    def beat(self, text: Callable[[], str]) -> None:
        """Report the progress, if it is time to."""
        if time.monotonic() - self._last >= self._every:
            self._last = time.monotonic()
            say(f"    {text()}")
