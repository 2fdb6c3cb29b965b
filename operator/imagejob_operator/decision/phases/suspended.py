"""Suspended: the Pods end, the staging is emptied, and later the run is staged anew in its next epoch."""

from __future__ import annotations

from datetime import datetime

import msgspec

from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import InvalidSpec, Spec
from imagejob_operator.api.status import RunStatus, StagingStatus
from imagejob_operator.decision.action import Action, AddFinalizer, StopAttempt
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.operation import Broken, Clean, Cleaned, last_failure
from imagejob_operator.decision.phases.deferral import deferral
from imagejob_operator.decision.phases.ending import RETRY_DEFERRED
from imagejob_operator.decision.phases.kueue import released
from imagejob_operator.decision.status_update import change
from imagejob_operator.naming.prefixes import staging_prefix

RESTS = "spec.suspend is true: nothing runs, and nothing is staged until it is false"
GOES_ON = "spec.suspend is false again: the run goes on as soon as what was staged before is deleted"


def suspend(o: Observation) -> Decision:
    """Write that the run is suspended; what it had done is given up, and undone once that is recorded."""
    run = o.job.status.run
    wanted = msgspec.structs.replace(
        o.job.status,
        phase=Phase.SUSPENDED.value,
        run=run and msgspec.structs.replace(released(run, o.now), shards=None),
        items_per_shard=0,
        items=None,
        progress="",
        failures=(),
    )
    return Decision(change(o, wanted, note=RESTS))


def decide_unbegun(o: Observation) -> Decision:
    """Suspended before the run had begun: nothing is owed, and whatever is new is judged from Pending."""
    spec, status = o.job.spec, o.job.status
    if not isinstance(spec, InvalidSpec) and spec.suspend and spec.cancel_run_id != spec.run.id:
        return Decision(change(o, status, note=RESTS), requeue_at=o.now + o.policy.requeue_at)
    return Decision(change(o, msgspec.structs.replace(status, phase=Phase.PENDING.value)))


def decide_suspended(o: Observation, spec: Spec) -> Decision:
    """Suspended in mid-run: attempts end and staging is emptied; after that it goes on if it is wanted again.

    A staging that cannot be emptied within the cleaning budget does not hold it up: it is never used again.
    """
    status = o.job.status
    budget = o.policy.cleaning_budget
    begun = status.phase_since or o.now
    said = status.condition("StagingCleaned")
    clean = said is not None and said.status == "True"
    operation = None if clean else Clean((status.staging.prefix,) if status.staging else ())
    progress = o.progress if operation and o.operation == operation else None
    note = RESTS if spec.suspend else GOES_ON
    if failure := last_failure(progress):
        note += f"; {failure.message}"
    if isinstance(progress, Cleaned):
        return Decision(change(o, status, note=note, cleaned=True))
    stops = tuple(StopAttempt(a) for a in o.attempts if not a.deleting)
    overdue = o.now >= begun + budget
    if not spec.suspend and (clean or overdue):
        return _go_on(o, stops)
    deferred = deferral(o, progress).message if overdue and not clean else None
    patient = any(a.live for a in o.attempts) and o.now < begun + budget / 2
    moments = [o.now + (o.policy.requeue_at if clean else RETRY_DEFERRED)]
    moments += [moment for moment in (begun + budget / 2, begun + budget) if moment > o.now and not clean]
    if isinstance(progress, Broken) and progress.retry_at and progress.retry_at > o.now:
        moments.append(progress.retry_at)
    return Decision(
        change(o, status, note=note, cleaned=deferred),
        stops,
        operation=None if patient else operation,
        requeue_at=min(moments),
    )


def _go_on(o: Observation, stops: tuple[Action, ...]) -> Decision:
    """Stage again, in a place that nothing of before has ever written to."""
    status, run = o.job.status, o.job.status.run or RunStatus()
    epoch = run.epoch + 1
    prefix = staging_prefix(o.policy.staging_folder, o.job.key.namespace, o.job.uid, run.number, epoch)
    wanted = msgspec.structs.replace(
        status,
        phase=Phase.STAGING.value,
        run=msgspec.structs.replace(
            run, epoch=epoch, suspended_seconds=run.suspended_seconds + _seconds(o.now, status.phase_since)
        ),
        staging=StagingStatus(prefix=prefix),
    )
    guard: tuple[Action, ...] = () if o.job.guarded else (AddFinalizer(),)
    return Decision(change(o, wanted), actions=(*guard, *stops))


def _seconds(now: datetime, since: datetime | None) -> int:
    return int((now.replace(microsecond=0) - since).total_seconds()) if since else 0
