"""Held back by a queue: while that lasts, no deadline of the run counts but the queue's own.

A run is queued while every attempt that it launched is held back (by Kueue). A released attempt has the full
start deadline.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.spec import Execution
from imagejob_operator.api.status import RunStatus, Status, duration_text
from imagejob_operator.decision.observation import Observation
from imagejob_operator.decision.phases.starting import Wait
from imagejob_operator.decision.shards import Survey


def is_queued(view: Survey) -> bool:
    """Whether a queue holds back every attempt that has not ended."""
    return bool(view.waiting) and not view.running and all(attempt.held for attempt in view.waiting)


def with_queued(status: Status, queued: bool, now: datetime) -> Status:
    """The status with the start or the end of being queued recorded in it."""
    run = status.run or RunStatus()
    if queued and run.queued_since is None:
        run = msgspec.structs.replace(run, queued_since=now.replace(microsecond=0))
    elif not queued:
        run = released(run, now)
    return msgspec.structs.replace(status, run=run)


def released(run: RunStatus, now: datetime) -> RunStatus:
    """The run after the queue released it, with the time in the queue added up."""
    if run.queued_since is None:
        return run
    return msgspec.structs.replace(
        run,
        queued_since=None,
        queued_seconds=int(run.queued_for(now).total_seconds()),
        released_at=now.replace(microsecond=0),
    )


def check_queue(o: Observation, view: Survey, execution: Execution) -> Wait:
    """Compare the time in the queue with its deadline."""
    waited = (o.job.status.run or RunStatus()).queued_for(o.now)
    limit = timedelta(seconds=execution.queue_deadline_seconds)
    message = next((a.problem.message for a in view.waiting if a.problem), "")
    evidence = f": {message}" if message else ""
    if waited < limit:
        note = f"the queue {execution.queue_name!r} holds the Pods back{evidence}"
        return Wait(note=note, requeue_at=o.now + (limit - waited))
    text = (
        f"the queue {execution.queue_name!r} has held back all Pods for {duration_text(waited)}, "
        f"spec.execution.queueDeadlineSeconds is {execution.queue_deadline_seconds}{evidence}; check the "
        "queue and its workloads, and whether Kueue manages this namespace"
    )
    return Wait(failure=Failure(Code.LAUNCH, Reason.QUEUE_DEADLINE_EXCEEDED, text))
