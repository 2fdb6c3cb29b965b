"""Staging: the sources are copied, then the shards are planned."""

from __future__ import annotations

from dataclasses import replace

import msgspec

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import InvalidSpec, Spec
from imagejob_operator.api.status import ItemCounts, RunStatus, ShardStatus, StagingStatus
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.operation import Stage, Staged
from imagejob_operator.decision.phases.compensation import abort_run
from imagejob_operator.decision.phases.deadlines import progress_of, wait_for_sources
from imagejob_operator.decision.shard_size import items_per_pod
from imagejob_operator.decision.shards import shard_count, survey, with_attempts
from imagejob_operator.decision.status_update import next_status


def decide_staging(o: Observation, spec: Spec) -> Decision:
    """Stage the sources."""
    operation = Stage(o.job.status.staging.prefix if o.job.status.staging else "")
    progress = progress_of(o, operation)
    if isinstance(progress, Staged):
        return _plan_shards(o, spec, progress)
    return wait_for_sources(o, spec, operation, "the sources were not staged")


def _plan_shards(o: Observation, spec: Spec, staged: Staged) -> Decision:
    """Record the shards and the first attempts; without items there is nothing to launch."""
    try:
        per_shard = items_per_pod(spec.execution, staged.items)
    except InvalidSpec as error:
        return abort_run(o, Failure(Code.CREATION, Reason.INVALID_SPEC, str(error)))
    status, run = o.job.status, o.job.status.run or RunStatus()
    total = staged.items + staged.skipped
    status = msgspec.structs.replace(
        status,
        phase=Phase.LAUNCHING.value if staged.items else Phase.PUBLISHING.value,
        run=msgspec.structs.replace(run, shards=ShardStatus(shard_count(staged.items, per_shard))),
        items_per_shard=per_shard,
        items=ItemCounts(total=total, skipped=staged.skipped),
        progress=f"{staged.skipped}/{total}",
        staging=StagingStatus(status.staging.prefix if status.staging else "", staged.objects, staged.bytes),
    )
    planned = replace(o, job=replace(o.job, status=status), attempts=())
    first = survey(planned, spec.execution.retries_per_shard)
    return Decision(next_status(o, with_attempts(status, first, spec.execution.parallelism)))
