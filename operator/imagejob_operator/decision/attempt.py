"""One attempt at one shard, as the launcher shows it: where it stands, and how it ended.

The words of the launcher (Pods, or child processes) end in its adapter; here are only the few facts
that the decision needs.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from datetime import datetime

from imagejob_contract.result import Summary
from imagejob_operator.api.errors import Reason


class State(enum.StrEnum):
    """Where an attempt stands."""

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
    """It cannot get better by waiting."""
    counted: bool = True
    """It uses up a retry of its shard; a disruption (drain, preemption, expired order) does not."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is known of one launched attempt; `number` counts launches of the shard from 1."""

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
    """When its work began, of one that has ended."""
    finished_at: datetime | None = None
    deleting: bool = False
    gone_by: datetime | None = None
    """When an attempt that is being deleted should be gone."""
    gone: bool = False
    """It is not there any more, and this is what became of it."""
    held: bool = False
    """A queue holds it back: it is not to be scheduled yet."""
    order_delivered: bool = field(default=True)
    """Whether this process knows that the attempt has its order; unknown after a restart."""
    epoch: int = 1
    """Which staging of the run it works on; one of an earlier epoch is over, whatever it still does."""

    @property
    def live(self) -> bool:
        """Whether it may still do something."""
        return self.state in (State.WAITING, State.RUNNING)

    @property
    def ran(self) -> bool:
        """Whether its work has ever begun."""
        return self.state in (State.RUNNING, State.SUCCEEDED) or self.started_at is not None


def buried(attempt: Attempt) -> Attempt:
    """What became of an attempt that is gone: what it ended with, or a disruption if it had not ended."""
    if not attempt.live:
        return replace(attempt, deleting=True, gone=True)
    problem = Problem(Reason.NODE_LOST, f"{attempt.name} was deleted before it ended", counted=False)
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
    """What the launcher said of an attempt that waits without a problem of its own, and when it was asked."""

    message: str
    asked_at: datetime


@dataclass(frozen=True, slots=True)
class Refusal:
    """The launcher refused an attempt: why, and since when it has been refusing."""

    problem: Problem
    since: datetime
    retry_at: datetime


@dataclass(frozen=True, slots=True)
class Tries:
    """What is durable of one shard: attempts that count, disrupted launches, and whether it was given up."""

    counted: int = 0
    disrupted: int = 0
    lost: bool = False

    @property
    def launches(self) -> int:
        """Number of the latest attempt."""
        return self.counted + self.disrupted


def format_tries(tries: tuple[Tries, ...]) -> str:
    """Write tries as `0-6=1,7=2+1,8=3x`.

    Shards 0 to 6 have one attempt, shard 7 has two and one disrupted launch, shard 8 was given up.
    """
    parts: list[str] = []
    start = 0
    for end in range(1, len(tries) + 1):
        if end < len(tries) and tries[end] == tries[start]:
            continue
        value = tries[start]
        if value.launches:
            span = str(start) if end - 1 == start else f"{start}-{end - 1}"
            disrupted = f"+{value.disrupted}" if value.disrupted else ""
            parts.append(f"{span}={value.counted}{disrupted}{'x' if value.lost else ''}")
        start = end
    return ",".join(parts)


def parse_tries(text: str, total: int) -> tuple[Tries, ...]:
    """Read what `format_tries` wrote; shards not named have none.

    Raises:
        ValueError: for anything else.
    """
    tries = [Tries()] * total
    for part in filter(None, text.split(",")):
        span, _, value = part.partition("=")
        first, _, last = span.partition("-")
        counted, _, disrupted = value.removesuffix("x").partition("+")
        parsed = Tries(int(counted), int(disrupted or 0), value.endswith("x"))
        for shard in range(int(first), int(last or first) + 1):
            tries[shard] = parsed
    return tuple(tries)
