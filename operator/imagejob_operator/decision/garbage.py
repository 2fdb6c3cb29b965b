"""What the garbage collector may delete: decided by owner, age, and the URLs signed for the staging.

The status that names a run is written before the first byte of its staging, and run numbers and epochs only
grow. So an owner that is read *after* the staging was listed is conclusive: a deleted owner does not return,
a past run does not become current again, an ended run is not resumed, and a suspended run resumes in another
epoch. Everything that does not match exactly is left alone.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import msgspec

from imagejob_operator.api.phase import TERMINAL, Phase
from imagejob_operator.documents.staging import read_manifest
from imagejob_operator.naming.names import FINALIZER, RUN_UID_LENGTH
from imagejob_operator.naming.prefixes import job_staging_prefix, own_staging_prefix, staging_prefix

SHORTEST_AGE = timedelta(hours=1)
"""Younger garbage, by its newest object and the store's clock, is left for a later sweep."""

LONGEST_URLS = timedelta(days=7)
"""S3's limit on a signed URL, assumed where the manifest does not say when the last one expires."""

_NAMESPACE = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_UID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_COUNT = r"[1-9][0-9]{0,9}"
_JOB = re.compile(f"({_NAMESPACE})/({_UID})/")
_RUN = re.compile(f"({_COUNT})-({_COUNT})(?:-([0-9a-f]{{{RUN_UID_LENGTH}}}))?/")


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
    uid: str = ""

    @property
    def prefix(self) -> str:
        """The folder, with its '/'."""
        job = self.job
        return staging_prefix(job.staging_folder, job.namespace, job.uid, self.number, self.epoch, self.uid)


def clock_key(staging_folder: str) -> str:
    """The object that a sweep writes to read the store's clock; no namespace has a dot in its name."""
    return f"{own_staging_prefix(staging_folder)}clock.txt"


def parse_job_folder(staging_folder: str, folder: str) -> StagedJob | None:
    """The job of a folder; None if this installation would not have written it."""
    root = own_staging_prefix(staging_folder)
    found = _JOB.fullmatch(folder.removeprefix(root)) if folder.startswith(root) else None
    return StagedJob(staging_folder, found[1], found[2]) if found else None


def parse_run_key(job: StagedJob, key: str) -> StagedRun | None:
    """The run of an object; None if this installation would not have written it."""
    found = _RUN.match(key, len(job.prefix)) if key.startswith(job.prefix) else None
    return StagedRun(job, int(found[1]), int(found[2]), found[3] or "") if found else None


@dataclass(frozen=True, slots=True)
class Contents:
    """What a folder contains."""

    objects: int
    bytes: int
    newest: datetime

    def plus(self, size: int, modified_at: datetime) -> Contents:
        """The contents with one more object."""
        return Contents(self.objects + 1, self.bytes + size, max(self.newest, modified_at))


@dataclass(frozen=True, slots=True)
class Owner:
    """The state of an ImageJob, as far as its staging depends on it."""

    number: int
    epoch: int
    phase: str = ""
    run_uid: str = ""
    released: bool = False
    """It is being deleted and has no finalizer of ours: no run of it will continue."""
    known: bool = True

    @property
    def done_with(self) -> bool:
        """Whether its current staging is never used again: its run has ended, or resumes in another epoch."""
        return self.phase in TERMINAL or self.phase == Phase.SUSPENDED

    @property
    def between_runs(self) -> bool:
        """Whether its recorded run is over and the next one has not started."""
        return self.phase in ("", Phase.PENDING) or (self.phase == Phase.SUSPENDED and self.epoch == 0)


UNKNOWN_OWNER = Owner(0, 0, known=False)
"""An owner that cannot be determined, so nothing may be deleted."""


def read_owner(body: Mapping[str, Any]) -> Owner:
    """Parse the owner from the body of an ImageJob; unknown if its status is not one that we wrote."""
    metadata = body["metadata"]
    released = "deletionTimestamp" in metadata and FINALIZER not in metadata.get("finalizers", ())
    try:
        status = body.get("status") or {}
        run = status.get("run") or {}
        number = msgspec.convert(run.get("number", 0), int)
        epoch = msgspec.convert(run.get("epoch", 0), int)
        run_uid = msgspec.convert(run.get("uid", ""), str)
        phase = msgspec.convert(status.get("phase", ""), str)
    except (msgspec.ValidationError, AttributeError):
        return UNKNOWN_OWNER
    return Owner(number, epoch, phase, run_uid, released)


