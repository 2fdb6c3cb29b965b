"""How a run ends: first the intent, then the compensation, then the terminal phase."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from imagejob_operator.api.errors import Code, Failure
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import Compaction, InvalidSpec, KeepPods, Retention
from imagejob_operator.api.status import (
    PARTIAL,
    VALIDATED,
    ItemCounts,
    OutputCounts,
    RunStatus,
    Status,
    error_status,
    with_history,
)
from imagejob_operator.decision.action import Action, DeleteJob, RecordEvent, ReleaseFinalizer, StopAttempt
from imagejob_operator.decision.attempt import Attempt, State
from imagejob_operator.decision.conditions import outcome_text
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.operation import (
    Broken,
    Clean,
    Cleaned,
    ItemResults,
    Progress,
    Published,
)
from imagejob_operator.decision.phases.deferral import deferral
from imagejob_operator.decision.status_update import change
from imagejob_operator.naming.prefixes import job_staging_prefix, report_key

FIRST_TRY = timedelta(seconds=10)
"""How long cleaning is waited for where the budget was spent before anybody had tried it."""
RETRY_DEFERRED = timedelta(minutes=5)
"""How often a cleaning that was deferred is tried again."""


def begin_compensation(o: Observation, failure: Failure, status: Status | None = None) -> Decision:
    """Write the intent and the first cause; nothing is undone before that is recorded.

    Where nothing was ever staged there is nothing to undo: the run ends at once.
    """
    cancelled = failure.code is Code.CANCELLED
    if o.job.status.at is Phase.VALIDATING:
        end = Phase.CANCELLED if cancelled else Phase.FAILED
        return end_run(o, status or o.job.status, end, failure, cleaned=None)
    phase = Phase.CANCELLING if cancelled else Phase.FAILING
    wanted = msgspec.structs.replace(status or o.job.status, phase=phase.value, error=error_status(failure))
    return Decision(change(o, wanted))


def end_run(
    o: Observation, status: Status, phase: Phase, failure: Failure | None, cleaned: bool | str | None
) -> Decision:
    """Write the terminal phase, and before it the one Event that says so."""
    wanted = msgspec.structs.replace(status, phase=phase.value)
    if failure:
        wanted = msgspec.structs.replace(wanted, error=error_status(failure))
    if phase is Phase.SUCCEEDED:
        wanted = _succeeded(wanted)
    actions = [*_discard(o, phase), _ending_event(wanted, phase)]
    return Decision(change(o, wanted, cleaned=cleaned), tuple(actions))


def with_results(status: Status, results: ItemResults | None) -> Status:
    """The status with the verified results of its items, if they are known."""
    if results is None:
        return status
    counts = results.counts
    return msgspec.structs.replace(
        status, items=counts, progress=f"{counts.finished}/{counts.total}", failures=results.failures
    )


def with_published(status: Status, published: Published) -> Status:
    """The status with what was published."""
    outputs = OutputCounts(published.objects, published.bytes)
    return msgspec.structs.replace(with_results(status, published.results), outputs=outputs)


def _succeeded(status: Status) -> Status:
    """The status without an error, and with the outcome if the success is not a plain one."""
    run = status.run or RunStatus()
    if status.items and status.items.failed and not run.outcome:
        run = msgspec.structs.replace(run, outcome=PARTIAL)
    return msgspec.structs.replace(status, error=None, run=run)


def _ending_event(status: Status, phase: Phase) -> RecordEvent:
    run = status.run or RunStatus()
    if status.error is None:
        outputs, items = status.outputs or OutputCounts(), status.items or ItemCounts()
        made = f"{items.total} items gave {outputs.objects} outputs, {outputs.bytes} bytes"
        made += f"; {items.skipped} were skipped, since nothing had changed" if items.skipped else ""
        told = [] if run.outcome == VALIDATED else [made]
        told += filter(None, [outcome_text(run.outcome, items)])
        text = "; ".join(told)
        return RecordEvent(warning=False, reason=run.outcome or phase.value, message=text, run=run.number)
    error = status.error
    text = f"{error.code} {error.message}"
    return RecordEvent(warning=phase is Phase.FAILED, reason=error.reason, message=text, run=run.number)


def _discard(o: Observation, phase: Phase) -> list[Action]:
    """Which ended attempts go now: all but those that the retention keeps for their logs."""
    keep = _retention(o).pods
    last: dict[tuple[int, int, int], Attempt] = {}
    for attempt in o.attempts:
        if attempt.state is State.FAILED:
            place = (attempt.run, attempt.epoch, attempt.shard)
            last[place] = max(attempt, last.get(place, attempt), key=lambda a: a.number)
    kept: set[str] = set()
    if keep is KeepPods.ALWAYS:
        kept = {a.name for a in o.attempts if not a.live}
    elif keep is KeepPods.ON_FAILURE and phase is not Phase.SUCCEEDED:
        kept = {a.name for a in last.values()}
    return [StopAttempt(a) for a in o.attempts if a.name not in kept and not a.deleting]


def _retention(o: Observation) -> Retention:
    return Retention() if isinstance(o.job.spec, InvalidSpec) else o.job.spec.retention


def _stop_live(o: Observation) -> list[Action]:
    return [StopAttempt(a) for a in o.attempts if a.live and not a.deleting]


def _report(o: Observation) -> str:
    run = o.job.status.run
    return report_key(o.job.key.namespace, o.job.key.name, o.job.uid, run.number) if run else ""


def decide_compensation(o: Observation) -> Decision:
    """Failing and Cancelling: attempts end, staging is emptied, then the terminal phase is written."""
    status = o.job.status
    target = Phase.FAILED if status.at is Phase.FAILING else Phase.CANCELLED
    begun = status.phase_since or o.now
    operation = Clean((status.staging.prefix,) if status.staging else (), report=_report(o))
    progress = o.progress if o.operation == operation else None
    if isinstance(progress, Cleaned):
        status = msgspec.structs.replace(status, report=operation.report)
        if progress.committed:
            status = with_published(status, progress.committed)
            return end_run(o, status, Phase.SUCCEEDED, None, cleaned=True)
        return end_run(o, status, target, None, cleaned=True)
    end = _spent(o, operation, begun)
    if o.now >= end:
        return end_run(o, status, target, None, cleaned=deferral(o, progress).message)
    live = any(a.live for a in o.attempts)
    patient = live and o.now < begun + o.policy.cleaning_budget / 2
    moments = [end, *([begun + o.policy.cleaning_budget / 2] if patient else [])]
    moments += _retry(progress, o.now)
    return Decision(
        change(o, status),
        tuple(_stop_live(o)),
        operation=None if patient else operation,
        requeue_at=min(moments),
    )


def _spent(o: Observation, operation: Clean, begun: datetime) -> datetime:
    """When the cleaning budget is spent; whatever the clocks say, not before cleaning was tried.

    Nobody may have been there to clean, and the moment of a deletion is by the API server's clock.
    """
    tried_since = o.operation_since if o.operation == operation else o.now
    end = begun + o.policy.cleaning_budget
    return max(end, tried_since + FIRST_TRY) if tried_since else end


def _retry(progress: object, now: datetime) -> list[datetime]:
    if isinstance(progress, Broken) and progress.retry_at and progress.retry_at > now:
        return [progress.retry_at]
    return []


def decide_deleted(o: Observation) -> Decision:
    """The job is being deleted: clean within the budget, then let go, whatever the store says."""
    status = o.job.status
    if not o.job.guarded or o.job.deleted_at is None:
        return Decision(status)
    budget = o.policy.cleaning_budget
    operation = Clean((job_staging_prefix(o.policy.staging_folder, o.job.key.namespace, o.job.uid),))
    progress = o.progress if o.operation == operation else None
    if isinstance(progress, Cleaned):
        return Decision(status, (ReleaseFinalizer(),))
    end = _spent(o, operation, o.job.deleted_at)
    if o.now >= end:
        why = deferral(o, progress)
        run = status.run.number if status.run else 0
        late = RecordEvent(warning=True, reason="CleaningDeferred", message=why.message, run=run)
        return Decision(status, (late, ReleaseFinalizer(deferred=why.reason)))
    live = any(a.live for a in o.attempts)
    half = o.job.deleted_at + budget / 2
    patient = live and o.now < half
    moments = [end, *([half] if patient else []), *_retry(progress, o.now)]
    return Decision(
        status, tuple(_stop_live(o)), operation=None if patient else operation, requeue_at=min(moments)
    )


def decide_terminal(o: Observation) -> Decision:
    """Succeeded, Failed, Cancelled: let go of what is clean, start a new run, end the retention."""
    status = o.job.status
    run = status.run or RunStatus()
    if not isinstance(o.job.spec, InvalidSpec) and o.job.spec.run.id != run.id:
        return _next_run(o, run)
    operation, progress = _owed(o)
    if operation and isinstance(progress, Cleaned):
        status = msgspec.structs.replace(status, report=operation.report or status.report)
        return Decision(change(o, status, cleaned=True))
    why = deferral(o, progress).message if isinstance(progress, Broken) else None
    actions: list[Action] = [ReleaseFinalizer()] if o.job.guarded and operation is None else []
    # Attempts that appeared late (a launch whose answer was lost) end here.
    actions += _stop_live(o)
    retention = _retention(o)
    end = (run.finished_at or o.now) + timedelta(seconds=retention.ttl_seconds_after_finished)
    moments = [] if operation is None else _retry(progress, o.now) or [o.now + RETRY_DEFERRED]
    if o.now < end:
        said = change(o, status, cleaned=why)
        return Decision(said, tuple(actions), operation, requeue_at=min([end, *moments]))
    if retention.policy is Compaction.DELETE:
        return Decision(change(o, status, cleaned=why), (*actions, DeleteJob()), operation)
    leftovers = [StopAttempt(a) for a in o.attempts if not a.deleting]
    return Decision(
        change(o, _compacted(status, run, owed=operation is not None), cleaned=why),
        (*actions, *leftovers),
        operation,
        requeue_at=min(moments, default=None),
    )


def _owed(o: Observation) -> tuple[Clean | None, Progress | None]:
    """The cleaning that an ended run still owes, with its report if it has none, and how that stands."""
    staging, cleaned = o.job.status.staging, o.job.status.condition("StagingCleaned")
    if staging is None or cleaned is None or cleaned.status == "True":
        return None, None
    failed = o.job.status.at is not Phase.SUCCEEDED
    operation = Clean((staging.prefix,), report=_report(o) if failed and not o.job.status.report else "")
    return operation, o.progress if o.operation == operation else None


def _compacted(status: Status, run: RunStatus, owed: bool) -> Status:
    """What stays of an ended run after its retention; where its staging is, as long as that is owed."""
    shards = None if run.shards is None else msgspec.structs.replace(run.shards, attempts="")
    return msgspec.structs.replace(
        status,
        failures=(),
        staging=status.staging if owed else None,
        run=msgspec.structs.replace(run, shards=shards),
    )


def _next_run(o: Observation, run: RunStatus) -> Decision:
    """Begin again: the number is kept so that the next run counts on from it, and how this one ended."""
    fresh = Status(phase=Phase.PENDING.value, run=RunStatus(id="", number=run.number, epoch=0))
    wanted = with_history(fresh, o.job.status)
    return Decision(change(o, wanted), tuple(StopAttempt(a) for a in o.attempts if not a.deleting))
