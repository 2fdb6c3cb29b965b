"""What a run has made: its report, and the stores with its sources and outputs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from imagejob.bucket import Objects, StoredObject
from imagejob.errors import Conflict, Suggestion
from imagejob.job import ImageJob

if TYPE_CHECKING:
    from imagejob_operator.documents.report import Report

Open = Callable[[str], Objects]
"""Opens the store of an ImageStore by its name, or the operator's own for an empty name."""


@dataclass(frozen=True, slots=True)
class Results:
    """A run that has a report."""

    job: ImageJob
    report: Report
    sources: Objects
    outputs: Objects

    def published(self) -> list[StoredObject]:
        """The objects of all outputs."""
        return [
            StoredObject(output.key, output.bytes, output.etag.strip('"'))
            for item in self.report.items
            for output in item.outputs
        ]


def results_of(job: ImageJob, open_store: Open) -> Results:
    """Read the report of the current run.

    Raises:
        Conflict: The run has no report: it has not finished, or nothing of it was staged.
        StoreFailed: The report cannot be read.
    """
    key = job.status.report
    if job.phase == "Suspended":
        resume = Suggestion(("resume", job.name), job.namespace)
        raise Conflict(
            f"ImageJob {job.name!r} has no results yet: it is suspended; to start it: {resume}"
        ).suggesting(resume)
    if not job.finished:
        watch = Suggestion(("watch", job.name), job.namespace)
        raise Conflict(
            f"run {job.run.id or '1'!r} of ImageJob {job.name!r} has no results yet: its phase is "
            f"{job.phase}; wait for it: {watch}"
        ).suggesting(watch)
    if not key:
        cause = f"{job.error.code} {job.error.reason}: {job.error.message}" if job.error else job.phase
        raise Conflict(f"run {job.run.id!r} of ImageJob {job.name!r} has no results: {cause}")
    named = str((job.spec.get("storeRef") or {}).get("name", ""))
    other = str(((job.spec.get("destination") or {}).get("storeRef") or {}).get("name", ""))
    sources = open_store(named)
    report = sources.report(key)
    return Results(job, report, sources, open_store(other) if other and other != named else sources)
