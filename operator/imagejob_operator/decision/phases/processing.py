"""Launching and Running: shards get their attempts until every shard has ended."""

from __future__ import annotations

from datetime import datetime

import msgspec

from imagejob_operator.api.errors import CATALOGUE, Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import SpecHead, tolerated_failures
from imagejob_operator.api.status import ItemCounts, Status
from imagejob_operator.decision.action import Action, DeliverOrder, Launch, ReadEvents
from imagejob_operator.decision.attempt import Problem
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.operation import Counted
from imagejob_operator.decision.phases.compensation import abort_run
from imagejob_operator.decision.phases.counting import count_done
from imagejob_operator.decision.phases.starting import (
    check_queue,
    check_start,
    is_queued,
    silent_attempt,
    with_queued,
)
from imagejob_operator.decision.shards import Survey, count_items, stuck_at, survey, with_attempts
from imagejob_operator.decision.status_update import next_status

PROGRESS_STEP = 0.05
"""Share of the items that must have finished before progress alone is worth a write."""


def decide_processing(o: Observation, spec: SpecHead) -> Decision:
    """Launch attempts, retry failed shards, and check the deadlines of the start and of the queue."""
    status = o.job.status
    view = survey(o, spec.execution.retries_per_shard)
    counts = count_items(status, view)
    if failure := _too_many_lost(o, spec, view, counts):
        return abort_run(o, failure)
    queued = is_queued(view)
    if queued != bool(status.run and status.run.queued_since):
        # Recorded before anything else, since it stops or starts the other deadlines.
        note = check_queue(o, view, spec.execution).note if queued else ""
        return Decision(next_status(o, with_queued(status, queued, o.now), note=note))
    if view.finished:
        return _finish(o, view, counts)
    wait = check_queue(o, view, spec.execution) if queued else check_start(o, view, spec.execution)
    if wait.failure:
        return abort_run(o, wait.failure)
    if view.running or view.done or view.lost:
        status = msgspec.structs.replace(status, phase=Phase.RUNNING.value)
    operation, count_at = count_done(o, view, counts)
    status = with_attempts(_with_progress(o, status, counts), view, spec.execution.parallelism)
    actions, retry_at = _launches(o, view)
    silent, read_at = silent_attempt(o, view)
    if silent:
        actions = (*actions, ReadEvents(silent))
    moments = [m for m in (wait.requeue_at, retry_at, read_at, count_at, o.job.ends_by(o.now)) if m]
    moments += [moment for moment in stuck_at((*view.running, *view.waiting)) if moment > o.now]
    moments += view.backoff.values()
    note = wait.note or _away_from_store(o, view) or ""
    return Decision(next_status(o, status, note=note), actions, operation, min(moments))


def _away_from_store(o: Observation, view: Survey) -> Problem | None:
    """Why the Pod of a shard in backoff could not use the store: an outage may last, and should be seen."""
    run = o.job.status.run
    latest = (
        a
        for a in o.attempts
        if run
        and a.place == run.place
        and a.shard in view.backoff
        and a.number == view.counts[a.shard].launches
    )
    problems = (a.problem for a in latest if a.problem)
    return next((one for one in problems if one.reason is Reason.STORE_UNREACHABLE), None)


def _too_many_lost(o: Observation, spec: SpecHead, view: Survey, counts: ItemCounts) -> Failure | None:
    """The first problem of the lost shards, if too many are lost: JOB_003 if no Pod ran, else JOB_005."""
    lost_items = counts.failed - sum(s.failed for s in view.done.values())
    if not view.lost or lost_items <= tolerated_failures(spec.failure_policy, counts.total):
        return None
    problem, status = next(iter(view.lost.values())), o.job.status
    if (Code.LAUNCH, problem.reason) not in CATALOGUE:
        return Failure(Code.PROCESSING, problem.reason, problem.message)
    if status.at is Phase.LAUNCHING and not o.launched(status.run):
        return Failure(Code.LAUNCH, problem.reason, problem.message)
    return Failure(Code.PROCESSING, Reason.CRASHED, problem.message)


def _finish(o: Observation, view: Survey, counts: ItemCounts) -> Decision:
    """Every shard has ended: the results are verified while publishing."""
    status = msgspec.structs.replace(
        with_attempts(o.job.status, view, parallelism=0),
        phase=Phase.PUBLISHING.value,
        items=counts,
    )
    return Decision(next_status(o, status))


def _with_progress(o: Observation, status: Status, counts: ItemCounts) -> Status:
    """Take the new counts over: after a reading, or if enough shards have ended to be worth a write.

    The counts never decrease while the run goes on; a shard that is repeated reports fewer at first.
    """
    before = (status.items or ItemCounts()).finished
    read = o.progress.counts if isinstance(o.progress, Counted) else ItemCounts()
    enough = before + max(1.0, counts.total * PROGRESS_STEP)
    if read.finished <= before and counts.finished < enough:
        return status
    counts = max(counts, read, key=lambda known: known.finished)
    return msgspec.structs.replace(status, items=counts)


def _launches(o: Observation, view: Survey) -> tuple[tuple[Action, ...], datetime | None]:
    """Launch recorded attempts and deliver orders; what was refused waits for its retry."""
    prefix = o.staged_prefix
    wanted: list[tuple[int, Action]] = [
        (shard, Launch(prefix, shard, view.counts[shard].launches)) for shard in view.absent
    ]
    wanted += [(a.shard, DeliverOrder(a, prefix)) for a in view.waiting if not a.order_delivered]
    actions: list[Action] = []
    retries: list[datetime] = []
    for shard, action in wanted:
        refusal = o.refusals.get(shard)
        if refusal and o.now < refusal.retry_at:
            retries.append(refusal.retry_at)
        else:
            actions.append(action)
    return tuple(actions), min(retries, default=None)
