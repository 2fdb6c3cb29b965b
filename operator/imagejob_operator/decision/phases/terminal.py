"""Succeeded, Failed, Cancelled: how a run gets there, and what happens until its retention ends."""

from __future__ import annotations

from datetime import timedelta

import msgspec

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import Compaction, InvalidSpec, KeepPods, Retention
from imagejob_operator.api.status import (
    PARTIAL,
    VALIDATED,
    ItemCounts,
    OutputCounts,
    RunPlace,
    RunStatus,
    Status,
    counted,
    error_status,
    with_history,
)
from imagejob_operator.decision.action import Action, DeleteJob, RecordEvent, ReleaseFinalizer
from imagejob_operator.decision.attempt import Attempt, State
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.operation import Broken, Clean, Cleaned, ItemResults, Progress, Published
from imagejob_operator.decision.phases.cleaning import (
    RETRY_DEFERRED,
    deferral,
    retry_moments,
    stop,
    stop_all,
    stop_moments,
)
from imagejob_operator.decision.status_update import OVERWROTE, next_status, outcome_text

EVENT_LIFETIME = timedelta(hours=1)
"""How long an API server keeps Events by default; later, an Event of the same name would be a second one."""


def finish_run(
    o: Observation,
    status: Status,
    phase: Phase,
    failure: Failure | None = None,
    cleaned: bool | str | None = None,
    overwrote: str = "",
) -> Decision:
    """Write the terminal phase, then record its Event; Pods and finalizer are removed only after that."""
    wanted = msgspec.structs.replace(status, phase=phase.value)
    if failure:
        wanted = msgspec.structs.replace(wanted, error=error_status(failure))
    if phase is Phase.SUCCEEDED:
        wanted = _succeeded(wanted)
    # A finalizer that is released next takes the Event with it, so that a crash before does not lose it.
    event = () if o.job.guarded and cleaned is True else (_final_event(wanted),)
    return Decision(next_status(o, wanted, cleaned=cleaned, remarks={OVERWROTE: overwrote}), event)


def release(o: Observation, deferred: Reason | None = None) -> tuple[Action, ...]:
    """Record the Event of a run that has ended, if that was not possible before, and release the job."""
    return (*end_event(o), ReleaseFinalizer(deferred))


def end_event(o: Observation) -> tuple[Action, ...]:
    """The Event of a run that has ended lately and whose finalizer is still there; it is recorded once."""
    status = o.job.status
    ended = status.run.finished_at if status.run else None
    late = ended is None or o.now >= ended + EVENT_LIFETIME
    return () if late or not o.job.guarded else (_final_event(status),)


def with_results(status: Status, results: ItemResults | None) -> Status:
    """The status with the verified results of its items, if they are known."""
    if results is None:
        return status
    return msgspec.structs.replace(status, items=results.counts, failures=results.failures)


def with_published(status: Status, published: Published, report: str) -> Status:
    """The status with what was published."""
    outputs = OutputCounts(published.objects, published.bytes)
    return msgspec.structs.replace(with_results(status, published.results), outputs=outputs, report=report)


def _succeeded(status: Status) -> Status:
    """The status without an error, and with the outcome of a run that succeeded with failures."""
    run = status.run or RunStatus()
    if status.items and status.items.failed and not run.outcome:
        run = msgspec.structs.replace(run, outcome=PARTIAL)
    return msgspec.structs.replace(status, error=None, run=run)


def _final_event(status: Status) -> RecordEvent:
    run, error = status.run or RunStatus(), status.error
    if error:
        text = f"{error.code} {error.message}"
        return RecordEvent(error.code != Code.CANCELLED, error.reason, text, run.number)
    outputs, items = status.outputs or OutputCounts(), status.items or ItemCounts()
    parts = []
    if run.outcome != VALIDATED:
        published = (
            counted(items.total, "item"),
            counted(outputs.objects, "output"),
            counted(outputs.bytes, "byte"),
        )
        parts.append(f"{', '.join(published)} published")
        if items.skipped:
            parts.append(f"{counted(items.skipped, 'item')} skipped, with outputs that are up to date")
    parts += filter(None, [outcome_text(run.outcome, items)])
    reason = run.outcome or Phase.SUCCEEDED.value
    return RecordEvent(warning=False, reason=reason, message="; ".join(parts), run=run.number)


