"""Tasks in threads that an interrupt ends at once.

The threads of `concurrent.futures` are waited for at the end of the process, and a thread whose `join` is
interrupted counts as ended.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Event, Thread
from time import monotonic
from typing import TypeVar

T = TypeVar("T")
POLL_SECONDS = 0.2
"""A signal may arrive at another thread, which does not wake the one that waits and has to handle it."""
STOP_SECONDS = 2.0
"""How long tasks that are interrupted have to remove what is incomplete."""


class Stopped(Exception):
    """The tasks were interrupted. Only tasks see it."""


class SideBySide:
    """Some threads for some tasks."""

    def __init__(self, end: Callable[[], object]) -> None:
        """`end` makes the tasks under way end after an interrupt, as by closing their connections."""
        self._end, self._stop = end, Event()
        self._error: Exception | None = None
        self._ended = SimpleQueue[None]()

    @property
    def stopped(self) -> bool:
        """Whether the tasks were interrupted: what becomes of them is of no interest any more."""
        return self._stop.is_set()

    def check(self) -> None:
        """Called by tasks often; raises Stopped after an interrupt."""
        if self.stopped:
            raise Stopped

    def run(self, work: Callable[[T], object], tasks: Iterable[T], threads: int) -> None:
        """Work on all tasks.

        Raises:
            Exception: The first error of a task.
            BaseException: What interrupts it, such as KeyboardInterrupt.
        """
        left, running = deque(tasks), 0
        count = min(threads, len(left))
        try:
            while running < count:
                Thread(target=self._work, args=(work, left), daemon=True).start()
                running += 1
            while running:
                with suppress(Empty):
                    self._ended.get(timeout=POLL_SECONDS)
                    running -= 1
        except BaseException:
            self._stop.set()
            self._end()
            self._wait(running)
            raise
        if self._error:
            raise self._error

    def _work(self, work: Callable[[T], object], left: deque[T]) -> None:
        try:
            while self._error is None and not self.stopped:
                try:
                    task = left.popleft()
                except IndexError:
                    return
                work(task)
        except Stopped:
            return
        except Exception as error:  # noqa: BLE001  (raised by the thread that waits)
            self._error = self._error or error
        finally:
            self._ended.put(None)

    def _wait(self, running: int) -> None:
        until = monotonic() + STOP_SECONDS
        with suppress(Empty):
            for _ in range(running):
                self._ended.get(timeout=max(until - monotonic(), 0))
