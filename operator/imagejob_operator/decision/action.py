"""The actions of a reconcile. Each is one idempotent call."""

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
    """Write the order of a recorded attempt and launch it, or adopt it if it exists."""

    prefix: str
    shard: int
    number: int


@dataclass(frozen=True, slots=True)
class DeliverOrder:
    """Deliver the order of a waiting attempt: the operator may have died between launch and delivery."""

    attempt: Attempt
    prefix: str


@dataclass(frozen=True, slots=True)
class StopAttempt:
    """End an attempt and remove it."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class ReadEvents:
    """Read the Events of an attempt whose status does not show why it waits."""

    attempt: Attempt


@dataclass(frozen=True, slots=True)
class RecordEvent:
    """Record an Event, once per run and reason, or count it."""

    warning: bool
    reason: str
    message: str
    run: int
    step: int = 0
    """0 for the Event of an end; else it is about a step of the run, and counted."""


@dataclass(frozen=True, slots=True)
class DeleteJob:
    """Delete the ImageJob: its retention has ended."""


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
