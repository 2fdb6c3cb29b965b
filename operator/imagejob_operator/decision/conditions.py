"""The one place where conditions are made: from phase, error and outcome alone."""

from __future__ import annotations

from datetime import datetime

import msgspec

from imagejob_operator.api.errors import Failure, bounded
from imagejob_operator.api.phase import COMPENSATING, TERMINAL, Phase
from imagejob_operator.api.status import PARTIAL, VALIDATED, Condition, ItemCounts, RunStatus, Status

RECONCILING = "Reconciling"
"""True while a job is on its way; its reason is the phase, or why what is tried again failed last."""

_MILESTONES: dict[str, tuple[Phase, str]] = {
    # condition: (the phase from which on it is True, the code that makes it False)
    "Accepted": (Phase.STAGING, "JOB_001"),
    "Staged": (Phase.LAUNCHING, "JOB_002"),
    "Launched": (Phase.RUNNING, "JOB_003"),
    "Processed": (Phase.PUBLISHING, "JOB_005"),
}
_ORDER = [Phase.PENDING, Phase.STAGING, Phase.LAUNCHING, Phase.RUNNING, Phase.PUBLISHING, Phase.SUCCEEDED]


def with_conditions(
    status: Status,
    before: Status,
    now: datetime,
    note: str | Failure = "",
    cleaned: bool | str | None = None,
    launched: bool = False,
) -> Status:
    """The status with all its conditions, made from phase, error and outcome, and the facts given here.

    Args:
        status: the wanted status, conditions not yet made.
        before: the status as it stands; times of unchanged conditions are taken from it.
        now: the time of this turn.
        note: what is being waited for, or why what is tried again failed last; shown while the job is on
            its way.
        cleaned: True if staging is known to be empty, else why it is not; None while nobody has tried.
        launched: whether a Pod of the run is known to have run, though the phase may never have been Running.
    """
    same = before.run and status.run and _place(before.run) == _place(status.run)
    kept = {c.type: c for c in before.conditions} if same else {}
    if status.at is Phase.SUSPENDED:
        # What the run had reached was given up with its staging.
        kept = {kind: kept[kind] for kind in ("Accepted", "StagingCleaned") if kind in kept}
    facts: list[tuple[str, str, str, str]] = [*_summary(status, note)]
    for kind, (since, code) in _MILESTONES.items():
        reached = _reached(status, since) or (kind == "Launched" and launched)
        held = reached or (kind in kept and kept[kind].status == "True")
        own = status.error is not None and status.error.code == code
        # A milestone stays True, with two exceptions: a collision of keys shows only in the listing, and
        # invalid results, or too many failed items, only after all shards have ended.
        if status.error and own and (kind in ("Accepted", "Processed") or not held):
            facts.append((kind, "False", status.error.reason, status.error.message))
        elif held:
            facts.append((kind, "True", kind, ""))
    facts.extend(_cleaning(status, kept.get("StagingCleaned"), cleaned))
    made = tuple(
        _condition(fact, {c.type: c for c in before.conditions}, now, status.observed_generation)
        for fact in facts
    )
    return msgspec.structs.replace(status, conditions=made)


def _reached(status: Status, since: Phase) -> bool:
    """Whether a run has come as far as a phase; one that is only tried out is accepted, and no more."""
    tried_out = status.run is not None and status.run.outcome == VALIDATED
    at = Phase.STAGING if status.at is Phase.VALIDATING or tried_out else status.at
    return at in _ORDER and _ORDER.index(at) >= _ORDER.index(since)


def _place(run: RunStatus) -> tuple[int, int]:
    return run.number, run.epoch


def _summary(status: Status, note: str | Failure) -> list[tuple[str, str, str, str]]:
    phase, error = status.at, status.error
    why, text = (note.reason.value, note.message) if isinstance(note, Failure) else (phase.value, note)
    message = bounded(text) or (error.message if error else "")
    if phase not in TERMINAL:
        open_ = [("Finished", "False", phase.value, ""), ("Succeeded", "Unknown", phase.value, "")]
        if phase is Phase.SUSPENDED:
            return [("Ready", "False", phase.value, message), *open_]
        return [
            ("Ready", "False", "Progressing", message),
            (RECONCILING, "True", why, message),
            *open_,
        ]
    if phase is Phase.SUCCEEDED:
        outcome = (status.run.outcome if status.run else "") or phase.value
        text = outcome_text(outcome, status.items or ItemCounts())
        return [
            ("Ready", "True", outcome, text),
            ("Finished", "True", phase.value, ""),
            ("Succeeded", "True", outcome, text),
        ]
    reason = error.reason if error else phase.value
    text = f"{error.code}: {error.message}" if error else ""
    return [
        ("Ready", "False", reason if phase is Phase.FAILED else phase.value, bounded(text)),
        ("Stalled", "True", reason, bounded(text)),
        ("Finished", "True", phase.value, ""),
        ("Succeeded", "False", reason, bounded(text)),
    ]


def outcome_text(outcome: str, items: ItemCounts) -> str:
    """What people read of a success that is not a plain one; empty for one that is."""
    if outcome == PARTIAL:
        failed = f"{items.failed} of {items.total} items failed"
        return f"{failed}, as spec.failurePolicy admits; the report names them"
    if outcome == VALIDATED:
        return f"nothing stands in the way of {items.total} items; nothing was staged or launched"
    return ""


def _cleaning(
    status: Status, kept: Condition | None, cleaned: bool | str | None
) -> list[tuple[str, str, str, str]]:
    if cleaned is None and kept is not None and kept.reason != "InProgress":
        return [("StagingCleaned", kept.status, kept.reason, kept.message)]
    if cleaned is True:
        return [("StagingCleaned", "True", "Cleaned", "")]
    if cleaned is not None:
        text = cleaned or "staging could not be emptied yet; it is tried again"
        return [("StagingCleaned", "False", "Deferred", bounded(text))]
    if status.at in COMPENSATING or (status.at is Phase.SUSPENDED and status.staging):
        return [("StagingCleaned", "False", "InProgress", "")]
    return []


def _condition(
    fact: tuple[str, str, str, str], before: dict[str, Condition], now: datetime, generation: int
) -> Condition:
    kind, value, reason, message = fact
    old = before.get(kind)
    since = old.last_transition_time if old and old.status == value else now
    return Condition(
        type=kind,
        status=value,
        reason=reason,
        message=message,
        last_transition_time=since,
        observed_generation=generation,
    )