def _removed(o: Observation, phase: Phase) -> list[Attempt]:
    """All attempts but those that spec.retention.pods keeps for their logs."""
    keep = _retention(o).pods
    kept: set[str] = set()
    if keep is KeepPods.ALWAYS:
        kept = {a.name for a in o.attempts if not a.live}
    elif keep is KeepPods.ON_FAILURE and phase is not Phase.SUCCEEDED:
        kept = _last_failed(o)
    return [a for a in o.attempts if a.name not in kept]


def _last_failed(o: Observation) -> set[str]:
    """The last failed attempt of each shard."""
    last: dict[tuple[RunPlace, int], Attempt] = {}
    for attempt in sorted(o.attempts, key=lambda a: a.number):
        if attempt.state is State.FAILED:
            last[attempt.place, attempt.shard] = attempt
    return {a.name for a in last.values()}


def _retention(o: Observation) -> Retention:
    return Retention() if isinstance(o.job.spec, InvalidSpec) else o.job.spec.retention


def decide_terminal(o: Observation) -> Decision:
    """Finish a deferred cleaning, release the finalizer, start a new run, apply the retention."""
    status = o.job.status
    run = status.run or RunStatus()
    operation, progress = _deferred_cleaning(o)
    if not isinstance(o.job.spec, InvalidSpec) and o.job.spec.run.id != run.id:
        if operation is None and end_event(o):
            # While the finalizer is there, a crash does not lose the Event.
            return Decision(next_status(o, status), release(o))
        return _next_run(o, run)
    if operation and isinstance(progress, Cleaned):
        status = msgspec.structs.replace(status, report=operation.report or status.report)
        return Decision(next_status(o, status, cleaned=True))
    retention = _retention(o)
    expires = (run.finished_at or o.now) + timedelta(seconds=retention.ttl_seconds_after_finished)
    moments = [] if operation is None else retry_moments(progress, o.now) or [o.now + RETRY_DEFERRED]
    moments += stop_moments(o)
    # An attempt whose launch was not confirmed may appear late.
    actions = stop(o, _removed(o, status.at))
    if o.now < expires:
        moments.append(expires)
    elif retention.policy is Compaction.DELETE:
        actions = (*actions, DeleteJob())
    else:
        actions = stop_all(o)
        status = _compacted(status, run, cleaned=operation is None)
    if o.job.guarded and operation is None:
        actions = (*release(o), *actions)
    deferred = deferral(o, progress).message if isinstance(progress, Broken) else None
    return Decision(
        next_status(o, status, cleaned=deferred), actions, operation, requeue_at=min(moments, default=None)
    )


def _deferred_cleaning(o: Observation) -> tuple[Clean | None, Progress | None]:
    """The cleaning that an ended run still needs, with its report if it has none, and its progress."""
    status, cleaned = o.job.status, o.job.status.condition("StagingCleaned")
    if status.staging is None or cleaned is None or cleaned.status == "True":
        return None, None
    unreported = status.at is not Phase.SUCCEEDED and not status.report
    operation = Clean(o.staged_prefixes)
    if unreported:
        operation = Clean(o.staged_prefixes, o.report_key, o.policy.staging_folder)
    return operation, o.progress_of(operation)


def _compacted(status: Status, run: RunStatus, cleaned: bool) -> Status:
    """What is kept of a run after its retention; where its staging is, until that is cleaned."""
    shards = None if run.shards is None else msgspec.structs.replace(run.shards, attempts="")
    return msgspec.structs.replace(
        status,
        failures=(),
        staging=None if cleaned else status.staging,
        run=msgspec.structs.replace(run, shards=shards),
    )


def _next_run(o: Observation, run: RunStatus) -> Decision:
    """Go back to Pending with the number of this run, from which the next one counts, and its history."""
    fresh = Status(phase=Phase.PENDING.value, run=RunStatus(id="", number=run.number, epoch=0))
    return Decision(next_status(o, with_history(fresh, o.job.status)), (*stop_all(o), *end_event(o)))
