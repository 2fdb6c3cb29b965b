"""The CloudEvent of a run that has ended (https://cloudevents.io, version 1.0)."""

from __future__ import annotations

from typing import Any

from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import ItemCounts, OutputCounts, RunStatus
from imagejob_operator.naming.names import GROUP, PLURAL, VERSION

TYPES = {
    Phase.SUCCEEDED: "dev.imagejob.run.finished",
    Phase.FAILED: "dev.imagejob.run.failed",
    Phase.CANCELLED: "dev.imagejob.run.cancelled",
}


def event_id(job: ImageJob) -> str:
    """Identifies a run: the same id is the same event, sent again."""
    run = job.status.run or RunStatus()
    return f"{job.uid}-{run.number}"


def run_event(job: ImageJob) -> dict[str, Any]:
    """The event of the run that the status of an ImageJob shows as ended."""
    status, run = job.status, job.status.run or RunStatus()
    items, outputs, error = status.items or ItemCounts(), status.outputs or OutputCounts(), status.error
    return {
        "specversion": "1.0",
        "type": TYPES[status.at],
        "source": f"/apis/{GROUP}/{VERSION}/namespaces/{job.key.namespace}/{PLURAL}/{job.key.name}",
        "subject": str(job.key),
        "id": event_id(job),
        "time": run.finished_at.isoformat().replace("+00:00", "Z") if run.finished_at else None,
        "datacontenttype": "application/json",
        "data": {
            "namespace": job.key.namespace,
            "name": job.key.name,
            "uid": job.uid,
            "run": run.id,
            "number": run.number,
            "phase": status.phase,
            "outcome": run.outcome,
            "code": error.code if error else "",
            "reason": error.reason if error else "",
            "message": error.message if error else "",
            "items": {name: getattr(items, name) for name in ("total", "succeeded", "failed", "skipped")},
            "outputs": {"objects": outputs.objects, "bytes": outputs.bytes},
            "report": status.report,
        },
    }
