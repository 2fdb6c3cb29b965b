"""How long callbacks hold the event loop, in CPU time of its thread: wall time depends on other processes."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

MOST_SECONDS = 0.05
"""How long anything that a user wrote may hold the event loop."""


@dataclass
class Longest:
    """The longest callback."""

    seconds: float = 0.0
    callback: str = ""


@contextmanager
def longest_callback() -> Iterator[Longest]:
    """Measure every callback of the running event loop, without collections of garbage."""
    longest, run = Longest(), asyncio.Handle._run

    def measured(handle: asyncio.Handle) -> None:
        begun = time.thread_time()
        run(handle)
        if (seconds := time.thread_time() - begun) > longest.seconds:
            longest.seconds, longest.callback = seconds, repr(handle)[:300]

    asyncio.Handle._run = measured  # type: ignore[method-assign, assignment]
    gc.disable()
    try:
        yield longest
    finally:
        gc.enable()
        asyncio.Handle._run = run  # type: ignore[method-assign]
