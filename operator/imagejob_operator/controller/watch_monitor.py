"""Detects a process that is alive and does not work: a stalled watch, a stuck queue, an ended task.

A watch can stall without an error. So what the watches delivered is compared with metadata lists. A version
that is listed and not delivered in time ends the process, and the next one starts with a fresh listing. A
deletion that a watch missed is repaired in the cache.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass, field

from imagejob_operator.controller.cache import Cache, newer
from imagejob_operator.controller.workqueue import Queues
from imagejob_operator.ports.imagejobs import JobsError
from imagejob_operator.ports.metadata_list import ListedObject, MetadataLister

log = logging.getLogger(__name__)

LIST_PERIOD = 25.0
"""Seconds between metadata lists."""
CHECK_PERIOD = 5.0
"""Seconds between checks of what is missing."""
GRACE = 55.0
"""Seconds within which a watch must deliver a listed version. Kopf reconnects after 70 s of silence."""
MAX_LAG = 300.0
"""Seconds by which a watch that still delivers other events may lag."""
MAX_PROBLEMS = 3
"""Problems that are reported at once."""


class WatchStalled(Exception):
    """The process must exit and be restarted; the message says why."""


@dataclass
class SeenVersions:
    """The versions of one kind that the watches delivered, by uid, and when each watch last delivered.

    With `per_namespace`, each namespace has its own watch; otherwise one watch serves all.
    """

    clock: Callable[[], float]
    per_namespace: bool
    versions: dict[str, str] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)

    def note(self, namespace: str, uid: str, version: str, deleted: bool) -> None:
        """A watch delivered an event."""
        self.last[self._watch(namespace)] = self.clock()
        if deleted:
            self.versions.pop(uid, None)
        elif self.lacks(uid, version):
            self.versions[uid] = version

    def lacks(self, uid: str, version: str) -> bool:
        """Whether neither this version nor a newer one was delivered."""
        return uid not in self.versions or newer(version, self.versions[uid])

    def silence(self, namespace: str) -> float:
        """Seconds since the watch of a namespace delivered any event."""
        return self.clock() - self.last.get(self._watch(namespace), float("-inf"))

    def _watch(self, namespace: str) -> str:
        return namespace if self.per_namespace else ""


@dataclass(frozen=True, slots=True)
class _Missing:
    """A listed version that the watch has not delivered, and since when."""

    uid: str
    listed: ListedObject
    seen: SeenVersions
    since: float

    def still(self) -> bool:
        return self.seen.lacks(self.uid, self.listed.version)

    def is_stalled(self, now: float) -> bool:
        waited = now - self.since
        silence = self.seen.silence(self.listed.key.namespace)
        return self.still() and (waited >= MAX_LAG or (waited >= GRACE and silence >= GRACE))


class WatchMonitor:
    """Monitors the watches, the queues and the tasks of this process.

    Each of the `tasks` returns why a task has failed, or nothing. Each of the `namespaces` has its own watch.
    """

    def __init__(
        self,
        metadata_lister: MetadataLister,
        cache: Cache,
        queues: Queues,
        tasks: Sequence[Callable[[], str]] = (),
        namespaces: tuple[str, ...] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.jobs = SeenVersions(clock, bool(namespaces))
        self.attempts = SeenVersions(clock, bool(namespaces))
        self._metadata_lister = metadata_lister
        self._cache = cache
        self._queue = queues.jobs
        self._queues = queues
        self._tasks = tasks
        self._namespaces = namespaces
        self._clock = clock
        self._missing: dict[str, _Missing] = {}
        self._listed_at = clock()

    async def run(self) -> None:
        """Check periodically; WatchStalled if the process must exit."""
        next_list = self._clock()
        while True:
            if self._clock() >= next_list:
                next_list = self._clock() + LIST_PERIOD
                try:
                    await self.compare()
                except JobsError as error:
                    log.warning("watch monitor: metadata list failed", extra={"error": str(error)})
            for queue in self._queues:
                queue.check()
            if problems := self.problems():
                raise WatchStalled("; ".join(problems))
            await asyncio.sleep(CHECK_PERIOD)

    async def compare(self) -> None:
        """Repair missed deletions and find missing versions by a metadata list; JobsError if that fails."""
        # The cache as well: a response may have restored an object after its deletion was delivered.
        known_jobs = self.jobs.versions.keys() | self._cache.seen()
        known_attempts = self.attempts.versions.keys() | {a.uid for _, a in self._cache.all_attempts()}
        jobs = await self._metadata_lister.jobs(self._namespaces)
        attempts = await self._metadata_lister.attempts(self._namespaces)
        self._listed_at = self._clock()
        self._forget_jobs(known_jobs - jobs.keys())
        self._forget_attempts(known_attempts - attempts.keys())
        found = [*self._find_missing(jobs, self.jobs), *self._find_missing(attempts, self.attempts)]
        # An object that was missing before keeps its first missing version, and its time.
        before = {uid: missing for uid, missing in self._missing.items() if missing.still()}
        self._missing = {missing.uid: before.get(missing.uid, missing) for missing in found}

    def problems(self) -> list[str]:
        """Why the process must exit; empty if it is healthy."""
        now = self._clock()
        found = [
            f"the watch has not delivered {missing.listed.key} at version {missing.listed.version} for "
            f"{now - missing.since:.0f} s"
            for missing in self._missing.values()
            if missing.is_stalled(now)
        ]
        found += [problem for queue in self._queues for problem in queue.problems()]
        found += filter(None, (failure() for failure in self._tasks))
        return found[:MAX_PROBLEMS]

    def details(self) -> dict[str, object]:
        """Numbers for /healthz."""
        longest = self._queue.longest_reconcile()
        return {
            "jobs": len(self.jobs.versions),
            "attempts": len(self.attempts.versions),
            "secondsSinceMetadataList": round(self._clock() - self._listed_at, 1),
            "missingFromWatch": len(self._missing),
            "workqueueDepth": len(self._queue),
            "longestReconcileSeconds": round(longest[1], 1) if longest else 0,
        }

    def _find_missing(self, listed: Mapping[str, ListedObject], seen: SeenVersions) -> list[_Missing]:
        return [
            _Missing(uid, found, seen, self._listed_at)
            for uid, found in listed.items()
            if seen.lacks(uid, found.version)
        ]

    def _forget_jobs(self, gone: Set[str]) -> None:
        for job in self._cache.jobs() if gone else ():
            if job.uid in gone:
                log.warning("watch monitor: missed the deletion of a job", extra={"job": str(job.key)})
                self._cache.drop_job(job.key, job.uid)
                self._queue.add(job.key)
        for uid in gone:
            self._cache.ignore_job(uid, gone=True)
            self.jobs.versions.pop(uid, None)

    def _forget_attempts(self, gone: Set[str]) -> None:
        for job, attempt in self._cache.all_attempts() if gone else ():
            if attempt.uid in gone:
                log.warning("watch monitor: missed the deletion of a Pod", extra={"pod": attempt.name})
                self._cache.drop_attempt(job, attempt)
                self._queue.add(job.key)
        for uid in gone:
            self.attempts.versions.pop(uid, None)
