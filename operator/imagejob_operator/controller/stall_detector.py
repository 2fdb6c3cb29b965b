"""Detects when the event loop is blocked: how late a periodic callback runs, and what the loop was doing."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable

log = logging.getLogger(__name__)

PERIOD = 0.05
"""Seconds between two callbacks, and between two checks of the thread."""
REPORT_AFTER = 0.25
"""Seconds of a stall that is logged. The Lease is lost after eight seconds."""
MAX_FRAMES = 12


class StallDetector:
    """Measures the lag of the running event loop, and logs the stack of a long stall."""

    def __init__(self, observe: Callable[[float], None], report_after: float = REPORT_AFTER) -> None:
        self._observe = observe
        self._report_after = report_after
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._due = time.monotonic()
        """When the next callback is due."""
        self._sample = (0.0, "")
        """What held up the callback that was due at a time."""
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stall-detector", daemon=True)
        self._timer = self._loop.call_soon(self._beat)

    def start(self) -> None:
        """Start to measure."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the callback and the thread."""
        self._timer.cancel()
        self._stopped.set()

    def _beat(self) -> None:
        now, due = time.monotonic(), self._due
        lag = max(0.0, now - due)
        self._observe(lag)
        if lag >= self._report_after:
            sampled_for, stack = self._sample
            extra = {"seconds": round(lag, 3), "stack": stack if sampled_for == due else "not known"}
            log.warning("the event loop was blocked", extra=extra)
        self._due = now + PERIOD
        self._timer = self._loop.call_later(PERIOD, self._beat)

    def _watch(self) -> None:
        """In a thread: take the stack of the loop's thread when a callback is late."""
        while not self._stopped.wait(PERIOD):
            due = self._due
            if time.monotonic() - due >= self._report_after and self._sample[0] != due:
                frame = sys._current_frames().get(self._loop_thread)
                frames = traceback.extract_stack(frame)[-MAX_FRAMES:]
                self._sample = due, " > ".join(f"{f.filename}:{f.lineno} {f.name}" for f in frames)
