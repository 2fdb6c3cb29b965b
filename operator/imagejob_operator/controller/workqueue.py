"""The work queue: each key is reconciled once at a time, and namespaces have fair shares of the workers."""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

from imagejob_operator.api.imagejob import Key
from imagejob_operator.backoff import Backoff
from imagejob_operator.fairness import FairQueue, working_for
from imagejob_operator.ports.clock import Random

log = logging.getLogger(__name__)

MAX_RECONCILE_SECONDS = 180.0
"""A reconcile that takes longer is stuck."""
RECONCILE_SECONDS = 100.0
"""A reconcile that takes longer is cancelled and retried; it ends when its last store call has ended."""
MAX_STALLED_CHECKS = 12
"""Consecutive checks at which a key could have been taken, and no reconcile had started."""

Reconcile = Callable[[Key], Awaitable[None]]
Waited = Callable[[str, float], None]
"""A key was taken: the name of the queue, and for how many seconds the key had waited."""

RETRY = Backoff(timedelta(seconds=2), timedelta(seconds=10), jitter=0.5)
"""With jitter, because all keys fail together when the API server is away."""


class WorkQueue:
    """Keys to reconcile. A key that is added twice before it is taken is reconciled once."""

    def __init__(
        self,
        name: str = "jobs",
        workers: int = 24,
        random: Random = random.random,
        waited: Waited = lambda queue, seconds: None,
        begun: Callable[[Key], bool] = lambda key: False,
    ) -> None:
        """Keys that have `begun` come before the others of their namespace.

        So a long queue is worked off object by object, and not step by step with all objects half done.
        """
        self.name = name
        self.random = random
        self._begun = begun
        self._waited = waited
        self._started = 0
        """Reconciles that have started since the last check."""
        self._stalled_checks = 0
        self._workers = workers
        self._ready: FairQueue[Key] = FairQueue(workers)
        """Queued keys; the flows are the namespaces, and the slots the workers."""
        self._queued: dict[Key, float] = {}
        """Queued keys, and since when."""
        self._active: dict[Key, float] = {}
        """Keys that are being reconciled, and since when."""
        self._dirty: set[Key] = set()
        """Active keys that were added again."""
        self._timers: dict[Key, asyncio.TimerHandle] = {}
        self._failures: dict[Key, int] = {}
        """Consecutive failures by key."""
        self._idle: deque[asyncio.Future[None]] = deque()
        """Workers that wait to be woken."""
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, reconcile: Reconcile) -> None:
        """Start the workers."""
        self._tasks = [asyncio.create_task(self._work(reconcile)) for _ in range(self._workers)]

    async def stop(self) -> None:
        """Cancel the workers, wait for them, and cancel all timers."""
        # A worker that is not in the list knows that it was stopped on purpose.
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for key in list(self._timers):
            self._cancel_timer(key)

    def add(self, key: Key) -> None:
        """Reconcile the key as soon as possible, after its current reconcile if there is one."""
        self._cancel_timer(key)
        if key in self._active:
            self._dirty.add(key)
        elif key not in self._queued:
            self._queued[key] = asyncio.get_running_loop().time()
            self._ready.add(key.namespace, key, urgent=self._begun(key))
            self._wake()

    def add_after(self, key: Key, seconds: float) -> None:
        """Reconcile the key in `seconds`, unless it is queued or due earlier."""
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if key in self._queued or (timer and timer.when() <= loop.time() + seconds):
            return
        self._cancel_timer(key)
        self._timers[key] = loop.call_later(max(0.0, seconds), self.add, key)

    def retry(self, key: Key) -> None:
        """Reconcile the key again with exponential backoff."""
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        self.add_after(key, RETRY.pause(failures, self.random()).total_seconds())

    def forget(self, key: Key) -> None:
        """The object is gone: drop its timer and failures."""
        self._cancel_timer(key)
        self._failures.pop(key, None)

    def _cancel_timer(self, key: Key) -> None:
        if timer := self._timers.pop(key, None):
            timer.cancel()

    def longest_reconcile(self) -> tuple[Key, float] | None:
        """The key that has been reconciled for longest, and its seconds; None if all workers are idle."""
        key = min(self._active, key=self._active.__getitem__, default=None)
        return (key, asyncio.get_running_loop().time() - self._active[key]) if key else None

    def check(self) -> None:
        """Count consecutive stalled checks; checks and not seconds, because a frozen process misses both."""
        takeable = self._ready.next_flow() is not None and len(self._active) < len(self._tasks)
        stalled = takeable and not self._started
        self._stalled_checks = self._stalled_checks + 1 if stalled else 0
        self._started = 0

    def problems(self) -> list[str]:
        """Why the queue is stuck, although it raises no error; empty if it is healthy."""
        found = []
        longest = self.longest_reconcile()
        if longest and longest[1] > MAX_RECONCILE_SECONDS:
            found.append(f"the reconcile of {longest[0]} has been running for {longest[1]:.0f} s")
        if dead := sum(task.done() for task in self._tasks):
            found.append(f"{dead} workers have exited unexpectedly")
        if self._stalled_checks >= MAX_STALLED_CHECKS:
            found.append(
                "stalled: keys are queued and workers are idle, and no reconcile started "
                f"within {self._stalled_checks} checks"
            )
        return [f"work queue {self.name}: {problem}" for problem in found]

    def __len__(self) -> int:
        """Queued keys."""
        return len(self._queued)

    async def _work(self, reconcile: Reconcile) -> None:
        while True:
            try:
                await self._process_next(reconcile)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task not in self._tasks:
                    raise
                # Most likely a client's timeout that cancelled more than its request.
                log.warning("worker cancelled unexpectedly, continuing", extra={"queue": self.name})
                while task.cancelling():
                    task.uncancel()

    async def _process_next(self, reconcile: Reconcile) -> None:
        key = await self._take()
        self._active[key] = asyncio.get_running_loop().time()
        self._started += 1
        failures = self._failures.get(key)
        try:
            with working_for(key.namespace, "reconcile"):
                async with asyncio.timeout(RECONCILE_SECONDS):
                    await reconcile(key)
            if self._failures.get(key) == failures:
                self._failures.pop(key, None)
        except asyncio.CancelledError:
            self.retry(key)
            raise
        except TimeoutError:
            extra = {"queue": self.name, "key": str(key)}
            log.warning("reconcile took longer than %d s, retrying", RECONCILE_SECONDS, extra=extra)
            self.retry(key)
        except Exception:
            log.exception("reconcile failed unexpectedly, retrying", extra={"key": str(key)})
            self.retry(key)
        finally:
            self._active.pop(key, None)
            self._ready.release(key.namespace)
            if key in self._dirty:
                self._dirty.discard(key)
                self.add(key)

    async def _take(self) -> Key:
        while (taken := self._ready.take()) is None:
            woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(woken)
            await woken
        _, key = taken
        self._waited(self.name, asyncio.get_running_loop().time() - self._queued.pop(key))
        return key

    def _wake(self) -> None:
        """Wake a worker for a key that was added; one that has released a key looks for the next itself."""
        while self._idle:
            woken = self._idle.popleft()
            if not woken.done():
                woken.set_result(None)
                return


_imagestore_queue = partial(WorkQueue, "imagestores", workers=32)


@dataclass(frozen=True, slots=True)
class Queues:
    """The work queues of one operator."""

    jobs: WorkQueue = field(default_factory=WorkQueue)
    imagestores: WorkQueue = field(default_factory=_imagestore_queue)

    @classmethod
    def observed(cls, waited: Waited, begun: Callable[[Key], bool]) -> Queues:
        """Queues that report for how long each key has waited; `begun` is for jobs, see `WorkQueue`."""
        return cls(WorkQueue(waited=waited, begun=begun), _imagestore_queue(waited=waited))

    def __iter__(self) -> Iterator[WorkQueue]:
        """Both."""
        return iter((self.jobs, self.imagestores))
