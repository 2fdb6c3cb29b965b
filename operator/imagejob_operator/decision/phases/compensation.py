"""Failing, Cancelling and deletion: the intent is recorded first, then staging and attempts are removed."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import Status, duration_text, error_status
from imagejob_operator.decision.action import RecordEvent
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.operation import Clean, last_failure
from imagejob_operator.decision.phases.cleaning import Cleaning, clean_within_budget, stop_live
from imagejob_operator.decision.phases.terminal import finish_run, release, with_published
from imagejob_operator.decision.status_update import STORE_AWAY, next_status, undeleted


def abort_run(o: Observation, failure: Failure, status: Status | None = None) -> Decision:
    """Record the intent and the first cause before anything is removed; a validation ends at once."""
    cancelled = failure.code is Code.CANCELLED
    status = status or o.job.status
    if status.at is Phase.VALIDATING:
        end = Phase.CANCELLED if cancelled else Phase.FAILED
        return finish_run(o, status, end, failure)
    phase = Phase.CANCELLING if cancelled else Phase.FAILING
    wanted = msgspec.structs.replace(status, phase=phase.value, error=error_status(failure))
    return Decision(next_status(o, wanted))


def cancelled(run_id: str) -> Failure:
    """A run that spec.cancelRunID names."""
    return Failure(Code.CANCELLED, Reason.CANCELLED, f"spec.cancelRunID is {run_id!r}, the id of this run")


def finalizer_failure(o: Observation) -> Failure | None:
    """Why the run cannot have its finalizer; None while that may still change."""
    refused = o.finalizer_refused
    if refused is None:
        return None
    if refused.problem.certain:
        text = f"the API server rejects the ImageJob as it is: {refused.problem.message}"
        return Failure(Code.CREATION, Reason.INVALID_SPEC, f"{text}; fix it and apply it again")
    if o.now < refused.since + o.policy.start_grace:
        return None
    waited = f"(waited {duration_text(o.policy.start_grace)})"
    return Failure(Code.CREATION, Reason.CLUSTER_REFUSED, f"{refused.problem.message} {waited}")


def wait_for_finalizer(o: Observation) -> Decision | None:
    """Wait until the finalizer is tried again; None if it may be tried now."""
    refused = o.finalizer_refused
    if refused is None or o.now >= refused.retry_at:
        return None
    return Decision(next_status(o, o.job.status, note=refused.problem), requeue_at=refused.retry_at)


def decide_compensation(o: Observation) -> Decision:
    """Attempts end and staging is emptied, then the terminal phase is written."""
    status = o.job.status
    target = Phase.FAILED if status.at is Phase.FAILING else Phase.CANCELLED
    operation = Clean(o.staged_prefixes, o.report_key, o.policy.staging_folder)
    cleaning = clean_within_budget(o, operation, status.phase_since or o.now)
    if cleaning.done:
        if committed := cleaning.done.committed:
            status = with_published(status, committed, operation.report)
            overwrote = committed.overwrote
            return finish_run(o, status, Phase.SUCCEEDED, cleaned=True, overwrote=overwrote)
        status = msgspec.structs.replace(status, report=operation.report)
        return finish_run(o, status, target, cleaned=True)
    if cleaning.deferral:
        return finish_run(o, status, target, cleaned=cleaning.deferral.message)
    return Decision(next_status(o, status), stop_live(o), cleaning.operation, cleaning.requeue_at)


def decide_deleted(o: Observation) -> Decision:
    """Empty the staging of all runs within the budget, then release the job in any case."""
    status = o.job.status
    if not o.job.guarded or o.job.deleted_at is None:
        return Decision(status)
    cleaning = clean_within_budget(o, Clean(o.all_staged_prefixes), o.job.deleted_at)
    if cleaning.done:
        return Decision(status, release(o))
    if why := cleaning.deferral:
        run = status.run.number if status.run else 0
        event = RecordEvent(warning=True, reason="CleaningDeferred", message=why.message, run=run)
        return Decision(status, (event, *release(o, why.reason)))
    wanted = msgspec.structs.replace(status, phase=Phase.DELETING.value)
    note = _waits_for(o, cleaning)
    return Decision(next_status(o, wanted, note), stop_live(o), cleaning.operation, cleaning.requeue_at)


def _waits_for(o: Observation, cleaning: Cleaning) -> str | Failure:
    """What a deletion waits for, and until when: a time, since a countdown would be written each second."""
    end = f"the finalizer is removed at {cleaning.deadline:%H:%M:%S} UTC at the latest"
    failure = last_failure(cleaning.progress)
    if failure is None and o.store_away:
        failure = Failure(Code.STAGING, Reason.STORE_UNAVAILABLE, f"{STORE_AWAY}: {o.store_away}")
    if failure:
        return replace(failure, message=f"the staging cannot be emptied: {failure.message}; {end}")
    if cleaning.operation:
        return f"the staging is being emptied; {end}"
    return f"{undeleted(o) or 'its Pods are being deleted'}; {end}"
