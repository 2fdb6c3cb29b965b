"""Everything the decision may ask of the world in one turn. Each is one idempotent call."""

from __future__ import annotations

from dataclasses import dataclass

from imagejob_operator.api.errors import Reason
from imagejob_operator.decision.attempt import Attempt


@dataclass(frozen=True, slots=True)
class AddFinalizer:
    """Put our finalizer on the job, before the first staged byte."""


@dataclass(frozen=True, slots=True)
class ReleaseFinalizer:
    """Take our finalizer off: staging is empty, or the cleaning budget is spent."""

    deferred: Reason | None = None
    """Why staging could not be emptied; None if it is empty."""


@dataclass(frozen=True, slots=True)
class Launch:
    """Write the order of a recorded attempt and launch it, or adopt it if it is there."""

    prefix: str
    shard: int
    number: int


@dataclass(frozen=True, slots=True)
class DeliverOrder:
    """Make sure that a waiting attempt has its order (the operator may have died between the two)."""

    attempt: Attempt
    prefix: str


@dataclass(frozen=True, slots=True)
class StopAttempt:
    """End an attempt and remove what is left of it."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class ReadEvents:
    """Ask what holds up an attempt that waits and does not say why."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class RecordEvent:
    """Write an Event, once per run and reason."""

    warning: bool
    reason: str
    message: str
    run: int


@dataclass(frozen=True, slots=True)
class DeleteJob:
    """Delete the ImageJob itself: its retention has ended."""


Action = (
    AddFinalizer
    | ReleaseFinalizer
    | Launch
    | DeliverOrder
    | StopAttempt
    | ReadEvents
    | RecordEvent
    | DeleteJob
)
