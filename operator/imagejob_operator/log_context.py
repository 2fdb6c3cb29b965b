"""Fields of every line that is logged while an object is reconciled, or by an operation on it."""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType

from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.documents.run_trace import trace_id

NO_OBJECT: Mapping[str, str | int] = MappingProxyType({})
current_object: ContextVar[Mapping[str, str | int]] = ContextVar("current_object", default=NO_OBJECT)


def fields_of(job: ImageJob | None) -> Mapping[str, str | int]:
    """The job, its uid, and its run by id, number and trace; a job that has not run yet has no run.

    The trace is named also if none is sent: its id follows from the uid and the number.
    """
    if job is None:
        return NO_OBJECT
    named: dict[str, str | int] = {"job": str(job.key), "uid": job.uid}
    run = job.status.run
    if run is None:
        return named
    return named | {"run": run.id, "number": run.number, "trace_id": trace_id(job.uid, run.number).hex()}
