"""Publishing: results are verified, outputs copied to their final keys, the report written."""

from __future__ import annotations

from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import SpecHead, tolerated_failures
from imagejob_operator.api.status import RunStatus
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.operation import Broken, Publish, Published
from imagejob_operator.decision.phases.compensation import abort_run
from imagejob_operator.decision.phases.deadlines import (
    active_deadline_exceeded,
    retry_deadline,
    run_operation,
)
from imagejob_operator.decision.phases.terminal import finish_run, with_published, with_results
from imagejob_operator.decision.unstaged import stopped_retrying


def decide_publishing(o: Observation, spec: SpecHead) -> Decision:
    """Publish, and retry transient failures, within the active deadline."""
    status, run = o.job.status, o.job.status.run or RunStatus()
    deadline = o.job.ends_by(o.now)
    operation = Publish(
        prefix=o.staged_prefix,
        report=o.report_key,
        deadline=deadline,
        lost=run.shards.failed if run.shards else 0,
        tolerated=tolerated_failures(spec.failure_policy, status.items.total if status.items else 0),
    )
    progress = o.progress_of(operation)
    if isinstance(progress, Published):
        status = with_published(status, progress, operation.report)
        cleaned, overwrote = progress.cleaned, progress.overwrote
        return finish_run(o, status, Phase.SUCCEEDED, cleaned=cleaned, overwrote=overwrote)
    broken = progress if isinstance(progress, Broken) else None
    if broken and broken.retry_at is None:
        return abort_run(o, broken.failure, with_results(status, broken.results))
    if o.now >= deadline:
        # Safe while Publish still runs: if it did write the report, the compensation finds it and succeeds.
        return abort_run(o, active_deadline_exceeded(o, spec))
    if broken is None:
        return run_operation(o, operation, deadline)
    retry_until = retry_deadline(o, spec)
    if o.now >= retry_until:
        return abort_run(o, stopped_retrying(broken.failure, spec))
    return run_operation(o, operation, min(deadline, retry_until))
