"""Notices within seconds that a store with active runs does not answer, and that it answers again."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from imagejob_operator.api.imagejob import ImageJob, Key
from imagejob_operator.api.phase import TERMINAL, Phase
from imagejob_operator.decision.garbage import clock_key
from imagejob_operator.ports.object_store import ObjectStore, StoreError, StoreUnavailable
from imagejob_operator.ports.stores import StoreWithStaging

log = logging.getLogger(__name__)

CHECK_PERIOD = 1.0
"""Seconds between two checks of a store."""
CHECK_TIMEOUT = 3.5
"""Seconds within which a store must answer; a request that takes longer is waited for at the next check."""
IDLE = TERMINAL | {Phase.PENDING, Phase.SUSPENDED}
"""Phases in which a run does not need its store, or says itself why it waits for it."""


@dataclass
class StoreWatch:
    """Checks the stores of active runs; `wake` requeues their jobs when a store goes away or comes back."""

    stores: Callable[[], Mapping[str, StoreWithStaging]]
    """By the uid of the ImageStore; empty for the operator's own."""
    jobs: Callable[[], Iterable[ImageJob]]
    wake: Callable[[Key], None]
    staging_folder: str
    clock: Callable[[], float] = time.monotonic
    timeout: float = CHECK_TIMEOUT
    _away: dict[str, tuple[float, str]] = field(default_factory=dict, init=False)
    """Since when, and why."""
    _requests: dict[str, asyncio.Task[str]] = field(default_factory=dict, init=False)

    def away(self, job: ImageJob) -> str:
        """Why the store with the staging of a job does not answer; empty if it does."""
        return self._away.get(_store_of(job), (0.0, ""))[1]

    async def run(self) -> None:
        """Check until cancelled."""
        try:
            while True:
                try:
                    await self.check()
                except Exception:
                    log.exception("the stores could not be checked, trying again")
                await asyncio.sleep(CHECK_PERIOD)
        finally:
            for request in self._requests.values():
                request.cancel()

    async def check(self) -> None:
        """Check each store with an active run once."""
        users: dict[str, list[Key]] = {}
        for job in self.jobs():
            if job.status.at not in IDLE:
                users.setdefault(_store_of(job), []).append(job.key)
        stores = self.stores()
        for uid in self._away.keys() - users.keys():
            del self._away[uid]
        await asyncio.gather(
            *(self._check(uid, stores[uid], users[uid]) for uid in users.keys() & stores.keys())
        )

    async def _check(self, uid: str, found: StoreWithStaging, users: list[Key]) -> None:
        request = self._requests.get(uid) or asyncio.create_task(self._ask(found.store))
        self._requests[uid] = request
        before = self._away.get(uid)
        # One that is away does not delay the checks of the others: its answer is read at the next check.
        await asyncio.wait({request}, timeout=0 if before else self.timeout)
        why = f"no answer within {self.timeout:g} s"
        if request.done():
            del self._requests[uid]
            why = request.result()
        if bool(before) == bool(why):
            return
        extra: dict[str, object] = {"store": found.name, "jobs": len(users)}
        if why:
            self._away[uid] = (self.clock(), why)
            log.warning("the store %s does not answer", found.name, extra={**extra, "error": why})
        elif before:
            del self._away[uid]
            seconds = round(self.clock() - before[0], 1)
            log.warning("the store %s answers again", found.name, extra={**extra, "seconds": seconds})
        for key in users:
            self.wake(key)

    async def _ask(self, store: ObjectStore) -> str:
        """Why the store does not answer; empty if it does, whatever the answer is."""
        try:
            await store.stat(clock_key(self.staging_folder))
        except StoreUnavailable as error:
            return str(error)
        except StoreError:
            return ""
        return ""


def _store_of(job: ImageJob) -> str:
    """The uid of the ImageStore with the staging of the job; empty for the operator's own store."""
    run = job.status.run
    return run.store.uid if run and run.store else ""
