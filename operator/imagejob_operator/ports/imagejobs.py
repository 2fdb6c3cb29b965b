"""ImageJobs on the API server: writes on the resource itself, Events about it, and its namespace."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.status import Status
from imagejob_operator.decision.action import RecordEvent


class JobsError(Exception):
    """Base of all errors of the API server."""


class Conflict(JobsError):
    """The job has changed since it was seen: look again."""


class Gone(JobsError):
    """There is no such job any more."""


class Rejected(JobsError):
    """The API server refuses what we wrote: our fault, never the user's."""


class Unavailable(JobsError):
    """No answer, too many requests, or a 5xx; try again after `retry_after` seconds if it says so."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Jobs(Protocol):
    """Every write names the resource version it rests on; every call ends within a bounded time."""

    async def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        """The labels of a namespace; Gone if there is none."""
        ...

    async def add_finalizer(self, job: ImageJob) -> ImageJob:
        """Put our finalizer on the job; the job as it is then."""
        ...

    async def remove_finalizer(self, job: ImageJob) -> ImageJob | None:
        """Take our finalizer off; None if that was the end of the job."""
        ...

    async def write_status(self, job: ImageJob, status: Status) -> ImageJob:
        """Write the difference between the job's status and `status`; the job as it is then."""
        ...

    async def record_event(self, job: ImageJob, event: RecordEvent) -> None:
        """Write an Event about the job, once."""
        ...

    async def delete(self, job: ImageJob) -> None:
        """Delete exactly this job."""
        ...
