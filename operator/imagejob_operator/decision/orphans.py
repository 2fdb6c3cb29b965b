"""What the garbage collector may delete: decided by owner, age, and the URLs signed for the staging.

The status that names a run is written before the first byte of its staging, and numbers and epochs never go
back. So the owner's state *after* the staging was listed is final for that staging: a deleted owner does not
come back, a past run does not become current, an ended run is not resumed, and a suspended one resumes in
another epoch. Anything that does not match exactly is left alone.
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
"""The least age of garbage: that of its newest object, by the store's clock."""

LONGEST_URLS = timedelta(days=7)
"""S3's limit on a signed URL, for staging that does not record when its last URL expires."""

_NAMESPACE = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_UID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_COUNT = r"[1-9][0-9]{0,9}"
_JOB = re.compile(f"({_NAMESPACE})/({_UID})/")
_RUN = re.compile(f"({_COUNT})-({_COUNT})/")


class Mode(enum.StrEnum):
    """What the garbage collector does with garbage."""

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
    """The object by which a sweep reads the store's clock; no namespace has a dot in its name."""
    return f"{own_staging_prefix(staging_folder)}clock.txt"


def parse_job_folder(staging_folder: str, folder: str) -> StagedJob | None:
    """The job whose folder this is; None if this installation did not write it."""
    root = own_staging_prefix(staging_folder)
    found = _JOB.fullmatch(folder.removeprefix(root)) if folder.startswith(root) else None
    return StagedJob(staging_folder, found[1], found[2]) if found else None


def parse_run_key(job: StagedJob, key: str) -> StagedRun | None:
    """The run in whose folder an object is; None if this installation did not write it."""
    found = _RUN.match(key, len(job.prefix)) if key.startswith(job.prefix) else None
    return StagedRun(job, int(found[1]), int(found[2])) if found else None


@dataclass(frozen=True, slots=True)
class Contents:
    """The contents of a folder."""

    objects: int
    bytes: int
    newest: datetime

    def plus(self, size: int, modified_at: datetime) -> Contents:
        """The contents with one more object."""
        return Contents(self.objects + 1, self.bytes + size, max(self.newest, modified_at))


@dataclass(frozen=True, slots=True)
class Owner:
    """What the garbage collector needs to know of an ImageJob."""

    number: int
    epoch: int
    phase: str = ""
    released: bool = False
    """Being deleted, and without our finalizer: no operator works on it again."""

    @property
    def done_with(self) -> bool:
        """Whether its current staging is not used again: the run has ended, or resumes in another epoch."""
        return self.phase in TERMINAL or self.phase == Phase.SUSPENDED

    @property
    def between_runs(self) -> bool:
        """Whether its recorded run has ended and the next one has not started."""
        return self.phase in ("", Phase.PENDING) or (self.phase == Phase.SUSPENDED and self.epoch == 0)


class Unknown(enum.Enum):
    """An owner about which nothing is known, so its staging is left alone."""

    UNKNOWN = "unknown"


def read_owner(body: Mapping[str, Any]) -> Owner | Unknown:
    """Read the owner from the body of an ImageJob; Unknown if its status cannot be decoded."""
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
    """The verdict on a folder."""

    GONE = "no ImageJob has its uid"
    PAST = "another run or epoch of its ImageJob is current"
    ENDED = "its run has ended or is suspended"
    CURRENT = "its run is under way"
    AHEAD = "its ImageJob has not reached that run: the status was set back"
    UNKNOWN = "its ImageJob is in a namespace that is not watched, or its status cannot be decoded"
    YOUNG = "its newest object is less than an hour old"
    URLS = "a signed URL for it has not expired"


GARBAGE = frozenset({Why.GONE, Why.PAST, Why.ENDED})
WAITING = frozenset({Why.YOUNG, Why.URLS})
"""Garbage that may not be deleted yet."""


def judge_owner(run: StagedRun, owner: Owner | Unknown | None) -> Why:
    """The verdict by the owner alone; None is an owner that is known to be gone."""
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
    """The verdict on one folder.

    Args:
        run: the run of the folder.
        contents: its contents, listed before the owner was read.
        owner: the owner, read after that; None if it is known to be gone.
        clock: the time by the store's clock.
        urls_until: when the last URL signed for it expires; None if there was none.
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
    """When the last URL signed for a folder expires; None without a manifest, since URLs follow from it.

    If the manifest cannot be decoded, S3's limit counts from the newest object: an order is written whenever
    URLs for writing are signed.
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
    """One folder with its verdict."""

    run: StagedRun
    contents: Contents
    why: Why
    deleted: bool = False

    @property
    def due(self) -> bool:
        """Garbage that still exists and may be deleted."""
        return self.why in GARBAGE and not self.deleted


@dataclass(frozen=True, slots=True)
class Orphans:
    """What a sweep left: garbage that is due, garbage that waits, and what it must not delete."""

    jobs: int = 0
    """Folders of ImageJobs, also without garbage."""
    prefixes: int = 0
    objects: int = 0
    bytes: int = 0
    oldest: timedelta = timedelta(0)
    waiting: int = 0
    unknown: int = 0
    """Objects in the own folder that this operator did not write."""
    foreign: int = 0
    """Folders of other clusters and installations."""

    @property
    def clean(self) -> bool:
        """Whether the own folder is empty."""
        return not self.jobs and not self.unknown


_COUNTS = ("jobs", "prefixes", "objects", "bytes", "waiting", "unknown", "foreign")


def count_orphans(findings: Iterable[Finding], clock: datetime) -> Orphans:
    """Count the garbage that a sweep left."""
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
    sums = {name: sum(getattr(one, name) for one in left) for name in _COUNTS}
    return Orphans(**sums, oldest=max((one.oldest for one in left), default=timedelta(0)))
