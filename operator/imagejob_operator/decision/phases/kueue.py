"""Held back by a queue: as long as that lasts, none of the run's deadlines counts but the queue's own.

Somebody outside (Kueue, for Pods) decides when attempts may be scheduled. A run is queued while all that it
has launched is held back; what is released waits for its start as always, counted from the release.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.spec import Execution
from imagejob_operator.api.status import RunStatus, Status, duration_text
from imagejob_operator.decision.observation import Observation
from imagejob_operator.decision.shards import Survey


@dataclass(frozen=True, slots=True)
class Held:
    """What being held back comes to: a failure, or what to say and when to look again."""

    failure: Failure | None = None
    note: str = ""
    requeue_at: datetime | None = None


def is_queued(view: Survey) -> bool:
    """Whether a queue holds back all that the run has launched and that has not ended."""
    return bool(view.waiting) and not view.running and all(attempt.held for attempt in view.waiting)


def note_queue(status: Status, queued: bool, now: datetime) -> Status:
    """The status with the beginning or the end of being queued recorded in it."""
    run = status.run or RunStatus()
    if queued and run.queued_since is None:
        return msgspec.structs.replace(
            status, run=msgspec.structs.replace(run, queued_since=now.replace(microsecond=0))
        )
    return status if queued else msgspec.structs.replace(status, run=released(run, now))


def released(run: RunStatus, now: datetime) -> RunStatus:
    """The run once it is queued no more: the time that it was is added up."""
    if run.queued_since is None:
        return run
    return msgspec.structs.replace(
        run,
        queued_since=None,
        queued_seconds=int(run.queued_for(now).total_seconds()),
        released_at=now.replace(microsecond=0),
    )


def judge_queue(o: Observation, view: Survey, execution: Execution) -> Held:
    """Hold the time that a run has been queued against its deadline."""
    run = o.job.status.run or RunStatus()
    waited = run.queued_for(o.now)
    limit = timedelta(seconds=execution.queue_deadline_seconds)
    said = next((a.problem.message for a in view.waiting if a.problem), "")
    evidence = f": {said}" if said else ""
    if waited >= limit:
        text = (
            f"the queue {execution.queue_name!r} has held back all Pods for {duration_text(waited)}, "
            f"spec.execution.queueDeadlineSeconds is {execution.queue_deadline_seconds}{evidence}; look at "
            "the queue and its workloads, and whether Kueue serves this namespace"
        )
        return Held(failure=Failure(Code.LAUNCH, Reason.QUEUE_DEADLINE_EXCEEDED, text))
    return Held(
        note=f"the queue {execution.queue_name!r} holds the Pods back{evidence}",
        requeue_at=o.now + (limit - waited),
    )
