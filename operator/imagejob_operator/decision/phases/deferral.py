"""Why a cleaning is deferred: what is counted, and what the condition and the Event say."""

from __future__ import annotations

from dataclasses import dataclass

from imagejob_operator.api.errors import Reason
from imagejob_operator.decision.observation import Observation
from imagejob_operator.decision.operation import Progress, last_failure
from imagejob_operator.naming.prefixes import job_staging_prefix

CLOSED = (Reason.STORE_NOT_FOUND, Reason.STORE_NOT_READY)
"""The operator has no credentials for the store: its ImageStore is gone, or cannot be used."""
DEFERRALS = (*CLOSED, Reason.ACCESS_DENIED, Reason.STORE_UNAVAILABLE, Reason.DEADLINE_EXCEEDED)
"""All reasons; the last one is that cleaning took longer than its budget."""


@dataclass(frozen=True, slots=True)
class Deferral:
    """Why the staging of a run could not be emptied."""

    reason: Reason
    message: str


def deferral(o: Observation, progress: Progress | None) -> Deferral:
    """Why the staging of a job could not be emptied within the cleaning budget."""
    failure = last_failure(progress)
    if failure is None:
        text = "staging could not be emptied within the cleaning budget"
        return Deferral(Reason.DEADLINE_EXCEEDED, text)
    if failure.reason in CLOSED:
        return Deferral(
            failure.reason, f"{failure.message}, so {_left(o)} cannot be deleted; {_advice(failure.reason)}"
        )
    text = f"staging could not be emptied within the cleaning budget: {failure.message}"
    return Deferral(failure.reason, text)


def _left(o: Observation) -> str:
    """What is left behind, and where."""
    status, run = o.job.status, o.job.status.run
    count = status.staging.objects if status.staging else 0
    location = run.store.location if run and run.store else ""
    prefix = job_staging_prefix(o.policy.staging_folder, o.job.key.namespace, o.job.uid)
    return f"{count or 'the'} staged objects below {location}{prefix}"


def _advice(reason: Reason) -> str:
    first = "recreate it" if reason is Reason.STORE_NOT_FOUND else "correct it"
    return f"{first}, or delete the objects, or rely on a lifecycle rule"
