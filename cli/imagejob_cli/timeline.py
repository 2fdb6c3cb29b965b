"""The phases of a run with their durations, from the conditions of the job."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta

from imagejob.job import ImageJob
from imagejob_cli.terminal import counted, size

_MILESTONES = (
    ("Pending", "Accepted"),
    ("Staging", "Staged"),
    ("Launching", "Launched"),
    ("Running", "Processed"),
)
"""Phases, and the condition that is True from the end of each."""


class State(enum.Enum):
    """How a step ended, if it has."""

    DONE = "✓"
    ACTIVE = "▸"
    FAILED = "✗"


@dataclass(frozen=True, slots=True)
class Step:
    """One phase of a run."""

    phase: str
    state: State
    since: datetime
    until: datetime | None
    note: str = ""

    def duration(self, now: datetime) -> timedelta:
        """How long it took, or has taken so far."""
        return (self.until or now) - self.since


def timeline(job: ImageJob) -> list[Step]:
    """The phases of the current run in their order; empty before it has started."""
    begun = job.run.started_at
    if begun is None:
        return []
    steps: list[Step] = []
    validating = (job.spec.get("run") or {}).get("mode") == "Validate"
    milestones, following = (_MILESTONES[:1], "Validating") if validating else (_MILESTONES, "Publishing")
    for phase, kind in milestones:
        condition = job.condition(kind)
        if condition is None or condition.status != "True":
            following = phase
            break
        until = max(begun, condition.last_transition_time)
        steps.append(Step(phase, State.DONE, begun, until, _note(job, phase)))
        begun = until
    return [*steps, *_rest(job, following, begun)]


def _rest(job: ImageJob, phase: str, begun: datetime) -> list[Step]:
    """The phase that the run is in or ended in, and the compensation of a failure."""
    since = max(begun, job.status.phase_since or begun)
    end = max(begun, job.run.finished_at) if job.run.finished_at else None
    if job.phase == "Succeeded":
        return [Step(phase, State.DONE, begun, end, _note(job, phase))]
    if job.phase in ("Failed", "Cancelled"):
        failed = next((c for c in job.status.conditions if c.status == "False" and c.type in _KINDS), None)
        at = max(begun, failed.last_transition_time) if failed else end
        steps = [Step(phase, State.FAILED, begun, at, _note(job, phase))]
        if at and end and end > at:
            steps.append(Step("cleaning", State.DONE, at, end))
        return steps
    if job.phase in ("Failing", "Cancelling"):
        return [Step(phase, State.FAILED, begun, since), Step(job.phase, State.ACTIVE, since, None)]
    return [Step(job.phase, State.ACTIVE, since, None, _note(job, job.phase))]


_KINDS = {kind for _, kind in _MILESTONES}


def _note(job: ImageJob, phase: str) -> str:
    """What the status counts of a phase."""
    run, items, outputs, staging = job.run, job.items, job.status.outputs, job.status.staging
    if phase == "Staging":
        copied = f", {size(staging.bytes)} copied" if staging and staging.bytes else ""
        return counted(items.total, "item") + copied if items.total else ""
    if phase == "Launching" and run.queued_seconds:
        return f"{run.queued_seconds}s in the queue"
    if phase == "Running":
        shards = f" in {run.shards.succeeded}/{counted(run.shards.total, 'shard')}" if run.shards else ""
        return f"{items.finished}/{counted(items.total, 'item')}{shards}" if items.total else ""
    if phase == "Publishing" and outputs and outputs.objects:
        return f"{counted(outputs.objects, 'object')}, {size(outputs.bytes)}"
    return ""
