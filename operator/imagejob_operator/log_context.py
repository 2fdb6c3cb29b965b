"""Fields of every line that is logged while an object is reconciled, or by an operation on it."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType

from imagejob_operator.api.imagejob import ImageJob

NO_OBJECT: Mapping[str, str | int] = MappingProxyType({})
current_object: ContextVar[Mapping[str, str | int]] = ContextVar("current_object", default=NO_OBJECT)


def fields_of(job: ImageJob | None) -> Mapping[str, str | int]:
    """The job, its uid, and its run by id and number; a job that has not run yet has no run."""
    if job is None:
        return NO_OBJECT
    named: dict[str, str | int] = {"job": str(job.key), "uid": job.uid}
    run = job.status.run
    return named | {"run": run.id, "number": run.number} if run else named
