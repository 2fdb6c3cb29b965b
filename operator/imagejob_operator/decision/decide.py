"""The decision: from one observation to what to do, what to say, and when to look again.

One function a phase. None of them waits for ever: each either moves, or has a moment at which it will.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import msgspec

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.phase import COMPENSATING, TERMINAL, Phase
from imagejob_operator.api.spec import InvalidSpec, Spec, tolerated_failures
from imagejob_operator.api.status import (
    ItemCounts,
    RunStatus,
    ShardStatus,
    StagingStatus,
    duration_text,
)
from imagejob_operator.decision.action import Action, AddFinalizer
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.operation import Broken, Publish, Published, Stage, Staged
from imagejob_operator.decision.phases.deadlines import (
    keep_going,
    last_met,
    phase_begun,
    progress_of,
    wait_for_sources,
)
from imagejob_operator.decision.phases.ending import (
    begin_compensation,
    decide_compensation,
    decide_deleted,
    decide_terminal,
    end_run,
    with_published,
    with_results,
)
from imagejob_operator.decision.phases.processing import process, with_tries
from imagejob_operator.decision.phases.suspended import decide_suspended, decide_unbegun, suspend
from imagejob_operator.decision.phases.validating import begin_validating, validating
from imagejob_operator.decision.shard_size import items_per_pod
from imagejob_operator.decision.shards import shard_count, survey
from imagejob_operator.decision.status_update import change
from imagejob_operator.naming.prefixes import report_key, staging_prefix


def decide(o: Observation) -> Decision:
    """Decide one turn of one job."""
    status = o.job.status
    if o.job.deleted_at is not None:
        return decide_deleted(o)
    if status.at in COMPENSATING:
        return decide_compensation(o)
    if status.at in TERMINAL:
        return decide_terminal(o)
    if status.at is Phase.SUSPENDED and status.staging is None:
        return decide_unbegun(o)
    if isinstance(o.job.spec, InvalidSpec):
        return _refuse(o, Failure(Code.CREATION, Reason.INVALID_SPEC, str(o.job.spec)))
    if status.at is Phase.PENDING:
        return _pending(o, o.job.spec)
    return _begun(o, o.job.spec)


def _begun(o: Observation, spec: Spec) -> Decision:
    """A run that was begun: what its user wants of it comes first, then its deadline, then its phase."""
    status = o.job.status
    if status.run is not None and status.run.id == spec.cancel_run_id:
        return begin_compensation(o, _cancelled(status.run.id))
    if status.run is None or status.run.id != spec.run.id:
        text = f"spec.run.id was changed to {spec.run.id!r}: the next run takes over"
        return begin_compensation(o, Failure(Code.CANCELLED, Reason.SUPERSEDED, text))
    if status.at is Phase.SUSPENDED:
        # Only who goes on needs the finalizer that a stricter schema does not let us put back.
        return begin_compensation(o, _rejected(o)) if o.rejected else decide_suspended(o, spec)
    if spec.suspend and not isinstance(o.progress, Published):
        return suspend(o)
    if status.at is not Phase.PUBLISHING and o.now >= o.job.ends_by(o.now):
        return begin_compensation(o, _deadline_failure(o, spec))
    return _FORWARD[status.at](o, spec)


def _cancelled(run_id: str) -> Failure:
    return Failure(Code.CANCELLED, Reason.CANCELLED, f"spec.cancelRunID names the run {run_id!r}")


def _rejected(o: Observation) -> Failure:
    text = f"the API server refuses the job as it is, mend it and apply it again: {o.rejected}"
    return Failure(Code.CREATION, Reason.INVALID_SPEC, text)


def _deadline_failure(o: Observation, spec: Spec) -> Failure:
    evidence = f"; progress {o.job.status.progress}" if o.job.status.progress else ""
    waiting = next((a.problem.message for a in o.attempts if a.live and a.problem), "")
    if last := last_met(o, o.progress):
        waiting = last.message
    text = (
        f"spec.execution.activeDeadlineSeconds {spec.execution.active_deadline_seconds} passed in phase "
        f"{o.job.status.phase}{evidence}" + (f"; last: {waiting}" if waiting else "")
    )
    return Failure(Code.DEADLINE, Reason.DEADLINE_EXCEEDED, text)


def _refuse(o: Observation, failure: Failure) -> Decision:
    """A job that cannot be accepted: nothing was staged for it yet, or it must be undone first."""
    if o.job.status.at is not Phase.PENDING:
        return begin_compensation(o, failure)
    return _end_unbegun(o, Phase.FAILED, failure)


def _end_unbegun(o: Observation, phase: Phase, failure: Failure) -> Decision:
    """End a run before it has begun: it takes a number, and there is nothing to undo."""
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
    return end_run(o, status, phase, failure, cleaned=None)


def _unread(o: Observation) -> Decision:
    """The namespace cannot be read: for a while that may pass, then it is a refusal."""
    begun = o.job.status.phase_since or o.job.created_at or o.now
    end = begun + o.policy.start_grace
    name = o.job.key.namespace
    if o.now >= end:
        text = (
            f"the labels of namespace {name!r} could not be read for {duration_text(o.now - begun)}, so it "
            "cannot be told whether the store admits it; the operator's log says why"
        )
        return _refuse(o, Failure(Code.CREATION, Reason.NOT_PERMITTED, text))
    note = f"waiting for the labels of namespace {name!r} to be read"
    return Decision(change(o, o.job.status, note=note), requeue_at=min(end, o.now + timedelta(seconds=5)))


def _unready(o: Observation, failure: Failure) -> Decision:
    """An ImageStore cannot be used: GitOps applies in any order, so for a while that may pass."""
    begun = o.job.status.phase_since or o.job.created_at or o.now
    end = begun + o.policy.start_grace
    if o.now >= end:
        text = f"{failure.message} (given up after {duration_text(o.policy.start_grace)})"
        return _refuse(o, replace(failure, message=text))
    return Decision(
        change(o, o.job.status, note=failure.message), requeue_at=min(end, o.now + timedelta(seconds=5))
    )


def _pending(o: Observation, spec: Spec) -> Decision:
    if spec.cancel_run_id == spec.run.id:
        return _end_unbegun(o, Phase.CANCELLED, _cancelled(spec.run.id))
    if spec.suspend:
        return suspend(o)
    if spec.store_ref is None and o.admission is None:
        return _unread(o)
    if o.admission and not o.admission.admitted:
        return _refuse(o, Failure(Code.CREATION, Reason.NOT_PERMITTED, o.admission.message))
    if unready := o.stores.failure:
        return _unready(o, unready)
    if spec.run.mode == "Validate":
        return begin_validating(o, spec)
    if o.rejected:
        return _refuse(o, _rejected(o))
    before = o.job.status.run or RunStatus()
    number = before.number + 1
    prefix = staging_prefix(o.policy.staging_folder, o.job.key.namespace, o.job.uid, number, 1)
    status = msgspec.structs.replace(
        o.job.status,
        phase=Phase.STAGING.value,
        run=RunStatus(
            id=spec.run.id,
            number=number,
            epoch=1,
            started_at=o.now.replace(microsecond=0),
            store=o.stores.staging,
        ),
        staging=StagingStatus(prefix=prefix),
    )
    guard: tuple[Action, ...] = () if o.job.guarded else (AddFinalizer(),)
    return Decision(change(o, status), actions=guard)


def _staging(o: Observation, spec: Spec) -> Decision:
    status = o.job.status
    prefix = status.staging.prefix if status.staging else ""
    operation = Stage(prefix)
    progress = progress_of(o, operation)
    if isinstance(progress, Staged):
        return _staged(o, spec, progress)
    return wait_for_sources(o, spec, operation, "the sources were not staged")


def _staged(o: Observation, spec: Spec, staged: Staged) -> Decision:
    try:
        per_shard = items_per_pod(spec.execution, staged.items)
    except InvalidSpec as error:
        return begin_compensation(o, Failure(Code.CREATION, Reason.INVALID_SPEC, str(error)))
    status, run = o.job.status, o.job.status.run or RunStatus()
    shards = ShardStatus(total=shard_count(staged.items, per_shard))
    total = staged.items + staged.skipped
    status = msgspec.structs.replace(
        status,
        phase=Phase.LAUNCHING.value if staged.items else Phase.PUBLISHING.value,
        run=msgspec.structs.replace(run, shards=shards),
        items_per_shard=per_shard,
        items=ItemCounts(total=total, skipped=staged.skipped),
        progress=f"{staged.skipped}/{total}",
        staging=StagingStatus(status.staging.prefix if status.staging else "", staged.objects, staged.bytes),
    )
    first = survey(
        replace(o, job=replace(o.job, status=status), attempts=()), spec.execution.retries_per_shard
    )
    return Decision(change(o, with_tries(status, first, spec.execution.parallelism)))


def _publishing(o: Observation, spec: Spec) -> Decision:
    status, run = o.job.status, o.job.status.run or RunStatus()
    lost = run.shards.failed if run.shards else 0
    report = report_key(o.job.key.namespace, o.job.key.name, o.job.uid, run.number)
    deadline = o.job.ends_by(o.now)
    tolerated = tolerated_failures(spec.failure_policy, status.items.total if status.items else 0)
    operation = Publish(status.staging.prefix if status.staging else "", report, deadline, lost, tolerated)
    progress = progress_of(o, operation)
    if isinstance(progress, Published):
        status = msgspec.structs.replace(with_published(status, progress), report=report)
        return end_run(o, status, Phase.SUCCEEDED, None, cleaned=progress.cleaned)
    broken = progress if isinstance(progress, Broken) else None
    if broken and broken.retry_at is None:
        return begin_compensation(o, broken.failure, with_results(status, broken.results))
    if o.now >= deadline:
        # Safe while it still works: if it wrote the report after all, the compensation finds it and succeeds.
        return begin_compensation(o, _deadline_failure(o, spec))
    window = phase_begun(o) + timedelta(seconds=spec.execution.staging_deadline_seconds)
    if broken and o.now >= window:
        limit = f"{spec.execution.staging_deadline_seconds} s of trying to publish"
        return begin_compensation(
            o, replace(broken.failure, message=f"{broken.failure.message} (given up after {limit})")
        )
    return keep_going(o, operation, broken, min(deadline, window) if broken else deadline)


_FORWARD: dict[Phase, Callable[[Observation, Spec], Decision]] = {
    Phase.VALIDATING: validating,
    Phase.STAGING: _staging,
    Phase.LAUNCHING: process,
    Phase.RUNNING: process,
    Phase.PUBLISHING: _publishing,
}
