"""What a call costs by itself, without collections of garbage and what else the machine does."""

from __future__ import annotations

import gc
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

TRIES = 5
HOPELESS = 2.0
"""Seconds of CPU time after which a call is interrupted, because it might never end."""


def assert_cheap(call: Callable[[], object], most_seconds: float) -> None:
    """Fail if the call never takes less CPU time than this; what else costs time does not do so each time."""
    tried: list[float] = []
    gc.disable()
    try:
        with _interrupted():
            while not tried or (min(tried) >= most_seconds and len(tried) < TRIES):
                begun = time.thread_time()
                call()
                tried.append(time.thread_time() - begun)
    finally:
        gc.enable()
    assert min(tried) < most_seconds, f"it took {min(tried):.3f} s of {most_seconds} s"


@contextmanager
def _interrupted() -> Iterator[None]:
    def fail(number: int, frame: FrameType | None) -> None:
        raise AssertionError(f"it took more than {HOPELESS} s")

    before = signal.signal(signal.SIGVTALRM, fail)
    signal.setitimer(signal.ITIMER_VIRTUAL, HOPELESS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
