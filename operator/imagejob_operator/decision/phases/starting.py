"""Waiting for a first Pod to run: why it waits, the start deadline, the grace, and the queue of Kueue.

While a queue holds back every attempt of a run, only the queue's own deadline counts. A released attempt has
the full start deadline.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.spec import ExecutionHead
from imagejob_operator.api.status import RunStatus, Status, added_seconds, duration_text
from imagejob_operator.decision.attempt import Attempt, Problem, Refusal, Remark
from imagejob_operator.decision.observation import Observation
from imagejob_operator.decision.shards import Survey

NOTEWORTHY = timedelta(seconds=10)
"""A problem of the first seconds (a Pod waits for its Secret) is not worth a write."""
GRACED = (Reason.IMAGE_PULL_FAILED, Reason.CONFIG_ERROR)
"""Problems that the start grace limits, if it is shorter than the start deadline."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The result of a wait: a failure, or a note and the time to check again."""

    failure: Failure | None = None
    requeue_at: datetime | None = None
    note: str | Problem = ""


def check_start(o: Observation, view: Survey, execution: ExecutionHead) -> Wait:
    """Check the start deadline: JOB_003 means that no Pod ran, so it does not apply while one does."""
    if view.running:
        return Wait()
    waiting = [attempt for attempt in view.waiting if not attempt.held]
    refusals = _refusals(o, view, waiting)
    since = _waiting_since(o, waiting, refusals)
    if since is None:
        return Wait()
    waited = o.now - since
    pod, problem = _main_problem(o, waiting, refusals)
    deadline = timedelta(seconds=execution.start_deadline_seconds)
    limit, name = deadline, "start deadline"
    if problem and problem.reason in GRACED and o.policy.start_grace < deadline:
        limit, name = o.policy.start_grace, "grace"
    if waited >= limit or (problem and problem.certain):
        where = f"pod {pod}, " if pod else ""
        evidence = f" ({where}{duration_text(waited)} of {duration_text(limit)} {name})"
        reason = problem.reason if problem else Reason.START_DEADLINE_EXCEEDED
        late = (
            "no Pod started running within spec.execution.startDeadlineSeconds; check the Events of the Pods"
        )
        text = problem.message if problem else late
        return Wait(failure=Failure(Code.LAUNCH, reason, text + evidence))
    if waited < NOTEWORTHY:
        return Wait(requeue_at=since + min(limit, NOTEWORTHY))
    return Wait(requeue_at=since + limit, note=_note(problem) if problem else "")


def _refusals(o: Observation, view: Survey, waiting: list[Attempt]) -> list[Refusal]:
    """The refusals of attempts that do not exist, or whose order was not delivered."""
    undelivered = {a.shard for a in waiting if not a.order_delivered}
    return [r for shard, r in o.refusals.items() if shard in undelivered or shard in view.absent]


def _waiting_since(o: Observation, waiting: list[Attempt], refusals: list[Refusal]) -> datetime | None:
    """When the wait started: the first launch, unless the phase, an attempt or a queue ended after it."""
    launches = [a.created_at for a in waiting] + [refusal.since for refusal in refusals]
    if not launches:
        return None
    run = o.job.status.run
    resets = [o.job.status.phase_since, run.released_at if run else None]
    resets += [a.finished_at for a in o.attempts]
    return max([min(launches), *filter(None, resets)])


def _main_problem(
    o: Observation, waiting: list[Attempt], refusals: list[Refusal]
) -> tuple[str, Problem | None]:
    """The problem to report and its Pod: a certain one first, then refusals, since they explain the Pods."""
    problems = [("", refusal.problem) for refusal in refusals]
    problems += [(a.name, problem) for a in waiting if (problem := a.problem or _remarked(o.remarks, a))]
    certain = [(pod, problem) for pod, problem in problems if problem.certain]
    return next(iter([*certain, *problems]), ("", None))


def _note(problem: Problem) -> str | Problem:
    """The problem while the wait lasts; without a reason that says that the deadline has passed."""
    return problem.message if problem.reason is Reason.START_DEADLINE_EXCEEDED else problem


def _remarked(remarks: Mapping[str, Remark], attempt: Attempt) -> Problem | None:
    """The newest Event of an attempt, as its problem."""
    remark = remarks.get(attempt.uid)
    if remark is None or not remark.message:
        return None
    return Problem(Reason.START_DEADLINE_EXCEEDED, remark.message)


def silent_attempt(o: Observation, view: Survey) -> tuple[Attempt | None, datetime | None]:
    """The oldest attempt that waits without a problem, if its Events are due to be read; else when they are.

    They are read first when the wait is worth a note, then each time the wait has doubled. If the clock was
    set back, the last reading may be before the launch: then they are read after the shortest pause.
    """
    silent = [a for a in view.waiting if a.problem is None and a.order_delivered]
    if view.running or not silent:
        return None, None
    oldest = min(silent, key=lambda a: a.created_at)
    remark = o.remarks.get(oldest.uid)
    read_at = oldest.created_at + NOTEWORTHY
    if remark:
        read_at = remark.asked_at + max(NOTEWORTHY, remark.asked_at - oldest.created_at)
    return (oldest, None) if o.now >= read_at else (None, read_at)


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
        queued_seconds=added_seconds(run.queued_seconds, run.queued_since, now),
        released_at=now.replace(microsecond=0),
    )


def check_queue(o: Observation, view: Survey, execution: ExecutionHead) -> Wait:
    """Compare the time in the queue with its deadline."""
    waited = (o.job.status.run or RunStatus()).queued_for(o.now)
    limit = timedelta(seconds=execution.queue_deadline_seconds)
    message = next((a.problem.message for a in view.waiting if a.problem), "")
    evidence = f": {message}" if message else ""
    if waited < limit:
        note = f"the queue {execution.queue_name!r} is holding back the Pods{evidence}"
        return Wait(note=note, requeue_at=o.now + (limit - waited))
    text = (
        f"the queue {execution.queue_name!r} has held back all Pods for {duration_text(waited)}, longer "
        f"than spec.execution.queueDeadlineSeconds ({execution.queue_deadline_seconds} s){evidence}; check "
        "the queue and its workloads, and whether Kueue manages this namespace"
    )
    return Wait(failure=Failure(Code.LAUNCH, Reason.QUEUE_DEADLINE_EXCEEDED, text))
