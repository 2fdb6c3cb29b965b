"""Validating: everything that a run needs is checked, and nothing is staged."""

from __future__ import annotations

import msgspec

from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import SpecHead
from imagejob_operator.api.status import VALIDATED, ItemCounts, RunStatus
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.operation import Validate, Validated
from imagejob_operator.decision.phases.deadlines import retry_deadline
from imagejob_operator.decision.phases.staging import wait_for_sources
from imagejob_operator.decision.phases.terminal import finish_run


def decide_validating(o: Observation, spec: SpecHead) -> Decision:
    """Check everything that a run needs, and end as the run would; there is nothing to clean."""
    run = o.job.status.run or RunStatus()
    operation = Validate(prefix=o.staging_prefix(run), report=o.report_key)
    progress = o.progress_of(operation)
    if not isinstance(progress, Validated):
        return wait_for_sources(o, spec, operation, retry_deadline(o, spec), "the run was not validated")
    status = msgspec.structs.replace(
        o.job.status,
        report=operation.report,
        items=ItemCounts(total=progress.items, failed=progress.failed),
        failures=progress.failures,
    )
    if progress.failure:
        return finish_run(o, status, Phase.FAILED, progress.failure)
    status = msgspec.structs.replace(status, run=msgspec.structs.replace(run, outcome=VALIDATED))
    return finish_run(o, status, Phase.SUCCEEDED)
