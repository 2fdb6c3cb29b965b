"""ImageJobs on the API server: writes, Events, and the namespace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from imagejob_operator.api.imagejob import ImageJob, whole_if_small
from imagejob_operator.api.status import Status
from imagejob_operator.decision.action import RecordEvent


class JobsError(Exception):
    """An error of the API server."""


class Conflict(JobsError):
    """The object has changed since it was read."""


class Gone(JobsError):
    """The object does not exist any more."""


class Rejected(JobsError):
    """The API server rejects the content of a write."""


class InvalidObject(Rejected):
    """The object does not satisfy its schema, and a write of anything else does not change that."""


class Unavailable(JobsError):
    """Every answer that waiting may change; `retry_after` is in seconds."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Forbidden(Unavailable):
    """The operator lacks a permission, a policy denies the write, or the API server has just started."""


def with_spec_of(job: ImageJob, found: ImageJob) -> ImageJob:
    """The job with the spec that was read now; Gone or Conflict if it is another one."""
    if found.uid != job.uid:
        raise Gone(f"{job.key} was deleted and created again")
    if found.generation != job.generation:
        raise Conflict(f"the spec of {job.key} has changed")
    return replace(job, spec=found.spec)


async def read_whole(jobs: Jobs, job: ImageJob) -> ImageJob:
    """The job with its whole spec, which is read only if it is large; see `Jobs.whole`."""
    return whole_if_small(job) or await jobs.whole(job)


class Jobs(Protocol):
    """Every write names the resource version that it is based on; every call ends within a bounded time."""

    async def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        """The labels of a namespace; Gone if it does not exist."""

    async def whole(self, job: ImageJob) -> ImageJob:
        """The job with its whole spec; Gone if it was deleted, Conflict if its spec has changed."""

    async def add_finalizer(self, job: ImageJob) -> ImageJob:
        """Add our finalizer; the job after it; InvalidObject if the schema does not admit the job."""

    async def remove_finalizer(self, job: ImageJob) -> ImageJob | None:
        """Remove our finalizer; None if the job is gone then."""

    async def write_status(self, job: ImageJob, status: Status) -> ImageJob:
        """Patch the job's status to `status`; the job after it."""

    async def record_event(self, job: ImageJob, event: RecordEvent) -> None:
        """Write an Event about the job unless it exists, or its count; a JobsError if it is refused."""

    async def delete(self, job: ImageJob) -> None:
        """Delete exactly this version of the job."""
