"""From a wanted status to the one that is written: times, generation, legal moves, all conditions."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec

from imagejob_operator.api.errors import Code, Failure, Reason, bounded
from imagejob_operator.api.phase import COMPENSATING, TERMINAL, Phase, check_move
from imagejob_operator.api.status import (
    PARTIAL,
    VALIDATED,
    Condition,
    ItemCounts,
    RunStatus,
    Status,
    counted,
    duration_text,
)
from imagejob_operator.decision.observation import Observation

RECONCILING = "Reconciling"
"""True while a job is under way; its reason is the phase, or the reason of the last transient failure."""
STORE_AWAY = "the object store does not answer"
"""The beginning of the message of a job whose store is away."""

_MILESTONES: dict[str, tuple[Phase, str]] = {
    # condition: (the phase from which it is True, the code that makes it False)
    "Accepted": (Phase.STAGING, "JOB_001"),
    "Staged": (Phase.LAUNCHING, "JOB_002"),
    "Launched": (Phase.RUNNING, "JOB_003"),
    "Processed": (Phase.PUBLISHING, "JOB_005"),
}
_ORDER = [Phase.PENDING, Phase.STAGING, Phase.LAUNCHING, Phase.RUNNING, Phase.PUBLISHING, Phase.SUCCEEDED]


class _Fact(NamedTuple):
    """A condition without its times."""

    type: str
    status: str
    reason: str
    message: str = ""


def next_status(
    o: Observation, wanted: Status, note: str | Failure = "", cleaned: bool | str | None = None
) -> Status:
    """Complete a wanted status; raises IllegalMove if its phase may not follow the current one."""
    before, now = o.job.status, o.now.replace(microsecond=0)
    phase = wanted.at
    check_move(before.at, phase)
    moved = phase != before.at or not before.phase
    run = wanted.run
    if moved and phase in TERMINAL and run is not None:
        run = _finished(o, run)
    complete = msgspec.structs.replace(
        wanted,
        observed_generation=o.job.generation,
        phase=phase.value,
        phase_since=now if moved else before.phase_since,
        run=run,
        error=None if phase in (Phase.PENDING, Phase.SUCCEEDED) else wanted.error,
    )
    note = note or _store_away(o, phase) or undeleted(o)
    return with_conditions(complete, before, now, note, cleaned, launched=o.launched(run))


def _store_away(o: Observation, phase: Phase) -> Failure | None:
    """Why a run that needs its store waits for it; None if the store answers."""
    if not o.store_away or phase in TERMINAL or phase in (Phase.PENDING, Phase.SUSPENDED):
        return None
    text = f"{STORE_AWAY}: {o.store_away}; the run continues when it answers"
    return Failure(Code.STAGING, Reason.STORE_UNAVAILABLE, text)


def undeleted(o: Observation) -> str:
    """Which Pods could not be deleted, and why; empty if there are none."""
    refused = [(a.name, a.stop_refused.problem.message) for a in o.attempts if a.stop_refused]
    if not refused:
        return ""
    (name, why), more = refused[0], f" and {len(refused) - 1} more" if refused[1:] else ""
    return f"the Pod {name}{more} could not be deleted, the operator is retrying: {why}"


def _finished(o: Observation, run: RunStatus) -> RunStatus:
    duration = duration_text(o.now - (run.started_at or o.now))
    return msgspec.structs.replace(run, finished_at=o.now.replace(microsecond=0), duration=duration)


def with_conditions(
    status: Status,
    before: Status,
    now: datetime,
    note: str | Failure = "",
    cleaned: bool | str | None = None,
    launched: bool = False,
) -> Status:
    """The status with all its conditions; the times of unchanged conditions are taken from `before`.

    `note` is what the job waits for, its last transient failure, or a Pod that is left. `cleaned` is True if
    staging is known to be empty, else why it is not; None if that was not tried. `launched` is set if a Pod
    is known to have run.
    """
    same = before.run and status.run and _place(before.run) == _place(status.run)
    kept = {c.type: c for c in before.conditions} if same else {}
    if status.at is Phase.SUSPENDED:
        # The other milestones are lost with the staging.
        kept = {kind: kept[kind] for kind in ("Accepted", "StagingCleaned") if kind in kept}
    facts = _summary(status, note)
    for kind, (since, code) in _MILESTONES.items():
        reached = _reached(status, since) or (kind == "Launched" and launched)
        held = reached or (kind in kept and kept[kind].status == "True")
        own = status.error is not None and status.error.code == code
        # A milestone stays True, with two exceptions: a collision of keys shows only in the listing, and
        # invalid results, or too many failed items, only after all shards have ended.
        if status.error and own and (kind in ("Accepted", "Processed") or not held):
            facts.append(_Fact(kind, "False", status.error.reason, status.error.message))
        elif held:
            facts.append(_Fact(kind, "True", kind))
    facts.extend(_cleaning(status, kept.get("StagingCleaned"), cleaned))
    unchanged = {(c.type, c.status): c.last_transition_time for c in before.conditions}
    made = [Condition(*fact, unchanged.get(fact[:2], now), status.observed_generation) for fact in facts]
    return msgspec.structs.replace(status, conditions=tuple(made))


def _reached(status: Status, since: Phase) -> bool:
    """Whether a run has reached a phase; a validation is accepted, and goes no further."""
    validated = status.run is not None and status.run.outcome == VALIDATED
    at = Phase.STAGING if status.at is Phase.VALIDATING or validated else status.at
    return at in _ORDER and _ORDER.index(at) >= _ORDER.index(since)


def _place(run: RunStatus) -> tuple[int, int]:
    return run.number, run.epoch


def _summary(status: Status, note: str | Failure) -> list[_Fact]:
    phase, error = status.at, status.error
    if phase not in TERMINAL:
        why, text = (note.reason.value, note.message) if isinstance(note, Failure) else (phase.value, note)
        message = bounded(text) or (error.message if error else "")
        facts = [_Fact("Finished", "False", phase.value), _Fact("Succeeded", "Unknown", phase.value)]
        if phase is Phase.SUSPENDED:
            return [_Fact("Ready", "False", phase.value, message), *facts]
        ready = _Fact("Ready", "False", "Progressing", message)
        return [ready, _Fact(RECONCILING, "True", why, message), *facts]
    finished = _Fact("Finished", "True", phase.value)
    if phase is Phase.SUCCEEDED:
        outcome = (status.run.outcome if status.run else "") or phase.value
        text = outcome_text(outcome, status.items or ItemCounts())
        ready = _Fact("Ready", "True", outcome, _joined(text, note))
        return [ready, finished, _Fact("Succeeded", "True", outcome, text)]
    reason = error.reason if error else phase.value
    text = bounded(f"{error.code}: {error.message}") if error else ""
    return [
        _Fact("Ready", "False", reason if phase is Phase.FAILED else phase.value, _joined(text, note)),
        _Fact("Stalled", "True", reason, text),
        finished,
        _Fact("Succeeded", "False", reason, text),
    ]


def _joined(text: str, note: str | Failure) -> str:
    return bounded("; ".join(filter(None, [text, note.message if isinstance(note, Failure) else note])))


def outcome_text(outcome: str, items: ItemCounts) -> str:
    """The message of a success with an outcome; empty for a plain one."""
    if outcome == PARTIAL:
        failed = f"{items.failed} of {counted(items.total, 'item')} failed"
        return f"{failed}, which spec.failurePolicy allows; the report lists them"
    if outcome == VALIDATED:
        checked = counted(items.total, "item")
        return f"no problems were found in {checked}; no object was staged and no Pod was created"
    return ""


def _cleaning(status: Status, kept: Condition | None, cleaned: bool | str | None) -> list[_Fact]:
    kind = "StagingCleaned"
    if cleaned is None and kept is not None and kept.reason != "InProgress":
        return [_Fact(kind, kept.status, kept.reason, kept.message)]
    if cleaned is True:
        return [_Fact(kind, "True", "Cleaned")]
    if cleaned is not None:
        text = cleaned or "the staged objects have not been deleted yet; the operator is retrying"
        return [_Fact(kind, "False", "Deferred", bounded(text))]
    if status.at in COMPENSATING or (status.at is Phase.SUSPENDED and status.staging):
        return [_Fact(kind, "False", "InProgress")]
    return []
