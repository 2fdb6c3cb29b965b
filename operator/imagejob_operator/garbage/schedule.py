"""The schedule of garbage collection: all stores, one after another, at a fixed interval."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from imagejob_operator.decision.garbage import Orphans, total
from imagejob_operator.garbage.collector import GarbageCollector
from imagejob_operator.ports.object_store import ObjectStore
from imagejob_operator.ports.telemetry import GarbageTelemetry


@dataclass(slots=True)
class _ScheduledStore:
    """A store, its collector, and what its last complete sweep left."""

    store: ObjectStore
    collector: GarbageCollector
    left: Orphans = field(default_factory=Orphans)


class GarbageSchedule:
    """Starts a round over all stores every `interval` seconds, and reports the sum over all of them.

    `stores` returns them by uid; `on_empty` is called with the uid of each that has no staging at all.
    """

    def __init__(
        self,
        stores: Callable[[], Mapping[str, ObjectStore]],
        new_collector: Callable[[ObjectStore], GarbageCollector],
        on_empty: Callable[[str], None],
        telemetry: GarbageTelemetry,
        interval: float,
    ) -> None:
        self._stores = stores
        self._new_collector = new_collector
        self._on_empty = on_empty
        self._telemetry = telemetry
        self._interval = interval
        self._scheduled: dict[str, _ScheduledStore] = {}
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    def start(self) -> None:
        """Start sweeping."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop, and wait for the last request."""
        self._stopped = True
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def failure(self) -> str:
        """Why the task has ended although it was not stopped; empty if it is healthy."""
        if self._stopped or self._task is None or not self._task.done():
            return ""
        error = None if self._task.cancelled() else self._task.exception()
        return f"the garbage collector stopped unexpectedly: {error!r}"

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            started = loop.time()
            await self.sweep_all()
            await asyncio.sleep(max(0.0, started + self._interval - loop.time()))

    async def sweep_all(self) -> None:
        """Sweep every store once; nothing is raised."""
        stores = self._stores()
        for uid in self._scheduled.keys() - stores.keys():
            del self._scheduled[uid]
        for uid, store in stores.items():
            scheduled = self._scheduled.get(uid)
            if scheduled is None or scheduled.store is not store:
                scheduled = self._scheduled[uid] = _ScheduledStore(store, self._new_collector(store))
            left = await scheduled.collector.sweep()
            if left is None:
                continue
            scheduled.left = left
            self._telemetry.sweep_finished(total(each.left for each in self._scheduled.values()))
            if left.clean:
                self._on_empty(uid)
