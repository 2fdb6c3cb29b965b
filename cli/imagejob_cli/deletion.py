"""The deletion of a job: what it waits for, and whether it hangs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from imagejob.job import ImageJob
from imagejob_cli.terminal import short
from imagejob_operator.api.errors import RUNBOOK
from imagejob_operator.naming.names import FINALIZER

HANGS_AFTER = timedelta(minutes=2)
"""Twice the default of the operator's cleaning budget, after which it ends a deletion."""
HANGS = f"{RUNBOOK}#a-deletion-hangs"


def hangs(job: ImageJob, now: datetime) -> bool:
    """Whether the operator should have ended the deletion of a job."""
    return waits_for_operator(job) and now - (job.deleted_at or now) >= HANGS_AFTER


def waits_for_operator(job: ImageJob) -> bool:
    """Whether a job is being deleted and still has the finalizer of an operator."""
    return job.deleted_at is not None and FINALIZER in job.finalizers


def deletion(job: ImageJob, now: datetime) -> str:
    """For how long a job is being deleted, and what that waits for; empty if it is not."""
    if job.deleted_at is None:
        return ""
    return f"being deleted for {short(now - job.deleted_at)}{_waits(job)}"


def undeleted(job: ImageJob) -> str:
    """The same without the time: a line that stays the same while nothing happens."""
    return f"being deleted{_waits(job)}" if job.deleted_at else ""


def _waits(job: ImageJob) -> str:
    waits = "; ".join(_causes(job))
    return f"; waits for {waits}" if waits else ""


def _causes(job: ImageJob) -> Iterator[str]:
    if waits_for_operator(job):
        note = job.waits_for if job.phase == "Deleting" else ""
        yield f"the operator, which removes the finalizer {FINALIZER}" + (f": {note}" if note else "")
    if others := [name for name in job.finalizers if name != FINALIZER]:
        plural = "s" if len(others) > 1 else ""
        yield f"other controllers, which remove the finalizer{plural} {', '.join(others)}"
