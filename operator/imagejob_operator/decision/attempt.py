"""One attempt at one shard: the few facts about a Pod that the decision needs."""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from datetime import datetime

from imagejob_contract.result import Summary
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.status import RunPlace


class State(enum.StrEnum):
    """The state of an attempt."""

    WAITING = "Waiting"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an attempt does not start, or how it failed, with the evidence."""

    reason: Reason
    message: str
    certain: bool = False
    """Whether waiting does not help."""
    counted: bool = True
    """It counts as a retry of its shard; a disruption (drain, preemption, expired order) does not."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One launched attempt; `number` counts the launches of its shard from 1."""

    name: str
    uid: str
    run: int
    shard: int
    number: int
    state: State
    created_at: datetime
    problem: Problem | None = None
    summary: Summary | None = None
    started_at: datetime | None = None
    """When its work started; known only of one that has ended."""
    finished_at: datetime | None = None
    lingers: bool = False
    """Its work has ended and its Pod has not: an injected container is still running."""
    deleting: bool = False
    gone_by: datetime | None = None
    """When an attempt that is being deleted should be gone."""
    gone: bool = False
    """It no longer exists; this is its last known state."""
    held: bool = False
    """A queue holds it back: it may not be scheduled yet."""
    order_delivered: bool = True
    """Whether this process knows that the attempt has its order; not known after a restart."""
    stop_refused: Refusal | None = None
    """Why the API server does not delete it; None if it did not refuse."""
    epoch: int = 1
    """The epoch of the run's staging that it works on; earlier epochs are ignored."""
    run_uid: str = ""
    """The uid of its run; attempts at another run with the same number are ignored, see `RunPlace`."""

    @property
    def place(self) -> RunPlace:
        """What identifies the run that it belongs to."""
        return RunPlace(self.run, self.epoch, self.run_uid)

    @property
    def live(self) -> bool:
        """Whether it may still work."""
        return self.state in (State.WAITING, State.RUNNING)

    @property
    def ran(self) -> bool:
        """Whether its work ever started."""
        return self.state in (State.RUNNING, State.SUCCEEDED) or self.started_at is not None


def as_gone(attempt: Attempt) -> Attempt:
    """An attempt that no longer exists: as it ended, or as a disruption if it had not ended."""
    if not attempt.live:
        return replace(attempt, lingers=False, deleting=True, gone=True)
    problem = Problem(Reason.NODE_LOST, f"{attempt.name} was deleted before it finished", counted=False)
    return replace(
        attempt,
        state=State.FAILED,
        problem=problem,
        started_at=attempt.created_at if attempt.ran else None,
        finished_at=attempt.gone_by,
        deleting=True,
        gone=True,
    )


@dataclass(frozen=True, slots=True)
class Remark:
    """The newest Event of an attempt that waits without a problem in its status."""

    message: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Refusal:
    """The API server refuses something: why, since when, and when it is tried again."""

    problem: Problem
    since: datetime
    retry_at: datetime


@dataclass(frozen=True, slots=True)
class AttemptCounts:
    """What is recorded of one shard: counted attempts, disrupted launches, and whether it failed for good."""

    counted: int = 0
    disrupted: int = 0
    lost: bool = False

    @property
    def launches(self) -> int:
        """Number of the latest attempt."""
        return self.counted + self.disrupted


def format_attempts(counts: tuple[AttemptCounts, ...]) -> str:
    """Write the counts of all shards as `0-6=1,7=2+1,8=3x`.

    Shards 0 to 6 had one attempt, shard 7 two and one disrupted launch, shard 8 failed for good after three.
    """
    parts: list[str] = []
    start = 0
    for end in range(1, len(counts) + 1):
        if end < len(counts) and counts[end] == counts[start]:
            continue
        value = counts[start]
        if value.launches:
            span = str(start) if end - 1 == start else f"{start}-{end - 1}"
            disrupted = f"+{value.disrupted}" if value.disrupted else ""
            parts.append(f"{span}={value.counted}{disrupted}{'x' if value.lost else ''}")
        start = end
    return ",".join(parts)


def parse_attempts(text: str, total: int) -> tuple[AttemptCounts, ...]:
    """Read what `format_attempts` wrote; shards from `total` on are ignored."""
    counts = [AttemptCounts()] * total
    for part in filter(None, text.split(",")):
        span, _, value = part.partition("=")
        first, _, last = span.partition("-")
        counted, _, disrupted = value.removesuffix("x").partition("+")
        parsed = AttemptCounts(int(counted), int(disrupted or 0), value.endswith("x"))
        for shard in range(int(first), min(int(last or first) + 1, total)):
            counts[shard] = parsed
    return tuple(counts)
