"""Staging: the sources are copied, then the shards are planned."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import msgspec

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import InvalidSpec, SpecHead
from imagejob_operator.api.status import ItemCounts, RunStatus, ShardStatus, StagingStatus
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.operation import Broken, Stage, Staged, Validate
from imagejob_operator.decision.phases.compensation import abort_run
from imagejob_operator.decision.phases.deadlines import (
    latest_failure,
    retry_deadline,
    run_operation,
)
from imagejob_operator.decision.shards import items_per_pod, shard_count, survey, with_attempts
from imagejob_operator.decision.status_update import next_status
from imagejob_operator.decision.unstaged import stopped_retrying, too_many_unstaged

LAST_TRY = timedelta(minutes=3)
"""How long the last try at sources on web servers may take, with retries after errors of the store."""


def decide_staging(o: Observation, spec: SpecHead) -> Decision:
    """Stage the sources; after the deadline, those on web servers have one last try."""
    operation = Stage(o.staged_prefix)
    last_try = replace(operation, last_try=True)
    if o.operation == last_try:
        operation = last_try
    progress = o.progress_of(operation)
    if isinstance(progress, Staged):
        return _plan_shards(o, spec, progress)
    deadline = retry_deadline(o, spec)
    permanent = isinstance(progress, Broken) and progress.retry_at is None
    if operation == last_try:
        deadline = (o.operation_since or deadline) + LAST_TRY
    elif o.job.downloads and o.now >= deadline and not permanent:
        return run_operation(o, last_try, o.now + LAST_TRY)
    return wait_for_sources(o, spec, operation, deadline, "the sources were not staged")


def wait_for_sources(
    o: Observation, spec: SpecHead, operation: Validate | Stage, deadline: datetime, overdue: str
) -> Decision:
    """Wait until the sources are staged or checked; a permanent failure or the deadline is JOB_002."""
    progress = o.progress_of(operation)
    if isinstance(progress, Broken) and progress.retry_at is None:
        return abort_run(o, progress.failure)
    if o.now < deadline:
        return run_operation(o, operation, deadline)
    if last := latest_failure(o, progress):
        return abort_run(o, stopped_retrying(last, spec))
    limit = f"spec.execution.stagingDeadlineSeconds ({spec.execution.staging_deadline_seconds} s)"
    text = f"{overdue} within {limit}; raise it or use fewer items"
    return abort_run(o, Failure(Code.STAGING, Reason.STAGING_DEADLINE_EXCEEDED, text))


def _plan_shards(o: Observation, spec: SpecHead, staged: Staged) -> Decision:
    """Record the shards and the first attempts, unless too many sources could not be staged.

    Without items there is nothing to launch.
    """
    try:
        per_shard = items_per_pod(spec.execution, staged.items)
    except InvalidSpec as error:
        return abort_run(o, Failure(Code.CREATION, Reason.INVALID_SPEC, str(error)))
    status, run = o.job.status, o.job.status.run or RunStatus()
    total = staged.items + staged.skipped
    status = msgspec.structs.replace(
        status,
        staging=StagingStatus(o.staged_prefix, staged.objects, staged.bytes),
        failures=staged.failures,
    )
    if failure := too_many_unstaged(staged, total, spec.failure_policy):
        counts = ItemCounts(total, failed=staged.failed, skipped=staged.skipped)
        return abort_run(o, failure, msgspec.structs.replace(status, items=counts))
    status = msgspec.structs.replace(
        status,
        phase=Phase.LAUNCHING.value if staged.items else Phase.PUBLISHING.value,
        run=msgspec.structs.replace(run, shards=ShardStatus(shard_count(staged.items, per_shard))),
        items_per_shard=per_shard,
        items=ItemCounts(total=total, skipped=staged.skipped),
    )
    planned = replace(o, job=replace(o.job, status=status), attempts=())
    first = survey(planned, spec.execution.retries_per_shard)
    launching = with_attempts(status, first, spec.execution.parallelism)
    return Decision(next_status(o, launching, remarks={"Staged": staged.note} if staged.note else {}))
