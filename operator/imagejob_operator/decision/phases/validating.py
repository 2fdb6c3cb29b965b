"""Validating: a run that is only tried out. Nothing is staged or launched, so there is nothing to undo."""

from __future__ import annotations

import msgspec

from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import Spec
from imagejob_operator.api.status import VALIDATED, ItemCounts, RunStatus
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.operation import Validate, Validated
from imagejob_operator.decision.phases.deadlines import progress_of, wait_for_sources
from imagejob_operator.decision.phases.ending import end_run
from imagejob_operator.decision.status_update import change
from imagejob_operator.naming.prefixes import report_key, staging_prefix


def begin_validating(o: Observation, spec: Spec) -> Decision:
    """Record the run; without a finalizer, since it never owes a cleaning."""
    before = o.job.status.run or RunStatus()
    started = o.now.replace(microsecond=0)
    run = RunStatus(
        id=spec.run.id,
        number=before.number + 1,
        epoch=1,
        started_at=started,
        store=o.stores.staging,
    )
    return Decision(
        change(o, msgspec.structs.replace(o.job.status, phase=Phase.VALIDATING.value, run=run, staging=None))
    )


def validating(o: Observation, spec: Spec) -> Decision:
    """Have all looked at that a run needs, and say how it would end."""
    key, run = o.job.key, o.job.status.run or RunStatus()
    operation = Validate(
        prefix=staging_prefix(o.policy.staging_folder, key.namespace, o.job.uid, run.number, run.epoch),
        report=report_key(key.namespace, key.name, o.job.uid, run.number),
    )
    progress = progress_of(o, operation)
    if not isinstance(progress, Validated):
        return wait_for_sources(o, spec, operation, "the run was not validated")
    status = msgspec.structs.replace(
        o.job.status, report=operation.report, items=ItemCounts(total=progress.items)
    )
    if progress.failure:
        return end_run(o, status, Phase.FAILED, progress.failure, cleaned=None)
    status = msgspec.structs.replace(status, run=msgspec.structs.replace(run, outcome=VALIDATED))
    return end_run(o, status, Phase.SUCCEEDED, None, cleaned=None)
