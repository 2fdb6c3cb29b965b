"""The phases of a run and the allowed transitions between them.

Failing and Cancelling record the intent and its first cause before the compensation starts. The staging of a
suspended run is deleted; it is staged again later. Only a new run leaves a terminal phase. A deletion may
begin in any phase.
"""

from __future__ import annotations

import enum


class Phase(enum.StrEnum):
    """The phase of a run, for display. Programs should use conditions; phases may be added."""

    PENDING = "Pending"
    VALIDATING = "Validating"
    STAGING = "Staging"
    LAUNCHING = "Launching"
    RUNNING = "Running"
    PUBLISHING = "Publishing"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FAILING = "Failing"
    FAILED = "Failed"
    CANCELLING = "Cancelling"
    CANCELLED = "Cancelled"
    DELETING = "Deleting"


TERMINAL = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED})
COMPENSATING = frozenset({Phase.FAILING, Phase.CANCELLING})
FORWARD = (Phase.PENDING, Phase.STAGING, Phase.LAUNCHING, Phase.RUNNING, Phase.PUBLISHING)
_LEAVE = COMPENSATING | {Phase.SUSPENDED}
_LEAVE_UNSTAGED = frozenset({Phase.SUSPENDED, Phase.FAILED, Phase.CANCELLED})

MOVES: dict[Phase, frozenset[Phase]] = {
    # Pending and Validating have staged nothing, so there is no compensation.
    Phase.PENDING: frozenset({Phase.VALIDATING, Phase.STAGING}) | _LEAVE_UNSTAGED,
    Phase.VALIDATING: frozenset({Phase.SUCCEEDED}) | _LEAVE_UNSTAGED,
    # No Pod is launched if all outputs exist already.
    Phase.STAGING: frozenset({Phase.LAUNCHING, Phase.PUBLISHING}) | _LEAVE,
    Phase.LAUNCHING: frozenset({Phase.RUNNING, Phase.PUBLISHING}) | _LEAVE,
    Phase.RUNNING: frozenset({Phase.PUBLISHING}) | _LEAVE,
    Phase.PUBLISHING: frozenset({Phase.SUCCEEDED}) | _LEAVE,
    # A run that was suspended before it was accepted restarts from Pending.
    Phase.SUSPENDED: frozenset({Phase.PENDING, Phase.STAGING}) | COMPENSATING,
    # The report is the commit point: the operator may have stopped after writing a report of success and
    # before updating the status.
    Phase.FAILING: frozenset({Phase.FAILED, Phase.SUCCEEDED}),
    Phase.CANCELLING: frozenset({Phase.CANCELLED, Phase.SUCCEEDED}),
    # A new run starts.
    **dict.fromkeys(TERMINAL, frozenset({Phase.PENDING})),
    # Any phase may be followed by Deleting, which ends with the ImageJob.
    Phase.DELETING: frozenset(),
}


class IllegalMove(RuntimeError):
    """A transition that is not allowed: an error in the operator, not of a user."""


def check_move(old: Phase, new: Phase) -> None:
    """Raise IllegalMove if the transition is not allowed; staying in a phase always is."""
    if old != new and new is not Phase.DELETING and new not in MOVES[old]:
        raise IllegalMove(f"invalid phase transition from {old} to {new}")
