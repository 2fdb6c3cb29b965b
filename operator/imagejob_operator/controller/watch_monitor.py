"""Is this process still seeing and doing what it is there for? A watch can go deaf without any error.

What the watch has told is held against a listing that it has no part in. What the listing has and the watch
does not tell of in time ends the process: it is started anew, with a listing. What the watch never said is
gone (it does not tell of deletions that it missed) is repaired. Queues that stand still and tasks that have
ended end it as well.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.queue_monitor import QueueMonitor
from imagejob_operator.controller.workqueue import WorkQueue
from imagejob_operator.ports.imagejobs import JobsError
from imagejob_operator.ports.metadata_list import MetadataLister, Sight

log = logging.getLogger(__name__)

INTERVAL = 25.0
"""Seconds from one metadata list to the next."""
STEP = 5.0
"""Seconds from one look at what is missing to the next."""
GRACE = 55.0
"""Seconds in which the watch must deliver what a metadata list has. Kopf reconnects after 70 s of silence."""
LONGEST_LAG = 300.0
"""Seconds by which a watch that still tells of other things may be behind."""


class WatchStalled(Exception):
    """This process is of no use any more; the message says why. It must end and be started anew."""


def newer(version: str, than: str) -> bool:
    """Whether a resource version is newer than another one; unlike ones are when they differ."""
    if version.isdigit() and than.isdigit():
        return int(version) > int(than)
    return version != than


@dataclass
class SeenVersions:
    """The versions of one kind that were told of, by uid; and when each watch told of anything last.

    If they are `apart`, each namespace has a watch of its own; else one is for all.
    """

    clock: Callable[[], float]
    apart: bool
    versions: dict[str, str] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)

    def note(self, namespace: str, uid: str, version: str, deleted: bool) -> None:
        """A watch has told of an object."""
        self.last[self._watch(namespace)] = self.clock()
        if deleted:
            self.versions.pop(uid, None)
        elif uid not in self.versions or newer(version, self.versions[uid]):
            self.versions[uid] = version

    def silence(self, namespace: str) -> float:
        """Seconds since the watch of a namespace told of anything."""
        return self.clock() - self.last.get(self._watch(namespace), float("-inf"))

    def _watch(self, namespace: str) -> str:
        return namespace if self.apart else ""


@dataclass(frozen=True, slots=True)
class _Missing:
    """What a metadata list has and the watch has not told of: which version, and since when that is known."""

    sight: Sight
    seen_versions: SeenVersions
    since: float


class WatchMonitor:
    """Looks after the watches, the queues and the tasks of one process.

    Args:
        queue: the queue of jobs.
        stores: the queue of ImageStores.
        tasks: each says why a task of this process is of no use any more; nothing if all is well.
        namespaces: those that are watched, each by a watch of its own; if there are none, one watches all.
    """

    def __init__(  # noqa: PLR0913  (one for each thing that is looked after)
        self,
        metadata_lister: MetadataLister,
        cache: Cache,
        queue: WorkQueue,
        stores: WorkQueue,
        tasks: Sequence[Callable[[], str]] = (),
        namespaces: tuple[str, ...] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        apart = bool(namespaces)
        self.jobs = SeenVersions(clock, apart)
        self.attempts = SeenVersions(clock, apart)
        self._metadata_lister = metadata_lister
        self._cache = cache
        self._queue = queue
        self._stalls = (QueueMonitor(queue, "jobs"), QueueMonitor(stores, "ImageStores"))
        self._tasks = tasks
        self._namespaces = namespaces
        self._clock = clock
        self._missing: dict[str, _Missing] = {}
        self._counted_at = clock()

    async def keep(self) -> None:
        """Look again and again.

        Raises:
            Deaf: when this process must end.
        """
        next_check = self._clock()
        while True:
            if self._clock() >= next_check:
                next_check = self._clock() + INTERVAL
                try:
                    await self.look()
                except JobsError as error:
                    log.warning("the metadata list failed", extra={"error": str(error)})
            for stalls in self._stalls:
                stalls.look()
            if whys := self.complaints():
                raise WatchStalled("; ".join(whys))
            await asyncio.sleep(STEP)

    async def look(self) -> None:
        """Hold what the watches told against what is there, and repair what they missed.

        Raises:
            JobsError: if the listing failed; nothing follows from that.
        """
        # Also what only the cache knows: an answer that came after the word that its object is gone.
        known_jobs = self.jobs.versions.keys() | self._cache.seen()
        known_attempts = self.attempts.versions.keys() | {a.uid for _, a in self._cache.all_attempts()}
        jobs = await self._metadata_lister.jobs(self._namespaces)
        attempts = await self._metadata_lister.attempts(self._namespaces)
        self._counted_at = self._clock()
        self._forget_jobs(known_jobs - jobs.keys())
        self._forget_attempts(known_attempts - attempts.keys())
        # What was missing before keeps its time, with the version that was missing then.
        self._missing = {
            uid: self._missing[uid] if self._still(uid) else _Missing(sight, seen_versions, self._counted_at)
            for there, seen_versions in ((jobs, self.jobs), (attempts, self.attempts))
            for uid, sight in _late(there, seen_versions)
        }

    def complaints(self) -> list[str]:
        """Why this process is of no use; empty if all is well."""
        now = self._clock()
        told = [
            f"the watch has not told of {missing.sight.key} at version {missing.sight.version} for "
            f"{now - missing.since:.0f} s"
            for uid, missing in self._missing.items()
            if self._still(uid) and _is_deaf(missing, now)
        ]
        told += [why for stalls in self._stalls for why in stalls.complaints()]
        told += filter(None, (why() for why in self._tasks))
        return told[:3]

    def facts(self) -> dict[str, object]:
        """What people want to know of a process that is alive."""
        reconcile = self._queue.longest_reconcile()
        return {
            "jobs": len(self.jobs.versions),
            "attempts": len(self.attempts.versions),
            "secondsSinceCensus": round(self._clock() - self._counted_at, 1),
            "notToldYet": len(self._missing),
            "waitingForTurns": len(self._queue),
            "longestTurnSeconds": round(reconcile[1], 1) if reconcile else 0,
        }

    def _still(self, uid: str) -> bool:
        """Whether the version that was missing still is; the object may have changed again since."""
        missing = self._missing.get(uid)
        if missing is None:
            return False
        told = missing.seen_versions.versions.get(uid)
        return told is None or newer(missing.sight.version, told)

    def _forget_jobs(self, gone: Set[str]) -> None:
        for job in self._cache.jobs() if gone else ():
            if job.uid in gone:
                log.warning("the watch did not tell that a job is gone", extra={"job": str(job.key)})
                self._cache.drop_job(job.key, job.uid)
                self._queue.add(job.key)
        for uid in gone:
            self._cache.pass_over(uid, gone=True)
            self.jobs.versions.pop(uid, None)

    def _forget_attempts(self, gone: Set[str]) -> None:
        owners = {job.uid: job.key for job in self._cache.jobs()} if gone else {}
        for job_uid, attempt in self._cache.all_attempts() if gone else ():
            if attempt.uid in gone:
                log.warning("the watch did not tell that a Pod is gone", extra={"pod": attempt.name})
                self._cache.drop_attempt(job_uid, attempt)
                if job_uid in owners:
                    self._queue.add(owners[job_uid])
        for uid in gone:
            self.attempts.versions.pop(uid, None)


def _is_deaf(missing: _Missing, now: float) -> bool:
    """A watch that tells of other things may be behind; one that tells of nothing is deaf."""
    waited = now - missing.since
    silence = missing.seen_versions.silence(missing.sight.key.namespace)
    return waited >= LONGEST_LAG or (waited >= GRACE and silence >= GRACE)


def _late(there: Mapping[str, Sight], seen_versions: SeenVersions) -> list[tuple[str, Sight]]:
    """What is there in a version that the watch has not told of."""
    return [
        (uid, sight)
        for uid, sight in there.items()
        if uid not in seen_versions.versions or newer(sight.version, seen_versions.versions[uid])
    ]
