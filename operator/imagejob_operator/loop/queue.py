"""The queue of keys: one turn a key at a time, later turns, and no namespace starves another."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import logging
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable

from imagejob_operator.core.job import Key

log = logging.getLogger(__name__)

Turn = Callable[[Key], Awaitable[None]]

SLACK = 256
"""Timers that count no more may be so many beside those that do; no more of them are kept."""


class WorkQueue:
    """Keys that want a turn. Adding a key twice before its turn is adding it once."""

    def __init__(self, turn: Turn, workers: int = 32) -> None:
        self._turn = turn
        self._workers = workers
        self._ready: OrderedDict[str, deque[Key]] = OrderedDict()
        self._queued: set[Key] = set()
        self._active: dict[Key, float] = {}
        """Keys that have a turn now, and since when."""
        self._again: set[Key] = set()
        self._timers: list[tuple[float, int, Key]] = []
        self._due: dict[Key, float] = {}
        self._order = itertools.count()
        self._wakeup = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []
        self._wakers: set[asyncio.Task[None]] = set()
        self.begun = 0
        """Turns that have begun."""

    def start(self) -> None:
        """Start the workers and the clock."""
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._workers)]

    async def stop(self) -> None:
        """Cancel the workers and wait for them."""
        # From here on nobody expects workers.
        ending, self._tasks = self._tasks, []
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    def add(self, key: Key) -> None:
        """Give the key a turn as soon as can be; after its present one if it has one."""
        self._due.pop(key, None)
        if key in self._active:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._ready.setdefault(key.namespace, deque()).append(key)
            self._notify()

    def add_after(self, key: Key, seconds: float) -> None:
        """Give the key a turn in `seconds`, if it has none before; the earliest wish counts."""
        when = asyncio.get_running_loop().time() + max(0.0, seconds)
        if key in self._queued or when >= self._due.get(key, float("inf")):
            return
        self._due[key] = when
        heapq.heappush(self._timers, (when, next(self._order), key))
        self._drop_stale()
        self._notify()

    def _drop_stale(self) -> None:
        """Keep only timers that count once most of them do not.

        A key that had a turn before its time leaves its timer behind, and there are many turns in the five
        minutes of the longest one.
        """
        if len(self._timers) > 2 * len(self._due) + SLACK:
            self._timers = [timer for timer in self._timers if self._due.get(timer[2]) == timer[0]]
            heapq.heapify(self._timers)

    def forget(self, key: Key) -> None:
        """Nothing will ever be due for the key: what it names is gone."""
        self._due.pop(key, None)

    def longest_turn(self) -> tuple[Key, float] | None:
        """The key whose turn has lasted longest, and its seconds; None if none has a turn."""
        key = min(self._active, key=self._active.__getitem__, default=None)
        return (key, asyncio.get_running_loop().time() - self._active[key]) if key else None

    def is_owed_a_turn(self) -> bool:
        """Whether a key waits whose time has come, and a worker is free to take it."""
        now = asyncio.get_running_loop().time()
        due = bool(self._timers) and self._timers[0][0] <= now
        return (bool(self._queued) or due) and len(self._active) < len(self._tasks)

    def dead_workers(self) -> int:
        """Workers that have ended, as none does before the queue is stopped."""
        return sum(task.done() for task in self._tasks)

    def __len__(self) -> int:
        """Keys that wait for a turn now."""
        return len(self._queued)

    def _notify(self) -> None:
        task = asyncio.get_running_loop().create_task(self._wake())
        self._wakers.add(task)
        task.add_done_callback(self._wakers.discard)

    async def _wake(self) -> None:
        async with self._wakeup:
            self._wakeup.notify()

    async def _work(self) -> None:
        while True:
            try:
                await self._take_one()
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task not in self._tasks:
                    raise
                # Nobody told it to end: most likely a client's timer that cancelled more than its request.
                log.warning("a worker was cancelled without being told to end; it goes on")
                while task.cancelling():
                    task.uncancel()

    async def _take_one(self) -> None:
        key = await self._next()
        self._active[key] = asyncio.get_running_loop().time()
        self.begun += 1
        try:
            await self._turn(key)
        except asyncio.CancelledError:
            self.add_after(key, 5.0)
            raise
        except Exception:
            log.exception("a turn failed unexpectedly", extra={"job": str(key)})
            self.add_after(key, 5.0)
        finally:
            self._active.pop(key, None)
            if key in self._again:
                self._again.discard(key)
                self.add(key)

    async def _next(self) -> Key:
        async with self._wakeup:
            while True:
                pause = self._release_due()
                if self._ready:
                    namespace, keys = self._ready.popitem(last=False)
                    key = keys.popleft()
                    if keys:
                        self._ready[namespace] = keys
                    self._queued.discard(key)
                    return key
                try:
                    async with asyncio.timeout(pause):
                        await self._wakeup.wait()
                except TimeoutError:
                    continue

    def _release_due(self) -> float | None:
        """Move what is due to the ready ones; seconds until the next, None if there is none."""
        now = asyncio.get_running_loop().time()
        while self._timers:
            when, _, key = self._timers[0]
            if self._due.get(key) != when:
                heapq.heappop(self._timers)
            elif when <= now:
                heapq.heappop(self._timers)
                self.add(key)
            else:
                return when - now
        return None
