"""The decision: from one observation to what to do, what to say, and when to look again.

One function a phase. None of them waits for ever: each either moves, or has a moment at which it will.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec

from imagejob_operator.core.action import Action, AddFinalizer, DeliverOrder, Launch
from imagejob_operator.core.attempt import format_tries
from imagejob_operator.core.effort import (
    Broken,
    Collect,
    Collected,
    Progress,
    Publish,
    Published,
    Stage,
    Staged,
)
from imagejob_operator.core.ending import (
    begin_undoing,
    decide_deleted,
    decide_terminal,
    decide_undoing,
    end_run,
)
from imagejob_operator.core.failure import Code, Failure, Reason
from imagejob_operator.core.keys import report_key, staging_prefix
from imagejob_operator.core.observation import Decision, Observation
from imagejob_operator.core.phase import FORWARD, Phase
from imagejob_operator.core.saying import change
from imagejob_operator.core.shards import Survey, count_items, judge_start, record_due, shard_count, survey
from imagejob_operator.core.spec import InvalidSpec, Spec, items_per_pod, tolerated_failures
from imagejob_operator.core.status import (
    MAX_FAILURES,
    ItemCounts,
    OutputCounts,
    RunStatus,
    ShardStatus,
    StagingStatus,
    Status,
)

PROGRESS_STEP = 0.05
"""Share of the items that must have finished before progress alone is worth a write."""


def decide(o: Observation) -> Decision:
    """Decide one turn of one job."""
    status = o.job.status
    if o.job.deleted_at is not None:
        return decide_deleted(o)
    if status.at in (Phase.FAILING, Phase.CANCELLING):
        return decide_undoing(o)
    if status.at not in FORWARD:
        return decide_terminal(o)
    if isinstance(o.job.spec, InvalidSpec):
        return _refuse(o, Failure(Code.CREATION, Reason.INVALID_SPEC, str(o.job.spec)))
    if status.at is Phase.PENDING:
        return _pending(o, o.job.spec)
    if status.run is None or status.run.id != o.job.spec.run.id:
        text = f"spec.run.id was changed to {o.job.spec.run.id!r}: the next run takes over"
        return begin_undoing(o, Failure(Code.CANCELLED, Reason.SUPERSEDED, text))
    if status.at is not Phase.PUBLISHING and o.now >= active_deadline(o, o.job.spec):
        return begin_undoing(o, _deadline_failure(o, o.job.spec))
    return _FORWARD[status.at](o, o.job.spec)


def active_deadline(o: Observation, spec: Spec) -> datetime:
    """When the run must have ended."""
    run = o.job.status.run
    started = run.started_at if run and run.started_at else o.now
    return started + timedelta(seconds=spec.execution.active_deadline_seconds)


def _deadline_failure(o: Observation, spec: Spec) -> Failure:
    evidence = f"; progress {o.job.status.progress}" if o.job.status.progress else ""
    waiting = next((a.problem.message for a in o.attempts if a.live and a.problem), "")
    if isinstance(o.progress, Broken):
        waiting = o.progress.failure.message
    text = (
        f"spec.execution.activeDeadlineSeconds {spec.execution.active_deadline_seconds} passed in phase "
        f"{o.job.status.phase}{evidence}" + (f"; last: {waiting}" if waiting else "")
    )
    return Failure(Code.DEADLINE, Reason.DEADLINE_EXCEEDED, text)


def _refuse(o: Observation, failure: Failure) -> Decision:
    """A job that cannot be accepted: nothing was staged for it yet, or it must be undone first."""
    if o.job.status.at is not Phase.PENDING:
        return begin_undoing(o, failure)
    spec = o.job.spec
    run = o.job.status.run or RunStatus()
    status = msgspec.structs.replace(
        o.job.status,
        run=RunStatus(
            id="" if isinstance(spec, InvalidSpec) else spec.run.id,
            number=run.number + 1,
            started_at=o.now.replace(microsecond=0),
        ),
        staging=None,
    )
    return end_run(o, status, Phase.FAILED, failure, cleaned=None)


def _pending(o: Observation, spec: Spec) -> Decision:
    if o.admission is None:
        again = o.now + timedelta(seconds=5)
        return Decision(
            change(o, o.job.status, note="waiting for the namespace to be read"), look_again=again
        )
    if not o.admission.admitted:
        return _refuse(o, Failure(Code.CREATION, Reason.NOT_PERMITTED, o.admission.message))
    before = o.job.status.run or RunStatus()
    number = before.number + 1
    prefix = staging_prefix(o.policy.installation, o.job.key.namespace, o.job.uid, number, 1)
    status = msgspec.structs.replace(
        o.job.status,
        phase=Phase.STAGING.value,
        run=RunStatus(id=spec.run.id, number=number, epoch=1, started_at=o.now.replace(microsecond=0)),
        staging=StagingStatus(prefix=prefix),
    )
    guard: tuple[Action, ...] = () if o.job.guarded else (AddFinalizer(),)
    return Decision(change(o, status), actions=guard)


def _staging(o: Observation, spec: Spec) -> Decision:
    status = o.job.status
    prefix = status.staging.prefix if status.staging else ""
    effort = Stage(prefix)
    progress = _progress_of(o, effort)
    if isinstance(progress, Staged):
        return _staged(o, spec, progress)
    broken = progress if isinstance(progress, Broken) else None
    if broken and broken.retry_at is None:
        return begin_undoing(o, broken.failure)
    deadline = _since(o) + timedelta(seconds=spec.execution.staging_deadline_seconds)
    if o.now >= deadline:
        limit = f"spec.execution.stagingDeadlineSeconds {spec.execution.staging_deadline_seconds}"
        if broken:
            text = f"{broken.failure.message} (given up after {limit})"
            return begin_undoing(o, replace(broken.failure, message=text))
        text = f"the sources were not staged within {limit}"
        return begin_undoing(o, Failure(Code.STAGING, Reason.STAGING_DEADLINE_EXCEEDED, text))
    return _wait(o, effort, broken, deadline)


def _staged(o: Observation, spec: Spec, staged: Staged) -> Decision:
    try:
        per_shard = items_per_pod(spec.execution, staged.items)
    except InvalidSpec as error:
        return begin_undoing(o, Failure(Code.CREATION, Reason.INVALID_SPEC, str(error)))
    status, run = o.job.status, o.job.status.run or RunStatus()
    shards = ShardStatus(total=shard_count(staged.items, per_shard))
    status = msgspec.structs.replace(
        status,
        phase=Phase.LAUNCHING.value,
        run=msgspec.structs.replace(run, shards=shards),
        items_per_shard=per_shard,
        items=ItemCounts(total=staged.items),
        progress=f"0/{staged.items}",
        staging=StagingStatus(status.staging.prefix if status.staging else "", staged.objects, staged.bytes),
    )
    first = survey(
        replace(o, job=replace(o.job, status=status), attempts=()), spec.execution.retries_per_shard
    )
    return Decision(change(o, _with_tries(status, first, spec.execution.parallelism)))


def _with_tries(status: Status, view: Survey, parallelism: int) -> Status:
    run = status.run or RunStatus()
    shards = msgspec.structs.replace(
        run.shards or ShardStatus(),
        succeeded=len(view.done),
        failed=len(view.lost),
        attempts=format_tries(record_due(view, parallelism)),
    )
    return msgspec.structs.replace(status, run=msgspec.structs.replace(run, shards=shards))


def _processing(o: Observation, spec: Spec) -> Decision:
    """Launching and Running: the same work, seen before and after the first attempt ran."""
    view = survey(o, spec.execution.retries_per_shard)
    status = o.job.status
    counts = count_items(status, view)
    if view.lost:
        lost_items = counts.failed - sum(s.failed for s in view.done.values())
        if lost_items > tolerated_failures(spec.failure_policy, counts.total):
            problem = next(iter(view.lost.values()))
            return begin_undoing(o, Failure(Code.PROCESSING, problem.reason, problem.message))
    if view.finished:
        return _collect(o, spec, view)
    start = judge_start(o, view, spec.execution)
    if start.failure:
        return begin_undoing(o, start.failure)
    if view.running or view.done or view.lost:
        status = msgspec.structs.replace(status, phase=Phase.RUNNING.value)
    status = _with_tries(_with_progress(status, counts), view, spec.execution.parallelism)
    actions, retry_at = _launches(o, view)
    moments = [m for m in (start.look_again, retry_at, active_deadline(o, spec)) if m]
    return Decision(change(o, status, note=start.note), actions, look_again=min(moments))


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
    for shard in view.absent:
        refusal = o.refusals.get(shard)
        if refusal and o.now < refusal.retry_at:
            retries.append(refusal.retry_at)
        else:
            actions.append(Launch(prefix, shard, view.tries[shard].launches))
    actions.extend(DeliverOrder(a, prefix) for a in view.waiting if not a.order_delivered)
    return tuple(actions), min(retries, default=None)


def _collect(o: Observation, spec: Spec, view: Survey) -> Decision:
    """All shards have ended: read their results, and judge."""
    effort = Collect(o.job.status.staging.prefix if o.job.status.staging else "", tuple(view.lost))
    progress = _progress_of(o, effort)
    if isinstance(progress, Broken) and progress.retry_at is None:
        return begin_undoing(o, progress.failure)
    if not isinstance(progress, Collected):
        broken = progress if isinstance(progress, Broken) else None
        return _wait(o, effort, broken, active_deadline(o, spec))
    total = o.job.status.items.total if o.job.status.items else 0
    status = _with_tries(o.job.status, view, 0)
    status = msgspec.structs.replace(
        status,
        items=ItemCounts(total, progress.succeeded, progress.failed, 0),
        progress=f"{progress.succeeded + progress.failed}/{total}",
        failures=progress.failures[:MAX_FAILURES],
    )
    tolerated = tolerated_failures(spec.failure_policy, total)
    if progress.failed > tolerated:
        first = progress.failures[0]
        text = (
            f"{progress.failed} of {total} items failed, spec.failurePolicy.maxFailedItems admits "
            f"{tolerated}; first: {first.item}: {first.code} {first.message}"
        )
        return begin_undoing(o, Failure(Code.PROCESSING, Reason.ITEMS_FAILED, text), status)
    return Decision(change(o, msgspec.structs.replace(status, phase=Phase.PUBLISHING.value)))


def _publishing(o: Observation, spec: Spec) -> Decision:
    status, run = o.job.status, o.job.status.run or RunStatus()
    view = survey(o, spec.execution.retries_per_shard)
    lost = (
        tuple(shard for shard in range(view.total) if shard not in view.done)
        if run.shards and run.shards.failed
        else ()
    )
    report = report_key(o.job.key.namespace, o.job.key.name, o.job.uid, run.number)
    deadline = active_deadline(o, spec)
    effort = Publish(status.staging.prefix if status.staging else "", report, deadline, lost)
    progress = _progress_of(o, effort)
    if isinstance(progress, Published):
        status = msgspec.structs.replace(
            status, outputs=OutputCounts(progress.objects, progress.bytes), report=report
        )
        return end_run(o, status, Phase.SUCCEEDED, None, cleaned=progress.cleaned)
    broken = progress if isinstance(progress, Broken) else None
    if broken and broken.retry_at is None:
        return begin_undoing(o, broken.failure)
    if broken and o.now >= deadline:
        return begin_undoing(o, _deadline_failure(o, spec))
    window = _since(o) + timedelta(seconds=spec.execution.staging_deadline_seconds)
    if broken and o.now >= window:
        limit = f"{spec.execution.staging_deadline_seconds} s of trying to publish"
        return begin_undoing(
            o, replace(broken.failure, message=f"{broken.failure.message} (given up after {limit})")
        )
    return _wait(o, effort, broken, min(deadline, window))


def _since(o: Observation) -> datetime:
    return o.job.status.phase_since or o.now


def _progress_of(o: Observation, effort: Stage | Collect | Publish) -> Progress | None:
    return o.progress if o.effort == effort else None


def _wait(
    o: Observation, effort: Stage | Collect | Publish, broken: Broken | None, until: datetime
) -> Decision:
    """Keep the effort going; after an error that may pass, not before its time has come."""
    note = broken.failure.message if broken else ""
    resting = broken is not None and broken.retry_at is not None and o.now < broken.retry_at
    moments = [until, o.now + o.policy.look_again]
    if broken and broken.retry_at and resting:
        moments.append(broken.retry_at)
    return Decision(change(o, o.job.status, note=note), effort=effort, look_again=min(moments))


_FORWARD: dict[Phase, Callable[[Observation, Spec], Decision]] = {
    Phase.STAGING: _staging,
    Phase.LAUNCHING: _processing,
    Phase.RUNNING: _processing,
    Phase.PUBLISHING: _publishing,
}
