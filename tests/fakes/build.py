"""Short ways to make values of the core."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from fakes.clock import START
from fakes.memory_owners import FOLDER
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob, Key, attempt_name, parse_whole_job
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import (
    ItemCounts,
    RunPlace,
    RunStatus,
    ShardStatus,
    StagingStatus,
    Status,
    error_status,
    status_body,
)
from imagejob_operator.decision.attempt import Attempt, AttemptCounts, Problem, State, format_attempts
from imagejob_operator.decision.observation import Admission, Observation, Policy
from imagejob_operator.decision.operation import Operation, Progress
from imagejob_operator.decision.status_update import with_conditions
from imagejob_operator.naming.names import FINALIZER
from imagejob_operator.naming.prefixes import staging_prefix

UID = "0000aaaa-1111-2222-3333-444455556666"
KEY = Key("shop", "spring")
NOW = START
RUN_UID = "00112233aabbccdd"
PREFIX = staging_prefix(FOLDER, "shop", UID, 1, 1, RUN_UID)
POLICY = Policy(FOLDER)
CAUSE = error_status(Failure(Code.LAUNCH, Reason.QUOTA_EXCEEDED, "exceeded quota"))
CANCEL = error_status(Failure(Code.CANCELLED, Reason.SUPERSEDED, "another run"))

SPEC: dict[str, Any] = {
    "source": {"keys": ["uploads/a.jpg", "uploads/b.png"]},
    "renditions": [{"name": "web", "steps": [{"resize": {"width": 100}}], "output": {"format": "WebP"}}],
    "destination": {"prefix": "catalog/"},
}


def spec(**fields: Any) -> dict[str, Any]:
    """The smallest spec, with top-level fields changed."""
    return {**copy.deepcopy(SPEC), **fields}


def status(
    phase: Phase,
    *,
    counts: Sequence[AttemptCounts] = (AttemptCounts(1),),
    since: datetime = NOW,
    run_id: str = "1",
    items: int = 2,
    per_shard: int = 2,
) -> Status:
    """A status as it current in a phase of the first run."""
    if phase is Phase.PENDING:
        return Status()
    staged = phase not in (Phase.PENDING, Phase.VALIDATING, Phase.STAGING, Phase.SUSPENDED)
    shards = ShardStatus(len(counts), attempts=format_attempts(tuple(counts))) if staged else None
    return Status(
        observed_generation=1,
        phase=phase.value,
        phase_since=since,
        run=RunStatus(id=run_id, number=1, uid=RUN_UID, epoch=1, started_at=since, shards=shards),
        items_per_shard=per_shard if staged else 0,
        items=ItemCounts(items) if staged else None,
        staging=None if phase is Phase.VALIDATING else StagingStatus(PREFIX),
    )


def at_phase(phase: Phase) -> Status:
    """A status in a phase, with its error and its conditions."""
    error = {Phase.FAILING: CAUSE, Phase.FAILED: CAUSE, Phase.CANCELLING: CANCEL, Phase.CANCELLED: CANCEL}
    made = msgspec.structs.replace(status(phase), phase=phase.value, error=error.get(phase))
    return with_conditions(made, Status(), NOW)


def job(
    current: Status | None = None,
    wanted: Mapping[str, Any] | None = None,
    *,
    guarded: bool = True,
    deleted_at: datetime | None = None,
    generation: int = 1,
) -> ImageJob:
    """An ImageJob as an operation reads it, with its whole spec."""
    metadata: dict[str, Any] = {
        "name": KEY.name,
        "namespace": KEY.namespace,
        "uid": UID,
        "resourceVersion": "7",
        "generation": generation,
        "finalizers": [FINALIZER] if guarded else [],
    }
    if deleted_at:
        metadata["deletionTimestamp"] = deleted_at.isoformat()
    body = {
        "metadata": metadata,
        "spec": dict(wanted or SPEC),
        "status": msgspec.json.decode(msgspec.json.encode(status_body(current or Status()))),
    }
    return parse_whole_job(body)


def attempt(
    state: State,
    problem: Problem | None = None,
    *,
    shard: int = 0,
    number: int = 1,
    run: int = 1,
    epoch: int = 1,
    run_uid: str = RUN_UID,
    created: datetime = NOW,
    finished: datetime | None = None,
    deleting: bool = False,
    gone_by: datetime | None = None,
    delivered: bool = True,
    held: bool = False,
    lingers: bool = False,
) -> Attempt:
    name = attempt_name(KEY, UID, RunPlace(run, epoch, run_uid), shard, number)
    # So long ago that its shard has rested.
    ended = created - timedelta(minutes=1) if state in (State.SUCCEEDED, State.FAILED) else None
    return Attempt(
        name=name,
        uid=f"uid-of-{name}",
        run=run,
        epoch=epoch,
        run_uid=run_uid,
        shard=shard,
        number=number,
        state=state,
        created_at=created,
        problem=problem,
        finished_at=finished or ended,
        deleting=deleting,
        gone_by=gone_by,
        order_delivered=delivered,
        held=held,
        lingers=lingers,
    )


def seen(
    of: ImageJob,
    *attempts: Attempt,
    now: datetime = NOW,
    operation: Operation | None = None,
    progress: Progress | None = None,
    admission: Admission | None = None,
    **more: Any,
) -> Observation:
    return Observation(
        now=now,
        job=of,
        policy=POLICY,
        admission=admission,
        attempts=attempts,
        operation=operation,
        progress=progress,
        **more,
    )


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)
