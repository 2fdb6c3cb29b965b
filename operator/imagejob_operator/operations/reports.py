"""Reads the reports of earlier runs, also of a deleted ImageJob with the same name."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob, Key
from imagejob_operator.documents.report import MAX_REPORT_BYTES, Report, read_report
from imagejob_operator.naming.prefixes import is_report, reports_prefix
from imagejob_operator.operations.concurrency import compute
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.ports.object_store import ObjectMissing, ObjectStore, StoredObject

MOST_LISTED = 10_000
"""Reports that are listed to find the newest."""
MOST_READ = 5


async def recent_reports(store: ObjectStore, key: Key) -> AsyncIterator[Report]:
    """The newest reports, newest first; reports that cannot be read are skipped."""
    found: list[StoredObject] = []
    async for stored in store.walk(reports_prefix(key.namespace, key.name)):
        if not is_report(stored.key):
            continue
        found.append(stored)
        if len(found) == MOST_LISTED:
            break
    for stored in sorted(found, key=lambda stored: stored.modified_at, reverse=True)[:MOST_READ]:
        if report := await _read(store, stored.key):
            yield report


async def committed_report(store: ObjectStore, job: ImageJob, key: str) -> Report | None:
    """The report of the current run, if it exists and says Succeeded."""
    report, run = await _read(store, key), job.status.run
    if report is None or run is None or report.outcome != "Succeeded":
        return None
    written_by = (report.uid, report.run_id, report.run, report.run_uid)
    return report if written_by == (job.uid, run.id, run.number, run.uid) else None


async def unpublished_before(store: ObjectStore, job: ImageJob) -> frozenset[str]:
    """Sources that the last run with items in its report did not publish.

    A failed run may have published items in part, so all of its items count. JOB_001 without such a report.
    """
    text = "spec.run.items is Failed, but no earlier run has a report with items"
    for past in job.status.history:
        if not past.report:
            continue
        report = await _read(store, past.report)
        if report is None:
            text = (
                f"spec.run.items is Failed, but the report of run {past.number} was not found at "
                f"{past.report!r}"
            )
            break
        if report.items:
            whole = report.outcome == "Succeeded"
            done = {item.source for item in report.items if item.skipped or (whole and item.outputs)}
            return frozenset(item.source for item in report.items if item.source not in done)
    text += "; set spec.run.items to All"
    raise OperationFailed(Failure(Code.CREATION, Reason.NO_PREVIOUS_REPORT, text))


async def _read(store: ObjectStore, key: str) -> Report | None:
    """The report at a key; None if it is missing or cannot be read."""
    try:
        return await compute(read_report, await store.read(key, MAX_REPORT_BYTES))
    except (ObjectMissing, msgspec.DecodeError):
        return None
