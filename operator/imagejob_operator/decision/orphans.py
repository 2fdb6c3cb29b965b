"""What the garbage collector may delete: decided by owner, age, and the URLs signed for the staging.

Theory of operation. The status that names a run is written before the first byte of the run's staging, and
numbers and epochs never go back. So whatever was known of the owner *after* the staging was listed is the
last word on it: an owner that is gone does not come back, a run that is past does not become current again,
a run that has ended is not worked on again, and one that was suspended goes on in another epoch. Everything
that does not fit exactly is left alone.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec

from imagejob_operator.api.phase import TERMINAL, Phase
from imagejob_operator.documents.staging import read_manifest
from imagejob_operator.naming.names import FINALIZER
from imagejob_operator.naming.prefixes import job_staging_prefix, own_staging_prefix, staging_prefix

SHORTEST_AGE = timedelta(hours=1)
"""Garbage whose newest object is not older than this, by the store's clock, is left for later."""

LONGEST_URLS = timedelta(days=7)
"""S3's own limit on a signed URL: what counts where nobody wrote down when the last one ends."""

_NAMESPACE = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_UID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_COUNT = r"[1-9][0-9]{0,9}"
_JOB = re.compile(f"({_NAMESPACE})/({_UID})/")
_RUN = re.compile(f"({_COUNT})-({_COUNT})/")


class Mode(enum.StrEnum):
    """What the garbage collector does with what it finds."""

    DELETE = "Delete"
    REPORT = "Report"
    OFF = "Off"


@dataclass(frozen=True, slots=True)
class StagedJob:
    """The folder of one ImageJob in the staging of one installation in one cluster."""

    staging_folder: str
    namespace: str
    uid: str

    @property
    def prefix(self) -> str:
        """The folder, with its '/'."""
        return job_staging_prefix(self.staging_folder, self.namespace, self.uid)


@dataclass(frozen=True, slots=True)
class StagedRun:
    """The folder of one epoch of one run."""

    job: StagedJob
    number: int
    epoch: int

    @property
    def prefix(self) -> str:
        """The folder, with its '/'."""
        job = self.job
        return staging_prefix(job.staging_folder, job.namespace, job.uid, self.number, self.epoch)


def clock_key(staging_folder: str) -> str:
    """The object by which a sweep learns the time of the store; no namespace has a dot in its name."""
    return f"{own_staging_prefix(staging_folder)}clock.txt"


def parse_job_folder(staging_folder: str, folder: str) -> StagedJob | None:
    """The job whose folder this is; None for whatever this installation would not have written."""
    root = own_staging_prefix(staging_folder)
    found = _JOB.fullmatch(folder.removeprefix(root)) if folder.startswith(root) else None
    return StagedJob(staging_folder, found[1], found[2]) if found else None


def parse_run_key(job: StagedJob, key: str) -> StagedRun | None:
    """The run in whose folder an object lies; None for whatever we would not have written."""
    found = _RUN.match(key, len(job.prefix)) if key.startswith(job.prefix) else None
    return StagedRun(job, int(found[1]), int(found[2])) if found else None


@dataclass(frozen=True, slots=True)
class Contents:
    """What lies in a folder."""

    objects: int
    bytes: int
    newest: datetime

    def plus(self, size: int, modified_at: datetime) -> Contents:
        """The contents with one more object."""
        return Contents(self.objects + 1, self.bytes + size, max(self.newest, modified_at))


@dataclass(frozen=True, slots=True)
class Owner:
    """An ImageJob as far as its staging goes."""

    number: int
    epoch: int
    phase: str = ""
    released: bool = False
    """Being deleted, and without our finalizer: nobody will ever work on it again."""

    @property
    def done_with(self) -> bool:
        """Whether its current staging is never used again: its run has ended, or goes on in another one."""
        return self.phase in TERMINAL or self.phase == Phase.SUSPENDED

    @property
    def between_runs(self) -> bool:
        """Whether its recorded run is over and the next one has not begun."""
        return self.phase in ("", Phase.PENDING) or (self.phase == Phase.SUSPENDED and self.epoch == 0)


class Unknown(enum.Enum):
    """Stands for an owner that cannot be known, so that nothing follows from it."""

    UNKNOWN = "unknown"


def read_owner(body: Mapping[str, Any]) -> Owner | Unknown:
    """Read the owner from the body of an ImageJob; a status that is not ours tells nothing."""
    metadata = body["metadata"]
    released = "deletionTimestamp" in metadata and FINALIZER not in metadata.get("finalizers", ())
    try:
        status = body.get("status") or {}
        run = status.get("run") or {}
        number = msgspec.convert(run.get("number", 0), int, strict=True)
        epoch = msgspec.convert(run.get("epoch", 0), int, strict=True)
        phase = msgspec.convert(status.get("phase", ""), str, strict=True)
    except (msgspec.ValidationError, AttributeError):
        return Unknown.UNKNOWN
    return Owner(number, epoch, phase, released)


