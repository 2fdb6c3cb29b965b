"""Suspended: attempts end and staging is emptied; a resumed run is staged again in its next epoch."""

from __future__ import annotations

import msgspec

from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import InvalidSpec, SpecHead
from imagejob_operator.api.status import RunStatus, StagingStatus, added_seconds
from imagejob_operator.decision.action import Action, AddFinalizer
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.operation import Clean, last_failure
from imagejob_operator.decision.phases.cleaning import clean_within_budget, stop_all, stop_moments
from imagejob_operator.decision.phases.compensation import (
    abort_run,
    finalizer_failure,
    wait_for_finalizer,
)
from imagejob_operator.decision.phases.starting import released
from imagejob_operator.decision.status_update import next_status

SUSPENDED = "spec.suspend is true; set it to false to resume the run"
RESUMES = "spec.suspend is false: the run resumes after the previously staged objects have been deleted"


def suspend(o: Observation) -> Decision:
    """Write that the run is suspended; its attempts and staging are removed once that is recorded."""
    run = o.job.status.run
    wanted = msgspec.structs.replace(
        o.job.status,
        phase=Phase.SUSPENDED.value,
        run=run and msgspec.structs.replace(released(run, o.now), shards=None),
        items_per_shard=0,
        items=None,
        failures=(),
    )
    return Decision(next_status(o, wanted, note=SUSPENDED))


def decide_suspended_unstarted(o: Observation) -> Decision:
    """Suspended before the run started: there is nothing to clean, and any change is judged in Pending."""
    spec, status = o.job.spec, o.job.status
    if not isinstance(spec, InvalidSpec) and spec.suspend and spec.cancel_run_id != spec.run.id:
        return Decision(next_status(o, status, note=SUSPENDED), requeue_at=o.now + o.policy.requeue_after)
    return Decision(next_status(o, msgspec.structs.replace(status, phase=Phase.PENDING.value)))


def decide_suspended(o: Observation, spec: SpecHead) -> Decision:
    """Clean, and resume the run if spec.suspend is false again.

    A staging that is not empty when the cleaning budget ends does not delay the run: it is not used again.
    """
    # A run can only resume with its finalizer.
    if failure := finalizer_failure(o):
        return abort_run(o, failure)
    if waiting := wait_for_finalizer(o):
        return waiting
    status = o.job.status
    note = SUSPENDED if spec.suspend else RESUMES
    cleaned = status.condition("StagingCleaned")
    if cleaned and cleaned.status == "True":
        if not spec.suspend:
            return _resume(o)
        requeue_at = min([o.now + o.policy.requeue_after, *stop_moments(o)])
        return Decision(next_status(o, status, note=note), stop_all(o), requeue_at=requeue_at)
    operation = Clean(o.staged_prefixes)
    cleaning = clean_within_budget(o, operation, status.phase_since or o.now)
    if failure := last_failure(cleaning.progress):
        note += f"; {failure.message}"
    if cleaning.done:
        return Decision(next_status(o, status, note=note, cleaned=True))
    if cleaning.deferral and not spec.suspend:
        return _resume(o)
    deferred = cleaning.deferral.message if cleaning.deferral else None
    wanted = next_status(o, status, note=note, cleaned=deferred)
    return Decision(wanted, stop_all(o), cleaning.operation, cleaning.requeue_at)


def add_finalizer(o: Observation) -> tuple[Action, ...]:
    """Put the finalizer on the job if it is not there."""
    return () if o.job.guarded else (AddFinalizer(),)


def _resume(o: Observation) -> Decision:
    """Stage again, below a prefix that was never written to."""
    run = o.job.status.run or RunStatus()
    now, since = o.now.replace(microsecond=0), o.job.status.phase_since
    spent = added_seconds(run.suspended_seconds, since, now)
    run = msgspec.structs.replace(run, epoch=run.epoch + 1, suspended_seconds=spent)
    wanted = msgspec.structs.replace(
        o.job.status, phase=Phase.STAGING.value, run=run, staging=StagingStatus(prefix=o.staging_prefix(run))
    )
    return Decision(next_status(o, wanted), (*add_finalizer(o), *stop_all(o)))
