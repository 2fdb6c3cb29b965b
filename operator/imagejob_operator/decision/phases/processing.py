"""Launching and Running: shards get their attempts until all of them have ended."""

from __future__ import annotations

from datetime import datetime

import msgspec

from imagejob_operator.api.errors import CATALOGUE, Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import Spec, tolerated_failures
from imagejob_operator.api.status import ItemCounts, RunStatus, ShardStatus, Status
from imagejob_operator.decision.action import Action, DeliverOrder, Launch, ReadEvents
from imagejob_operator.decision.attempt import Problem, format_tries
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.phases.ending import begin_compensation
from imagejob_operator.decision.phases.kueue import is_queued, judge_queue, note_queue
from imagejob_operator.decision.shards import (
    Survey,
    count_items,
    judge_start,
    record_due,
    silent_attempt,
    stuck_at,
    survey,
)
from imagejob_operator.decision.status_update import change

PROGRESS_STEP = 0.05
"""Share of the items that must have finished before progress alone is worth a write."""


def process(o: Observation, spec: Spec) -> Decision:
    """Launching and Running: the same work, seen before and after the first attempt ran."""
    view = survey(o, spec.execution.retries_per_shard)
    status = o.job.status
    counts = count_items(status, view)
    if view.lost:
        lost_items = counts.failed - sum(s.failed for s in view.done.values())
        if lost_items > tolerated_failures(spec.failure_policy, counts.total):
            problem = next(iter(view.lost.values()))
            return begin_compensation(o, _lost(o, problem))
    queued = is_queued(view)
    if queued != bool(status.run and status.run.queued_since):
        # Recorded before anything else: from here on the deadlines stand still, or go on.
        note = judge_queue(o, view, spec.execution).note if queued else ""
        return Decision(change(o, note_queue(status, queued, o.now), note=note))
    if view.finished:
        return _finish(o, view, counts)
    start = judge_queue(o, view, spec.execution) if queued else judge_start(o, view, spec.execution)
    if start.failure:
        return begin_compensation(o, start.failure)
    if view.running or view.done or view.lost:
        status = msgspec.structs.replace(status, phase=Phase.RUNNING.value)
    status = with_tries(_with_progress(status, counts), view, spec.execution.parallelism)
    actions, retry_at = _launches(o, view)
    silent, ask_at = silent_attempt(o, view)
    if silent:
        actions = (*actions, ReadEvents(silent))
    moments = [m for m in (start.requeue_at, retry_at, ask_at, o.job.ends_by(o.now)) if m]
    moments += [moment for moment in stuck_at((*view.running, *view.waiting)) if moment > o.now]
    moments += view.resting.values()
    return Decision(change(o, status, note=start.note), actions, requeue_at=min(moments))


def _lost(o: Observation, problem: Problem) -> Failure:
    """Why a shard was given up: JOB_003 if no Pod of the run got running, JOB_005 if one did."""
    if (Code.LAUNCH, problem.reason) not in CATALOGUE:
        return Failure(Code.PROCESSING, problem.reason, problem.message)
    status = o.job.status
    if status.at is Phase.LAUNCHING and not o.launched(status.run):
        return Failure(Code.LAUNCH, problem.reason, problem.message)
    return Failure(Code.PROCESSING, Reason.CRASHED, problem.message)


def with_tries(status: Status, view: Survey, parallelism: int) -> Status:
    """The status with the attempts that are due next recorded in it."""
    run = status.run or RunStatus()
    shards = msgspec.structs.replace(
        run.shards or ShardStatus(),
        succeeded=len(view.done),
        failed=len(view.lost),
        attempts=format_tries(record_due(view, parallelism)),
    )
    return msgspec.structs.replace(status, run=msgspec.structs.replace(run, shards=shards))


def _with_progress(status: Status, counts: ItemCounts) -> Status:
    """Take the new counts over if enough has changed to be worth a write."""
    before = status.items or ItemCounts()
    if counts.finished - before.finished < max(1.0, counts.total * PROGRESS_STEP):
        return status
    return msgspec.structs.replace(status, items=counts, progress=f"{counts.finished}/{counts.total}")


def _launches(o: Observation, view: Survey) -> tuple[tuple[Action, ...], datetime | None]:
    prefix = o.job.status.staging.prefix if o.job.status.staging else ""
    actions: list[Action] = []
    retries: list[datetime] = []
    wanted: list[tuple[int, Action]] = [
        (shard, Launch(prefix, shard, view.tries[shard].launches)) for shard in view.absent
    ]
    wanted += [(a.shard, DeliverOrder(a, prefix)) for a in view.waiting if not a.order_delivered]
    for shard, action in wanted:
        refusal = o.refusals.get(shard)
        if refusal and o.now < refusal.retry_at:
            retries.append(refusal.retry_at)
        else:
            actions.append(action)
    return tuple(actions), min(retries, default=None)


def _finish(o: Observation, view: Survey, counts: ItemCounts) -> Decision:
    """All shards have ended: the results are verified while publishing."""
    status = with_tries(o.job.status, view, 0)
    status = msgspec.structs.replace(
        status,
        phase=Phase.PUBLISHING.value,
        items=counts,
        progress=f"{counts.finished}/{counts.total}",
    )
    return Decision(change(o, status))