class Why(enum.StrEnum):
    """The reason of a verdict."""

    GONE = "no ImageJob has its uid any more"
    PAST = "another run or epoch of its ImageJob is current"
    ENDED = "its run has ended or is suspended"
    CURRENT = "its run is under way"
    AHEAD = "its ImageJob has not come to that run yet: the status was set back"
    UNKNOWN = "its ImageJob cannot be known: another namespace, or a status that is not ours"
    YOUNG = "something was written to it within the hour"
    URLS = "a signed URL may still write to it"


GARBAGE = frozenset({Why.GONE, Why.PAST, Why.ENDED})
WAITING = frozenset({Why.YOUNG, Why.URLS})
"""Garbage already, but it is not yet time."""


def judge_owner(run: StagedRun, owner: Owner | Unknown | None) -> Why:
    """What follows from the owner alone; None is an owner that is known to be gone."""
    if owner is None:
        return Why.GONE
    if isinstance(owner, Unknown):
        return Why.UNKNOWN
    if owner.released:
        return Why.ENDED
    if (run.number, run.epoch) == (owner.number, owner.epoch):
        return Why.ENDED if owner.done_with else Why.CURRENT
    over = run.number == owner.number and owner.between_runs
    return Why.PAST if over or (run.number, run.epoch) < (owner.number, owner.epoch) else Why.AHEAD


def judge(
    run: StagedRun,
    contents: Contents,
    owner: Owner | Unknown | None,
    clock: datetime,
    urls_until: datetime | None,
) -> Why:
    """Judge one folder; garbage if the answer is in `GARBAGE`.

    Args:
        run: whose folder.
        contents: what was listed in it, before the owner was looked at.
        owner: the owner as it was after that; None if it is known to be gone.
        clock: the time by the store's own clock.
        urls_until: when the last URL signed for it ends; None if none ever was.
    """
    why = judge_owner(run, owner)
    if why not in GARBAGE:
        return why
    if clock - contents.newest <= SHORTEST_AGE:
        return Why.YOUNG
    if urls_until is not None and clock <= urls_until:
        return Why.URLS
    return why


def urls_end(manifest: bytes | None, newest: datetime) -> datetime | None:
    """When the last URL that was signed for a folder ends.

    Orders, and with them URLs, are only made from a manifest that is there, so a folder without one never
    had any. One that cannot be read tells nothing: then S3's own limit counts from the newest object, since
    an order is written whenever URLs for writing are signed.
    """
    if manifest is None:
        return None
    try:
        until = read_manifest(manifest).urls_until
    except (msgspec.ValidationError, msgspec.DecodeError):
        until = None
    return until if until is not None and until.tzinfo is not None else newest + LONGEST_URLS


@dataclass(frozen=True, slots=True)
class Finding:
    """One folder after its verdict."""

    run: StagedRun
    contents: Contents
    why: Why
    deleted: bool = False

    @property
    def due(self) -> bool:
        """Garbage that is still there."""
        return self.why in GARBAGE and not self.deleted


@dataclass(frozen=True, slots=True)
class Orphans:
    """What a sweep left: garbage that is due, garbage that waits, and what it does not touch."""

    jobs: int = 0
    """Folders of ImageJobs, whatever is in them."""
    prefixes: int = 0
    objects: int = 0
    bytes: int = 0
    oldest: timedelta = timedelta(0)
    waiting: int = 0
    unknown: int = 0
    """What lies in the own folder and was not written by this operator."""
    foreign: int = 0
    """Folders of other clusters and installations."""

    @property
    def clean(self) -> bool:
        """Whether the sweep found nothing at all in the own folder."""
        return not self.jobs and not self.unknown


def count_orphans(findings: Iterable[Finding], clock: datetime) -> Orphans:
    """Sum up the garbage that a sweep left."""
    found = list(findings)
    due = [finding for finding in found if finding.due]
    return Orphans(
        prefixes=len(due),
        objects=sum(finding.contents.objects for finding in due),
        bytes=sum(finding.contents.bytes for finding in due),
        oldest=max((clock - finding.contents.newest for finding in due), default=timedelta(0)),
        waiting=sum(finding.contents.objects for finding in found if finding.why in WAITING),
    )


def total(sweeps: Iterable[Orphans]) -> Orphans:
    """The sum over all stores."""
    left = list(sweeps)
    return Orphans(
        jobs=sum(one.jobs for one in left),
        prefixes=sum(one.prefixes for one in left),
        objects=sum(one.objects for one in left),
        bytes=sum(one.bytes for one in left),
        oldest=max((one.oldest for one in left), default=timedelta(0)),
        waiting=sum(one.waiting for one in left),
        unknown=sum(one.unknown for one in left),
        foreign=sum(one.foreign for one in left),
    )
