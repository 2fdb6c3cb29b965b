"""Failing and Cancelling: first the intent is written, then staging and attempts are removed."""

from __future__ import annotations

import msgspec

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import Status, error_status
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.operation import Clean
from imagejob_operator.decision.phases.cleaning import clean_within_budget, stop_live
from imagejob_operator.decision.phases.terminal import finish_run, with_published
from imagejob_operator.decision.status_update import next_status


def abort_run(o: Observation, failure: Failure, status: Status | None = None) -> Decision:
    """Write the intent and the first cause; nothing is removed before that is recorded.

    A validation staged nothing, so it ends at once.
    """
    cancelled = failure.code is Code.CANCELLED
    status = status or o.job.status
    if status.at is Phase.VALIDATING:
        end = Phase.CANCELLED if cancelled else Phase.FAILED
        return finish_run(o, status, end, failure)
    phase = Phase.CANCELLING if cancelled else Phase.FAILING
    return Decision(
        next_status(o, msgspec.structs.replace(status, phase=phase.value, error=error_status(failure)))
    )


def cancelled(run_id: str) -> Failure:
    """A run that spec.cancelRunID names."""
    return Failure(Code.CANCELLED, Reason.CANCELLED, f"spec.cancelRunID is {run_id!r}, the id of this run")


def rejected(o: Observation) -> Failure:
    """A job on which the API server does not accept the finalizer."""
    text = f"the API server rejects the ImageJob as it is: {o.rejected}; fix it and apply it again"
    return Failure(Code.CREATION, Reason.INVALID_SPEC, text)


def decide_compensation(o: Observation) -> Decision:
    """Attempts end and staging is emptied, then the terminal phase is written."""
    status = o.job.status
    target = Phase.FAILED if status.at is Phase.FAILING else Phase.CANCELLED
    operation = Clean((status.staging.prefix,) if status.staging else (), report=o.report_key)
    cleaning = clean_within_budget(o, operation, status.phase_since or o.now)
    if cleaning.done:
        if committed := cleaning.done.committed:
            status = with_published(status, committed, operation.report)
            return finish_run(o, status, Phase.SUCCEEDED, cleaned=True)
        status = msgspec.structs.replace(status, report=operation.report)
        return finish_run(o, status, target, cleaned=True)
    if cleaning.deferral:
        return finish_run(o, status, target, cleaned=cleaning.deferral.message)
    return Decision(next_status(o, status), stop_live(o), cleaning.operation, cleaning.requeue_at)