class Verdict(enum.StrEnum):
    """What is known about a folder of staging."""

    GONE = "its ImageJob no longer exists"
    PAST = "another run or epoch of its ImageJob is current"
    ENDED = "its run has ended or is suspended"
    CURRENT = "its run is active"
    AHEAD = "it belongs to a later run than the status of its ImageJob: the status was reset or restored"
    UNKNOWN = "its ImageJob is unknown: another namespace, or a status that this operator did not write"
    YOUNG = "it was written to within the last hour"
    URLS = "an unexpired presigned URL may still be used to write to it"


GARBAGE = frozenset({Verdict.GONE, Verdict.PAST, Verdict.ENDED})
WAITING = frozenset({Verdict.YOUNG, Verdict.URLS})
"""Garbage that is too young to delete."""


def judge_owner(run: StagedRun, owner: Owner | None) -> Verdict:
    """The verdict by the owner alone; None is an owner that is known to be gone."""
    if owner is None:
        return Verdict.GONE
    if not owner.known:
        return Verdict.UNKNOWN
    if owner.released:
        return Verdict.ENDED
    if (run.number, run.epoch, run.uid) == (owner.number, owner.epoch, owner.run_uid):
        return Verdict.ENDED if owner.done_with else Verdict.CURRENT
    over = run.number == owner.number and owner.between_runs
    return Verdict.PAST if over or (run.number, run.epoch) < (owner.number, owner.epoch) else Verdict.AHEAD


def judge(
    run: StagedRun,
    contents: Contents,
    owner: Owner | None,
    clock: datetime,
    urls_until: datetime | None,
) -> Verdict:
    """Judge one folder by its contents, the owner that was read after them, and the store's clock.

    `owner` is None if it is known to be gone, `urls_until` if no URL was signed for the folder.
    """
    verdict = judge_owner(run, owner)
    if verdict not in GARBAGE:
        return verdict
    if clock - contents.newest <= SHORTEST_AGE:
        return Verdict.YOUNG
    if urls_until is not None and clock <= urls_until:
        return Verdict.URLS
    return verdict


def urls_end(manifest: bytes | None, newest: datetime) -> datetime | None:
    """When the last URL signed for a folder expires.

    URLs are only signed after the manifest was written, so a folder without one has none. For a manifest that
    cannot be read, S3's limit counts from the newest object, because an order is written with every such URL.
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
    """One folder and its verdict."""

    run: StagedRun
    contents: Contents
    verdict: Verdict
    deleted: bool = False

    @property
    def due(self) -> bool:
        """Whether it is garbage that is still there."""
        return self.verdict in GARBAGE and not self.deleted


@dataclass(frozen=True, slots=True)
class Orphans:
    """What a sweep left: garbage that is due, garbage that is too young, and what it does not touch."""

    jobs: int = 0
    """Folders of ImageJobs, also those that are not garbage."""
    prefixes: int = 0
    objects: int = 0
    bytes: int = 0
    oldest: timedelta = timedelta(0)
    waiting: int = 0
    unknown: int = 0
    """Objects and folders in our own folder that this operator did not write."""
    foreign: int = 0
    """Folders of other clusters and installations."""
    installations: tuple[str, ...] = ()
    """The other installations in this cluster among them."""

    @property
    def clean(self) -> bool:
        """Whether our own folder is empty."""
        return not self.jobs and not self.unknown


def count_orphans(findings: Iterable[Finding], clock: datetime) -> Orphans:
    """Count the garbage that a sweep left."""
    found = list(findings)
    due = [finding for finding in found if finding.due]
    return Orphans(
        prefixes=len(due),
        objects=sum(finding.contents.objects for finding in due),
        bytes=sum(finding.contents.bytes for finding in due),
        oldest=max((clock - finding.contents.newest for finding in due), default=timedelta(0)),
        waiting=sum(finding.contents.objects for finding in found if finding.verdict in WAITING),
    )


def total(pages: Iterable[Orphans]) -> Orphans:
    """The sum over the pages of a sweep."""
    left = list(pages)
    counts = {field.name for field in fields(Orphans)} - {"oldest", "installations"}
    sums = {name: sum(getattr(page, name) for page in left) for name in counts}
    return Orphans(**sums, oldest=max((page.oldest for page in left), default=timedelta(0)))
