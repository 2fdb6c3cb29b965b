"""The schedule of garbage collection: every store at a fixed interval, side by side with the others."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from imagejob_operator.decision.garbage import Orphans
from imagejob_operator.garbage.collector import GarbageCollector
from imagejob_operator.ports.object_store import ObjectStore
from imagejob_operator.ports.stores import StoreWithStaging
from imagejob_operator.ports.telemetry import GarbageTelemetry

log = logging.getLogger(__name__)

CHECK_PERIOD = 5.0
"""Seconds between checks of which stores there are."""
SWEEPS_OF_IMAGESTORES = 4
"""Sweeps of ImageStores at the same time, at most one of them per namespace. The own store never waits."""


@dataclass(slots=True)
class StoreSweeps:
    """The sweeps of one store, for the metrics; see the port GarbageTelemetry."""

    name: str
    completed_at: float
    """When the last sweep was completed; before the first one, when the store was scheduled."""
    left: Orphans = field(default_factory=Orphans)
    """What the last completed sweep left."""
    deleted_objects: int = 0
    failures: int = 0

    def deleted(self, objects: int) -> None:
        """See the port."""
        self.deleted_objects += objects

    def sweep_failed(self) -> None:
        """See the port."""
        self.failures += 1


@dataclass(slots=True)
class _Scheduled:
    """A store, its collector, and the task that sweeps it."""

    store: ObjectStore
    namespace: str
    sweeps: StoreSweeps
    collector: GarbageCollector
    turn: asyncio.Lock
    """Shared by the stores of a namespace."""
    task: asyncio.Task[None] | None = None


class GarbageSchedule:
    """Sweeps each store every `interval` seconds; a slow store delays only others of its namespace.

    `stores` returns them by uid; `on_empty` is called with the uid of each that has no staging at all.
    """

    def __init__(
        self,
        stores: Callable[[], Mapping[str, StoreWithStaging]],
        new_collector: Callable[[ObjectStore, GarbageTelemetry], GarbageCollector],
        on_empty: Callable[[str], None],
        interval: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stores = stores
        self._new_collector = new_collector
        self._on_empty = on_empty
        self._interval = interval
        self._clock = clock
        self._scheduled: dict[str, _Scheduled] = {}
        self._slots = asyncio.Semaphore(SWEEPS_OF_IMAGESTORES)
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    def start(self) -> None:
        """Start sweeping."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop, and wait for the last requests."""
        self._stopped = True
        tasks = self._tasks()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def failure(self) -> str:
        """Why a task has ended although it was not stopped; empty if all are healthy."""
        for task in () if self._stopped else self._tasks():
            if task.done():
                error = None if task.cancelled() else task.exception()
                return f"the garbage collector stopped unexpectedly: {error!r}"
        return ""

    def sweeps(self) -> Iterable[tuple[StoreSweeps, float]]:
        """The sweeps of every store, and the seconds since the last completed one."""
        now = self._clock()
        return [(one.sweeps, now - one.sweeps.completed_at) for one in self._scheduled.values()]

    async def sweep_all(self) -> None:
        """Sweep every store once; nothing is raised."""
        self._refresh()
        await asyncio.gather(*(self._sweep(uid, one) for uid, one in self._scheduled.items()))

    def _tasks(self) -> list[asyncio.Task[None]]:
        return [task for task in (self._task, *(one.task for one in self._scheduled.values())) if task]

    async def _run(self) -> None:
        while True:
            self._refresh()
            for uid, one in self._scheduled.items():
                if one.task is None:
                    one.task = asyncio.create_task(self._sweep_periodically(uid, one))
            await asyncio.sleep(CHECK_PERIOD)

    def _refresh(self) -> None:
        stores = self._stores()
        for uid in self._scheduled.keys() - stores.keys():
            gone = self._scheduled.pop(uid)
            if gone.task:
                gone.task.cancel()
        for uid, found in stores.items():
            one = self._scheduled.get(uid)
            if one is None:
                self._scheduled[uid] = self._schedule(found)
                continue
            one.sweeps.name = found.name
            if one.store is not found.store:
                one.store, one.collector = found.store, self._new_collector(found.store, one.sweeps)

    def _schedule(self, found: StoreWithStaging) -> _Scheduled:
        sweeps = StoreSweeps(found.name, self._clock())
        turns = (one.turn for one in self._scheduled.values() if one.namespace == found.namespace)
        collector = self._new_collector(found.store, sweeps)
        return _Scheduled(found.store, found.namespace, sweeps, collector, next(turns, asyncio.Lock()))

    async def _sweep_periodically(self, uid: str, one: _Scheduled) -> None:
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            await self._sweep(uid, one)
            await asyncio.sleep(max(0.0, started + self._interval - loop.time()))

    async def _sweep(self, uid: str, one: _Scheduled) -> None:
        async with self._permit(one):
            left = await one.collector.sweep()
        if left is None:
            return
        if left.installations != one.sweeps.left.installations:
            text = "the store has staging of other installations in this cluster, which is not collected here"
            log.info(text, extra={"store": one.sweeps.name, "installations": left.installations})
        one.sweeps.left, one.sweeps.completed_at = left, self._clock()
        if left.clean:
            self._on_empty(uid)

    @asynccontextmanager
    async def _permit(self, one: _Scheduled) -> AsyncIterator[None]:
        """Wait until the store may be swept; the operator's own, which is in no namespace, at once."""
        if not one.namespace:
            yield
            return
        async with one.turn, self._slots:
            yield
