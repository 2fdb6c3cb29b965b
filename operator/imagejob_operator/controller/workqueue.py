"""The queue of keys: one turn a key at a time, later turns, and no namespace starves another."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from datetime import timedelta

from imagejob_operator.api.imagejob import Key
from imagejob_operator.backoff import Backoff

log = logging.getLogger(__name__)

Reconcile = Callable[[Key], Awaitable[None]]

RETRY = Backoff(timedelta(seconds=2), timedelta(seconds=10), jitter=0.5)
"""With jitter, since the turns of all keys fail together when the API server is away."""


class WorkQueue:
    """Keys that want a turn. Adding a key twice before its turn is adding it once."""

    def __init__(
        self, reconcile: Reconcile, workers: int = 32, draw: Callable[[], float] = random.random
    ) -> None:
        self._reconcile = reconcile
        self._workers = workers
        self._draw = draw
        self._ready: OrderedDict[str, deque[Key]] = OrderedDict()
        self._queued: set[Key] = set()
        self._active: dict[Key, float] = {}
        """Keys that have a turn now, and since when."""
        self._again: set[Key] = set()
        self._due: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        """Keys whose last turn failed, and how many have failed in a row."""
        self._waiting = asyncio.Semaphore(0)
        """Its value is the number of keys that no worker has taken yet."""
        self._tasks: list[asyncio.Task[None]] = []
        self.begun = 0
        """Turns that have begun."""

    def start(self) -> None:
        """Start the workers."""
        self._tasks = [asyncio.create_task(self._work()) for _ in range(self._workers)]

    async def stop(self) -> None:
        """Cancel the workers, wait for them, and cancel all timers."""
        # From here on nobody expects workers.
        ending, self._tasks = self._tasks, []
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        for key in list(self._due):
            self._cancel_timer(key)

    def add(self, key: Key) -> None:
        """Give the key a turn as soon as can be; after its present one if it has one."""
        self._cancel_timer(key)
        if key in self._active:
            self._again.add(key)
        elif key not in self._queued:
            self._queued.add(key)
            self._ready.setdefault(key.namespace, deque()).append(key)
            self._waiting.release()

    def add_after(self, key: Key, seconds: float) -> None:
        """Give the key a turn in `seconds`, if it has none before; the earliest wish counts."""
        loop = asyncio.get_running_loop()
        timer = self._due.get(key)
        if key in self._queued or (timer and timer.when() <= loop.time() + seconds):
            return
        self._cancel_timer(key)
        self._due[key] = loop.call_later(max(0.0, seconds), self.add, key)

    def retry(self, key: Key) -> None:
        """The turn of the key failed: repeat it, after a pause that grows with each failure in a row."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        self.add_after(key, RETRY.pause(failures, self._draw()).total_seconds())

    def forget(self, key: Key) -> None:
        """What the key names is gone: nothing will be due for it."""
        self._cancel_timer(key)
        self._failures.pop(key, None)

    def _cancel_timer(self, key: Key) -> None:
        if timer := self._due.pop(key, None):
            timer.cancel()

    def longest_reconcile(self) -> tuple[Key, float] | None:
        """The key whose turn has lasted longest, and its seconds; None if none has a turn."""
        key = min(self._active, key=self._active.__getitem__, default=None)
        return (key, asyncio.get_running_loop().time() - self._active[key]) if key else None

    def has_waiting_key(self) -> bool:
        """Whether a key waits for a turn now, and a worker is free to take it."""
        return bool(self._queued) and len(self._active) < len(self._tasks)

    def dead_workers(self) -> int:
        """Workers that have ended, as none does before the queue is stopped."""
        return sum(task.done() for task in self._tasks)

    def __len__(self) -> int:
        """Keys that wait for a turn now."""
        return len(self._queued)

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
        failures = self._failures.get(key)
        try:
            await self._reconcile(key)
            if self._failures.get(key) == failures:
                self._failures.pop(key, None)
        except asyncio.CancelledError:
            self.retry(key)
            raise
        except Exception:
            log.exception("a turn failed unexpectedly", extra={"job": str(key)})
            self.retry(key)
        finally:
            self._active.pop(key, None)
            if key in self._again:
                self._again.discard(key)
                self.add(key)

    async def _next(self) -> Key:
        await self._waiting.acquire()
        namespace, keys = self._ready.popitem(last=False)
        key = keys.popleft()
        if keys:
            self._ready[namespace] = keys
        self._queued.discard(key)
        return key
