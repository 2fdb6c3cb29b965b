"""The cache of jobs and attempts: parsed values of a few KiB, never the bodies they came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from imagejob_operator.api.errors import Reason
from imagejob_operator.api.imagejob import Identity, ImageJob, Key
from imagejob_operator.api.phase import TERMINAL, Phase
from imagejob_operator.decision.attempt import Attempt, Problem, Refusal, State, as_gone

MIN_STOP_PAUSE, MAX_STOP_PAUSE = timedelta(seconds=1), timedelta(minutes=5)
"""The pause before a refused deletion of a Pod is repeated grows with the time since the first refusal."""
_NOT_BEGUN = TERMINAL | {Phase.PENDING}
UNSERVED_AFTER = timedelta(seconds=30)
"""An operator writes the first status of its jobs within seconds."""


def newer(version: str, than: str) -> bool:
    """Whether a resource version is newer than another; versions that are not numbers, if they differ."""
    if version.isdigit() and than.isdigit():
        return int(version) > int(than)
    return version != than


class Cache:
    """Jobs by key, attempts by the identity of their job. An older version never replaces a newer one."""

    def __init__(self) -> None:
        self._jobs: dict[Key, ImageJob] = {}
        self._foreign: set[str] = set()
        """Uids of jobs that other installations serve."""
        self._unserved: dict[str, ImageJob] = {}
        """Those of them without a status, by uid."""
        self._active: set[Identity] = set()
        """Jobs whose run has not ended."""
        self._attempts: dict[Identity, dict[str, Attempt]] = {}
        self._delivered: set[str] = set()
        self._stop_refused: dict[str, Refusal] = {}
        """By the uid of the attempt."""

    def job(self, key: Key) -> ImageJob | None:
        """The job as last seen."""
        return self._jobs.get(key)

    def has_begun(self, key: Key) -> bool:
        """Whether the run of a job has begun and not ended, or the job is being deleted."""
        job = self._jobs.get(key)
        return job is not None and (job.deleted_at is not None or job.status.at not in _NOT_BEGUN)

    def jobs(self) -> Iterable[ImageJob]:
        """All jobs."""
        return list(self._jobs.values())

    def ignore_job(self, uid: str, gone: bool = False) -> None:
        """Another installation serves the job; or that job is gone."""
        if gone:
            self._foreign.discard(uid)
            self._unserved.pop(uid, None)
        else:
            self._foreign.add(uid)

    def put_foreign(self, job: ImageJob) -> None:
        """A job that another installation serves, if it has a status."""
        if job.status.phase or job.deleted_at:
            self._unserved.pop(job.uid, None)
        else:
            self._unserved[job.uid] = job

    def unserved(self, now: datetime) -> list[ImageJob]:
        """Jobs of other classes that have had no status for long: it seems that no operator has the class."""
        return [job for job in self._unserved.values() if now - (job.created_at or now) >= UNSERVED_AFTER]

    def seen(self) -> set[str]:
        """The uids of all jobs that were seen, including those of other installations."""
        return self._foreign | {job.uid for job in self._jobs.values()}

    def put_job(self, job: ImageJob) -> bool:
        """Store a job; whether it is newer than the stored one."""
        known = self._jobs.get(job.key)
        if known:
            if (known.uid, known.resource_version) == (job.uid, job.resource_version):
                return False
            # Versions grow across objects: a late event of a deleted job is older than its successor.
            if not newer(job.resource_version, known.resource_version):
                return False
            if known.uid != job.uid:
                self.drop_job(known.key, known.uid)
        self._jobs[job.key] = job
        if job.status.at in TERMINAL:
            self._active.discard(job.identity)
            self._forget_gone(job.identity)
        else:
            self._active.add(job.identity)
        return True

    def drop_job(self, key: Key, uid: str) -> None:
        """The job is gone."""
        self.ignore_job(uid, gone=True)
        known = self._jobs.get(key)
        if known and known.uid == uid:
            del self._jobs[key]
            self._active.discard(known.identity)
            for attempt in self._attempts.pop(known.identity, {}).values():
                self._forget_facts(attempt)

    def attempts(self, job: Identity) -> tuple[Attempt, ...]:
        """The attempts of a job, by name."""
        found = self._attempts.get(job, {})
        return tuple(
            replace(
                a,
                order_delivered=a.state is not State.WAITING or a.uid in self._delivered,
                stop_refused=self._stop_refused.get(a.uid),
            )
            for _, a in sorted(found.items())
        )

    def all_attempts(self) -> Iterable[tuple[Identity, Attempt]]:
        """Every attempt that is not gone, with its job."""
        return [
            (job, attempt)
            for job, found in self._attempts.items()
            for attempt in found.values()
            if not attempt.gone
        ]

    def put_attempt(self, job: Identity, attempt: Attempt) -> Attempt | None:
        """Store an attempt; one that is gone does not come back. Its last known state, if there is one."""
        found = self._attempts.setdefault(job, {})
        known = found.get(attempt.name)
        if known and known.uid != attempt.uid:
            self._forget_facts(known)
        if known is None or known.uid != attempt.uid:
            found[attempt.name] = attempt
            return None
        if not known.gone:
            found[attempt.name] = attempt
        return known

    def drop_attempt(self, job: Identity, attempt: Attempt) -> None:
        """The attempt is gone; how it ended is kept, because no reconcile may have seen it."""
        known = self._attempts.get(job, {}).get(attempt.name)
        if known and known.uid == attempt.uid:
            self._attempts[job][attempt.name] = as_gone(attempt)
            self._forget_facts(attempt)
        if job not in self._active:
            self._forget_gone(job)

    def _forget_gone(self, job: Identity) -> None:
        """No reconcile needs attempts that are gone: the run has ended, or the job is gone."""
        found = {name: a for name, a in self._attempts.get(job, {}).items() if not a.gone}
        self._attempts.pop(job, None)
        if found:
            self._attempts[job] = found

    def stopping(self, job: Identity, attempt: Attempt) -> None:
        """The attempt is being deleted, unless it is gone already."""
        known = self._attempts.get(job, {}).get(attempt.name)
        if known and known.uid == attempt.uid and not known.gone:
            self._attempts[job][attempt.name] = replace(known, deleting=True)
            self._stop_refused.pop(attempt.uid, None)

    def stop_refused(self, job: Identity, attempt: Attempt, why: str, now: datetime) -> None:
        """The API server did not delete the attempt, unless it is gone already."""
        known = self._attempts.get(job, {}).get(attempt.name)
        if known and known.uid == attempt.uid and not known.gone:
            before = self._stop_refused.get(attempt.uid)
            since = before.since if before else now
            pause = min(MAX_STOP_PAUSE, max(MIN_STOP_PAUSE, now - since))
            problem = Problem(Reason.POD_REJECTED, why)
            self._stop_refused[attempt.uid] = Refusal(problem, since, now + pause)

    def _forget_facts(self, attempt: Attempt) -> None:
        """The attempt is gone: forget what is known only in this process."""
        self._delivered.discard(attempt.uid)
        self._stop_refused.pop(attempt.uid, None)

    def delivered(self, job: Identity, attempt: Attempt) -> None:
        """The attempt has its order, unless it is gone already."""
        known = self._attempts.get(job, {}).get(attempt.name)
        if known and known.uid == attempt.uid and not known.gone:
            self._delivered.add(attempt.uid)
