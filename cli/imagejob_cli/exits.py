"""Exit codes: 0, 1 failed or cancelled, 2 usage, 3 cluster or timeout, 4 no such ImageJob (JOB_004)."""

from __future__ import annotations

from imagejob.errors import Conflict, FileFailed, ImageJobError, Invalid, NotFound, RunFailed
from imagejob.job import ImageJob
from imagejob_cli import INTERRUPTED as INTERRUPTED

FAILED, USAGE, CLUSTER, NOT_FOUND, BUG = 1, 2, 3, 4, 70

_CODES: dict[type[ImageJobError], int] = {
    RunFailed: FAILED,
    FileFailed: FAILED,
    Invalid: USAGE,
    Conflict: USAGE,
    NotFound: NOT_FOUND,
}


def of_error(error: ImageJobError) -> int:
    """The exit code of an error."""
    return _CODES.get(type(error), CLUSTER)


def of_job(job: ImageJob) -> int:
    """The exit code of a job: 1 if its run has finished without success."""
    return FAILED if job.succeeded is False else 0
