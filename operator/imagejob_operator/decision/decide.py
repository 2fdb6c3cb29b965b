"""The decision: from one observation to actions, a status, an operation, and the time of the next reconcile.

One module per phase. No phase waits forever: it moves on, or names the time at which it checks again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.phase import COMPENSATING, TERMINAL, Phase
from imagejob_operator.api.spec import InvalidSpec, SpecHead
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.operation import Published
from imagejob_operator.decision.phases.compensation import (
    abort_run,
    cancelled,
    decide_compensation,
    decide_deleted,
)
from imagejob_operator.decision.phases.deadlines import active_deadline_exceeded
from imagejob_operator.decision.phases.lingering import end_lingering
from imagejob_operator.decision.phases.pending import decide_pending, refuse
from imagejob_operator.decision.phases.processing import decide_processing
from imagejob_operator.decision.phases.publishing import decide_publishing
from imagejob_operator.decision.phases.staging import decide_staging
from imagejob_operator.decision.phases.suspended import decide_suspended, decide_suspended_unstarted, suspend
from imagejob_operator.decision.phases.terminal import decide_terminal
from imagejob_operator.decision.phases.validating import decide_validating
from imagejob_operator.decision.run_events import with_step_events


def decide(o: Observation) -> Decision:
    """Decide one reconcile of one job."""
    return with_step_events(o, end_lingering(o, _decide(o)))


def _decide(o: Observation) -> Decision:
    status, spec = o.job.status, o.job.spec
    if o.job.deleted_at is not None:
        return decide_deleted(o)
    if status.at in COMPENSATING:
        return decide_compensation(o)
    if status.at in TERMINAL:
        return decide_terminal(o)
    if status.at is Phase.SUSPENDED and status.staging is None and not status.condition("StagingCleaned"):
        return decide_suspended_unstarted(o)
    if isinstance(spec, InvalidSpec):
        return refuse(o, Failure(Code.CREATION, Reason.INVALID_SPEC, str(spec)))
    if status.at is Phase.PENDING:
        return decide_pending(o, spec)
    return _decide_started(o, spec)


def _decide_started(o: Observation, spec: SpecHead) -> Decision:
    """A run that has started: first what its user asks for, then its deadline, then its phase."""
    status = o.job.status
    if status.run is not None and status.run.id == spec.cancel_run_id:
        return abort_run(_caught_up(o, spec), cancelled(status.run.id))
    if status.run is None or status.run.id != spec.run.id:
        text = f"spec.run.id was changed to {spec.run.id!r}: this run ends and the new one starts"
        return abort_run(_caught_up(o, spec), Failure(Code.CANCELLED, Reason.SUPERSEDED, text))
    if status.at is Phase.SUSPENDED:
        return decide_suspended(o, spec)
    if spec.suspend and not isinstance(o.progress, Published):
        return suspend(o)
    if status.at is not Phase.PUBLISHING and o.now >= o.job.ends_by(o.now):
        return abort_run(o, active_deadline_exceeded(o, spec))
    return _FORWARD[status.at](o, spec)


def _caught_up(o: Observation, spec: SpecHead) -> Observation:
    """The observation with the phase that the Pods have reached, which may not be written yet."""
    if o.job.status.at not in (Phase.LAUNCHING, Phase.RUNNING):
        return o
    reached = decide_processing(o, spec).status
    return replace(o, job=replace(o.job, status=reached)) if reached.at is Phase.PUBLISHING else o


_FORWARD: dict[Phase, Callable[[Observation, SpecHead], Decision]] = {
    Phase.VALIDATING: decide_validating,
    Phase.STAGING: decide_staging,
    Phase.LAUNCHING: decide_processing,
    Phase.RUNNING: decide_processing,
    Phase.PUBLISHING: decide_publishing,
}
