"""The garbage collector's round: one store after the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from imagejob_operator.decision.orphans import Orphans, total
from imagejob_operator.garbage.collector import GarbageCollector
from imagejob_operator.ports.object_store import ObjectStore
from imagejob_operator.ports.telemetry import SweepTelemetry


@dataclass(slots=True)
class _Post:
    """One store on the round, its garbage collector, and what the last whole sweep left."""

    store: ObjectStore
    sweeper: GarbageCollector
    left: Orphans = field(default_factory=Orphans)


class GarbageSchedule:
    """Sweeps all stores, again and again; what is counted is the sum over all of them.

    Args:
        stores: all stores by uid, as they are when a round begins.
        make: makes the garbage collector of one store.
        clean: told of each store in which a sweep found nothing at all.
        telemetry: what is counted.
        interval: seconds from the beginning of one round to that of the next.
    """

    def __init__(
        self,
        stores: Callable[[], Mapping[str, ObjectStore]],
        make: Callable[[ObjectStore], GarbageCollector],
        clean: Callable[[str], None],
        telemetry: SweepTelemetry,
        interval: float,
    ) -> None:
        self._stores = stores
        self._make = make
        self._clean = clean
        self._telemetry = telemetry
        self._interval = interval
        self._posts: dict[str, _Post] = {}
        self._task: asyncio.Task[None] | None = None
        self._stopped = False

    def start(self) -> None:
        """Start the round."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End, and wait for the last request."""
        self._stopped = True
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def complaint(self) -> str:
        """Why nobody sweeps any more; empty while somebody does, or need not."""
        if self._stopped or self._task is None or not self._task.done():
            return ""
        error = None if self._task.cancelled() else self._task.exception()
        return f"the garbage collector has ended: {error!r}"

    async def _run(self) -> None:
        timer = asyncio.get_running_loop()
        while True:
            begun = timer.time()
            await self.round()
            await asyncio.sleep(max(0.0, begun + self._interval - timer.time()))

    async def round(self) -> None:
        """Sweep every store once; nothing is raised."""
        stores = self._stores()
        for uid in self._posts.keys() - stores.keys():
            del self._posts[uid]
        for uid, store in stores.items():
            post = self._posts.get(uid)
            if post is None or post.store is not store:
                post = self._posts[uid] = _Post(store, self._make(store))
            left = await post.sweeper.sweep()
            if left is None:
                continue
            post.left = left
            self._telemetry.orphans(total(post.left for post in self._posts.values()))
            if left.clean:
                self._clean(uid)
