"""The phases of a run and the table of moves between them.

Theory of operation. A run goes forward through Pending, Staging, Launching, Running and Publishing to
Succeeded; one that is only to be tried out goes through Validating instead, which leaves nothing to undo.
From any of them it may turn to Failing or Cancelling: that is the *intent*, written before
anything is undone, with the first cause, which stays. Failed and Cancelled follow the compensation.
From any of them it may be Suspended as well: what it had done is given up, and it is staged anew later.
A terminal phase is left only by a new run. Whatever is not in this table is a programming error and
raises; nothing is changed then.
"""

from __future__ import annotations

import enum


class Phase(enum.StrEnum):
    """What people see of a run. Programs read conditions; phases may gain values."""

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


TERMINAL = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED})
COMPENSATING = frozenset({Phase.FAILING, Phase.CANCELLING})
FORWARD = (Phase.PENDING, Phase.STAGING, Phase.LAUNCHING, Phase.RUNNING, Phase.PUBLISHING)

_TURN_BACK = frozenset({Phase.FAILING, Phase.CANCELLING})
_LEAVE = _TURN_BACK | {Phase.SUSPENDED}

MOVES: dict[Phase, frozenset[Phase]] = {
    # Pending has staged nothing, so what is refused or cancelled ends at once: there is nothing to undo.
    Phase.PENDING: frozenset(
        {Phase.VALIDATING, Phase.STAGING, Phase.SUSPENDED, Phase.FAILED, Phase.CANCELLED}
    ),
    # Neither has Validating.
    Phase.VALIDATING: frozenset({Phase.SUCCEEDED, Phase.SUSPENDED, Phase.FAILED, Phase.CANCELLED}),
    # Where nothing is to be made, because all of it is there already, no Pod is launched.
    Phase.STAGING: frozenset({Phase.LAUNCHING, Phase.PUBLISHING}) | _LEAVE,
    Phase.LAUNCHING: frozenset({Phase.RUNNING, Phase.PUBLISHING}) | _LEAVE,
    Phase.RUNNING: frozenset({Phase.PUBLISHING}) | _LEAVE,
    Phase.PUBLISHING: frozenset({Phase.SUCCEEDED}) | _LEAVE,
    # A run goes on with Staging; one that was suspended before it had begun is judged anew from Pending.
    Phase.SUSPENDED: frozenset({Phase.PENDING, Phase.STAGING}) | _TURN_BACK,
    # The report is the commit mark: a run whose report says Succeeded has succeeded, whatever the operator
    # believed when it turned back (it may have died between the report and the status).
    Phase.FAILING: frozenset({Phase.FAILED, Phase.SUCCEEDED}),
    Phase.CANCELLING: frozenset({Phase.CANCELLED, Phase.SUCCEEDED}),
    # Terminal stays terminal within one run; a new run begins here.
    Phase.SUCCEEDED: frozenset({Phase.PENDING}),
    Phase.FAILED: frozenset({Phase.PENDING}),
    Phase.CANCELLED: frozenset({Phase.PENDING}),
}


class IllegalMove(RuntimeError):
    """A move that the table does not hold: a fault of the operator, never of a user."""


def check_move(old: Phase, new: Phase) -> None:
    """Hold a change of phase against the table; staying is no move.

    Raises:
        IllegalMove: for anything else.
    """
    if old != new and new not in MOVES[old]:
        raise IllegalMove(f"no move from {old} to {new}")
