"""Measures when the Pod does each kind of work. The operator makes spans of a trace of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from imagejob_contract.result import PodSpan, Work


@dataclass(slots=True)
class _Window:
    """From the first start to the last end of one kind of work, in seconds of `time.monotonic`."""

    start: float
    end: float
    busy: float = 0.0
    count: int = 0


class Spans:
    """The windows of all work so far. Safe to use from several threads."""

    def __init__(self) -> None:
        # The wall clock is read once: if it is set meanwhile, the lengths stay true.
        self._offset = time.time() - time.monotonic()  # noqa: TID251  (it is shown, nothing depends on it)
        self._windows: dict[Work, _Window] = {}
        self._guard = threading.Lock()

    @contextmanager
    def during(self, work: Work) -> Iterator[None]:
        """Measure the block, however it ends."""
        started = time.monotonic()
        try:
            yield
        finally:
            self.add(work, started, time.monotonic())

    def add(self, work: Work, started: float, ended: float) -> float:
        """One piece of work, between two times of `time.monotonic`; how long it took, in seconds."""
        with self._guard:
            window = self._windows.setdefault(work, _Window(started, ended))
            window.start, window.end = min(window.start, started), max(window.end, ended)
            window.busy += ended - started
            window.count += 1
        return ended - started

    def made(self) -> tuple[PodSpan, ...]:
        """The span of each kind of work that was done, in the order of `Work`."""
        with self._guard:
            return tuple(self._span(work, self._windows[work]) for work in Work if work in self._windows)

    def _span(self, work: Work, window: _Window) -> PodSpan:
        start = max(0, round((window.start + self._offset) * 1000))
        length, busy = (round(seconds * 1000) for seconds in (window.end - window.start, window.busy))
        return PodSpan(work, start, length, busy, window.count)
