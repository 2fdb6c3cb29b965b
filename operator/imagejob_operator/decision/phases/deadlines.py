"""Waiting for long work: which operation, since when, and until when."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from imagejob_operator.api.errors import CATALOGUE, Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import Spec
from imagejob_operator.decision.conditions import RECONCILING
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.operation import (
    Broken,
    Progress,
    Publish,
    Stage,
    Validate,
    last_failure,
)
from imagejob_operator.decision.phases.ending import begin_compensation
from imagejob_operator.decision.status_update import change

Work = Validate | Stage | Publish


def phase_begun(o: Observation) -> datetime:
    """When the present phase began."""
    return o.job.status.phase_since or o.now


def progress_of(o: Observation, operation: Work) -> Progress | None:
    """How this very operation stands; None if it is not the one that runs."""
    return o.progress if o.operation == operation else None


def last_met(o: Observation, progress: Progress | None) -> Failure | None:
    """Why the operation of a phase failed last: in this process, or in one before it, as the status says."""
    said = o.job.status.condition(RECONCILING)
    code = Code.PUBLISH if o.job.status.at is Phase.PUBLISHING else Code.STAGING
    known = {reason.value: reason for of, reason in CATALOGUE if of is code}
    before = Failure(code, known[said.reason], said.message) if said and said.reason in known else None
    return last_failure(progress) or before


def keep_going(o: Observation, operation: Work, broken: Broken | None, until: datetime) -> Decision:
    """Keep the operation going; after an error that may pass, not before its time has come."""
    note = last_met(o, progress_of(o, operation)) or ""
    resting = broken is not None and broken.retry_at is not None and o.now < broken.retry_at
    moments = [until, o.now + o.policy.requeue_at]
    if broken and broken.retry_at and resting:
        moments.append(broken.retry_at)
    return Decision(change(o, o.job.status, note=note), operation=operation, requeue_at=min(moments))


def wait_for_sources(o: Observation, spec: Spec, operation: Validate | Stage, what: str) -> Decision:
    """Wait until the sources are staged or looked at; what cannot pass, or lasts too long, is JOB_002."""
    progress = progress_of(o, operation)
    broken = progress if isinstance(progress, Broken) else None
    if broken and broken.retry_at is None:
        return begin_compensation(o, broken.failure)
    seconds = spec.execution.staging_deadline_seconds
    deadline = phase_begun(o) + timedelta(seconds=seconds)
    if o.now >= deadline:
        limit = f"spec.execution.stagingDeadlineSeconds {seconds}"
        if last := last_met(o, progress):
            return begin_compensation(o, replace(last, message=f"{last.message} (given up after {limit})"))
        text = f"{what} within {limit}"
        return begin_compensation(o, Failure(Code.STAGING, Reason.STAGING_DEADLINE_EXCEEDED, text))
    return keep_going(o, operation, broken, deadline)
