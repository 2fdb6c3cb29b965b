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
from imagejob_operator.namespaces import EVERYWHERE, WatchedNamespaces, covers
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
    by_watch: dict[str, dict[str, str]] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)

    @property
    def versions(self) -> dict[str, str]:
        """The versions of all watches."""
        return {uid: version for versions in self.by_watch.values() for uid, version in versions.items()}

    def of(self, namespace: str) -> dict[str, str]:
        """The versions of the watch that serves a namespace."""
        return self.by_watch.setdefault(self._watch(namespace), {})

    def note(self, namespace: str, uid: str, version: str, deleted: bool) -> None:
        """A watch delivered an event."""
        self.last[self._watch(namespace)] = self.clock()
        if deleted:
            self.of(namespace).pop(uid, None)
        elif self.lacks(namespace, uid, version):
            self.of(namespace)[uid] = version

    def lacks(self, namespace: str, uid: str, version: str) -> bool:
        """Whether neither this version nor a newer one was delivered."""
        seen = self.of(namespace).get(uid)
        return seen is None or newer(version, seen)

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
        return self.seen.lacks(self.listed.key.namespace, self.uid, self.listed.version)

    def is_stalled(self, now: float) -> bool:
        waited = now - self.since
        silence = self.seen.silence(self.listed.key.namespace)
        return self.still() and (waited >= MAX_LAG or (waited >= GRACE and silence >= GRACE))


class WatchMonitor:
    """Monitors the watches, the queues and the tasks of this process.

    Each of the `tasks` returns why a task has failed, or nothing.
    """

    def __init__(
        self,
        metadata_lister: MetadataLister,
        cache: Cache,
        queues: Queues,
        tasks: Sequence[Callable[[], str]] = (),
        namespaces: WatchedNamespaces | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._namespaces = namespaces or WatchedNamespaces()
        per_namespace = EVERYWHERE not in self._namespaces.names
        self.jobs = SeenVersions(clock, per_namespace)
        self.attempts = SeenVersions(clock, per_namespace)
        self._metadata_lister = metadata_lister
        self._cache = cache
        self._queue = queues.jobs
        self._queues = queues
        self._tasks = tasks
        self._clock = clock
        self._missing: dict[str, _Missing] = {}
        self._listed_at = clock()

    async def run(self) -> None:
        """Check periodically; WatchStalled if the process must exit."""
        next_list = self._clock()
        while True:
            if self._clock() >= next_list:
                next_list = self._clock() + LIST_PERIOD
                await self.compare()
            for queue in self._queues:
                queue.check()
            if problems := self.problems():
                raise WatchStalled("; ".join(problems))
            await asyncio.sleep(CHECK_PERIOD)

    async def compare(self) -> None:
        """Repair missed deletions and find missing versions by metadata lists.

        Nothing is known about the objects of a namespace whose list fails.
        """
        compared = await self._namespaces.check(self._compare)
        found = [missing for part in compared.values() for missing in part]
        if compared:
            self._listed_at = self._clock()
        # An object that was missing before keeps its first missing version, and its time.
        before = {uid: missing for uid, missing in self._missing.items() if missing.still()}
        self._missing = {missing.uid: before.get(missing.uid, missing) for missing in found}

    async def _compare(self, names: Sequence[str]) -> list[_Missing]:
        """Compare one namespace, or all if none is named."""
        name = names[0] if names else EVERYWHERE
        # The cache as well: a response may have restored an object after its deletion was delivered.
        known_jobs = self.jobs.of(name).keys() | {
            job.uid for job in self._cache.jobs() if covers(name, job.key.namespace)
        }
        known_attempts = self.attempts.of(name).keys() | {
            attempt.uid for job, attempt in self._cache.all_attempts() if covers(name, job.key.namespace)
        }
        if name == EVERYWHERE:
            known_jobs |= self._cache.seen()
        jobs = await self._metadata_lister.jobs(names)
        attempts = await self._metadata_lister.attempts(names)
        self._forget_jobs(name, known_jobs - jobs.keys())
        self._forget_attempts(name, known_attempts - attempts.keys())
        return [*self._find_missing(jobs, self.jobs), *self._find_missing(attempts, self.attempts)]

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

    def lag(self) -> float:
        """Seconds for which a watch has not delivered a version that was listed; 0 if nothing is missing."""
        now = self._clock()
        return max(
            (now - missing.since for missing in self._missing.values() if missing.still()), default=0.0
        )

    def checked_age(self) -> float:
        """Seconds since the watches were compared with a metadata list."""
        return self._clock() - self._listed_at

    def details(self) -> dict[str, object]:
        """Numbers for /healthz."""
        longest = self._queue.longest_reconcile()
        return {
            "jobs": len(self.jobs.versions),
            "attempts": len(self.attempts.versions),
            "secondsSinceMetadataList": round(self.checked_age(), 1),
            "missingFromWatch": len(self._missing),
            "workqueueDepth": len(self._queue),
            "longestReconcileSeconds": round(longest[1], 1) if longest else 0,
        }

    def _find_missing(self, listed: Mapping[str, ListedObject], seen: SeenVersions) -> list[_Missing]:
        return [
            _Missing(uid, found, seen, self._clock())
            for uid, found in listed.items()
            if seen.lacks(found.key.namespace, uid, found.version)
        ]

    def _forget_jobs(self, name: str, gone: Set[str]) -> None:
        for job in self._cache.jobs() if gone else ():
            if job.uid in gone:
                extra = {"job": str(job.key), "uid": job.uid}
                log.warning("watch monitor: missed the deletion of a job", extra=extra)
                self._cache.drop_job(job.key, job.uid)
                self._queue.add(job.key)
        for uid in gone:
            self._cache.ignore_job(uid, gone=True)
            self.jobs.of(name).pop(uid, None)

    def _forget_attempts(self, name: str, gone: Set[str]) -> None:
        for job, attempt in self._cache.all_attempts() if gone else ():
            if attempt.uid in gone:
                log.warning("watch monitor: missed the deletion of a Pod", extra={"pod": attempt.name})
                self._cache.drop_attempt(job, attempt)
                self._queue.add(job.key)
        for uid in gone:
            self.attempts.of(name).pop(uid, None)
