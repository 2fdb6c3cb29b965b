"""Whether a run was published before, by an ImageJob of the same name that is gone."""

from __future__ import annotations

from imagejob_operator.core.content import spec_hash
from imagejob_operator.core.effort import Recalled
from imagejob_operator.core.job import ImageJob
from imagejob_operator.core.report import Report
from imagejob_operator.core.spec import Spec
from imagejob_operator.core.status import ItemCounts
from imagejob_operator.loop.reports import recent_reports
from imagejob_operator.ports.object_store import ObjectStore


async def recall(store: ObjectStore, job: ImageJob, spec: Spec) -> Recalled | None:
    """The report of a success of this name, run id and spec, if another object than this one left it.

    Only the first run of an object asks: whoever has run before knows what it has done.

    Raises:
        StoreError: when the store fails.
    """
    run = job.status.run
    if run is None or run.number != 1:
        return None
    wanted = (run.id, spec_hash(spec))
    async for key, report in recent_reports(store, job.key):
        same = (report.run_id, report.spec_hash) == wanted and report.uid != job.uid
        if same and report.outcome == "Succeeded" and not report.checks:
            return Recalled(key, _counts(report), report.objects, report.bytes)
    return None


def _counts(report: Report) -> ItemCounts:
    failed = sum(item.error is not None for item in report.items)
    skipped = sum(item.skipped for item in report.items)
    total = len(report.items)
    return ItemCounts(total, total - failed - skipped, failed, skipped)
