"""Waiting for an operation: its progress, its last failure, and its deadlines."""

from __future__ import annotations

from datetime import datetime, timedelta

from imagejob_operator.api.errors import CATALOGUE, Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import SpecHead
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.operation import Progress, Publish, Stage, Validate, last_failure
from imagejob_operator.decision.phases.cleaning import retry_moments
from imagejob_operator.decision.status_update import RECONCILING, STORE_AWAY, next_status

Work = Validate | Stage | Publish


def latest_failure(o: Observation, progress: Progress | None) -> Failure | None:
    """Why the operation of a phase failed last: in this process or, by the status, in an earlier one."""
    recorded = o.job.status.condition(RECONCILING)
    code = Code.PUBLISH if o.job.status.at is Phase.PUBLISHING else Code.STAGING
    known = {reason.value: reason for of, reason in CATALOGUE if of is code}
    earlier = None
    passed = recorded and recorded.message.startswith(STORE_AWAY) and not o.store_away
    if recorded and recorded.reason in known and not passed:
        earlier = Failure(code, known[recorded.reason], recorded.message)
    return last_failure(progress) or earlier


def retry_deadline(o: Observation, spec: SpecHead) -> datetime:
    """Until when the operation of a phase is retried."""
    started = o.job.status.phase_since or o.now
    return started + timedelta(seconds=spec.execution.staging_deadline_seconds)


def run_operation(o: Observation, operation: Work, until: datetime) -> Decision:
    """Run the operation, or retry it when its backoff has passed."""
    progress = o.progress_of(operation)
    note = latest_failure(o, progress) or ""
    moments = [until, o.now + o.policy.requeue_after, *retry_moments(progress, o.now)]
    return Decision(next_status(o, o.job.status, note=note), operation=operation, requeue_at=min(moments))


def active_deadline_exceeded(o: Observation, spec: SpecHead) -> Failure:
    """The run took longer than it may: in which phase, how far it got, and its last problem."""
    text = (
        f"the run exceeded spec.execution.activeDeadlineSeconds ({spec.execution.active_deadline_seconds} s) "
        f"in phase {o.job.status.phase}; raise it or use fewer items"
    )
    if o.job.status.progress:
        text += f"; progress {o.job.status.progress}"
    waits = o.job.status.condition(RECONCILING)
    problem = next((a.problem.message for a in o.attempts if a.live and a.problem), "")
    problem = problem or (waits.message if waits else "")
    if last := latest_failure(o, o.progress):
        problem = last.message
    if problem:
        text += f"; last problem: {problem}"
    return Failure(Code.DEADLINE, Reason.DEADLINE_EXCEEDED, text)
