"""From a wanted status to the one that is written: times, generation, legal moves, all conditions."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from imagejob_operator.api.errors import Code, Failure, Reason, bounded
from imagejob_operator.api.phase import COMPENSATING, FORWARD, TERMINAL, Phase, check_move
from imagejob_operator.api.spec import InvalidSpec
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
from imagejob_operator.decision.attempt import Problem
from imagejob_operator.decision.observation import Observation

Note = str | Failure | Problem
"""What a job waits for, its last transient failure, or a Pod that is left; with its reason if it has one."""

RECONCILING = "Reconciling"
"""True while a job is under way; its reason is the phase, or the reason of what the job waits for."""
MAX_SUMMARY = 120
"""Maximum length of the message of Ready where another condition has all of it: `kubectl get` shows it."""
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


NO_REMARKS: Mapping[str, str] = {}


class _Fact(NamedTuple):
    """A condition without its times."""

    type: str
    status: str
    reason: str
    message: str = ""


OVERWROTE = "Overwrote"
"""True if a run has replaced an output of another ImageJob, which its message names."""


def next_status(
    o: Observation,
    wanted: Status,
    note: Note = "",
    cleaned: bool | str | None = None,
    remarks: Mapping[str, str] = NO_REMARKS,
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
        observed_generation=_generation(o, run, phase),
        phase=phase.value,
        phase_since=now if moved else before.phase_since,
        run=run,
    )
    complete = msgspec.structs.replace(complete, progress=_progress(complete))
    note = note or _store_away(o, phase) or undeleted(o)
    if o.launched(run):
        remarks = {**remarks, "Launched": ""}
    return with_conditions(complete, before, now, note, cleaned, remarks)


def _generation(o: Observation, run: RunStatus | None, phase: Phase) -> int:
    """The generation that a status is based on.

    While the run of an earlier `run.id` ends, it stays the earlier one: a client that waits for the current
    generation to finish must not take the end of that run for the end of the new one.
    """
    spec, before = o.job.spec, o.job.status
    if phase not in (*COMPENSATING, *TERMINAL) or run is None or isinstance(spec, InvalidSpec):
        return o.job.generation
    return o.job.generation if run.id == spec.run.id else before.observed_generation


def _progress(status: Status) -> str:
    """Items with outputs, of all items of a run; one that has failed has only those it skipped."""
    run, items = status.run, status.items
    if items is None or run is None or run.outcome == VALIDATED:
        return ""
    return f"{items.skipped + (0 if status.error else items.succeeded)}/{items.total}"


def _store_away(o: Observation, phase: Phase) -> Failure | None:
    """Why a run that needs its store waits for it; None if the store answers."""
    if not o.store_away or phase not in (Phase.VALIDATING, *FORWARD) or phase is Phase.PENDING:
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
    note: Note = "",
    cleaned: bool | str | None = None,
    remarks: Mapping[str, str] = NO_REMARKS,
) -> Status:
    """The status with all its conditions; the times of unchanged conditions are taken from `before`.

    `cleaned` is True if staging is known to be empty, else why it is not; None if that was not tried.
    `remarks` are conditions that are True whatever the phase, with their messages, which stay.
    """
    same = before.run and status.run and _place(before.run) == _place(status.run)
    kept = {c.type: c for c in before.conditions} if same else {}
    if status.at is Phase.SUSPENDED:
        # The other milestones are lost with the staging.
        kept = {kind: kept[kind] for kind in ("Accepted", "StagingCleaned") if kind in kept}
    facts = _deleting(note, kept) if status.at is Phase.DELETING else _summary(status, note)
    for kind, (since, code) in _MILESTONES.items():
        reached = _reached(status, since) or kind in remarks
        held = reached or (kind in kept and kept[kind].status == "True")
        own = status.error is not None and status.error.code == code
        # A milestone stays True, with two exceptions: a collision of keys shows only in the listing, and
        # invalid results, or too many failed items, only after all shards have ended.
        if status.error and own and (kind in ("Accepted", "Processed") or not held):
            facts.append(_Fact(kind, "False", status.error.reason, status.error.message))
        elif held:
            facts.append(_Fact(kind, "True", kind, _remark(kind, remarks, kept)))
    if remark := _remark(OVERWROTE, remarks, kept):
        facts.append(_Fact(OVERWROTE, "True", "OtherImageJob", remark))
    facts.extend(_cleaning(status, kept.get("StagingCleaned"), cleaned))
    unchanged = {(c.type, c.status): c.last_transition_time for c in before.conditions}
    made = [Condition(*fact, unchanged.get(fact[:2], now), status.observed_generation) for fact in facts]
    emptied = any(fact.type == "StagingCleaned" and fact.status == "True" for fact in facts)
    staging = None if emptied else status.staging
    return msgspec.structs.replace(status, staging=staging, conditions=tuple(made))


def _remark(kind: str, remarks: Mapping[str, str], kept: Mapping[str, Condition]) -> str:
    before = kept[kind].message if kind in kept and kept[kind].status == "True" else ""
    return bounded(remarks.get(kind, "")) or before


def _reached(status: Status, since: Phase) -> bool:
    """Whether a run has reached a phase; a validation is accepted, and goes no further."""
    validated = status.run is not None and status.run.outcome == VALIDATED
    at = Phase.STAGING if status.at is Phase.VALIDATING or validated else status.at
    return at in _ORDER and _ORDER.index(at) >= _ORDER.index(since)


def _place(run: RunStatus) -> tuple[int, int]:
    return run.number, run.epoch


def _summary(status: Status, note: Note) -> list[_Fact]:
    phase, error = status.at, status.error
    if phase not in TERMINAL:
        facts = [_Fact("Finished", "False", phase.value), _Fact("Succeeded", "Unknown", phase.value)]
        if phase is Phase.SUSPENDED:
            return [_Fact("Ready", "False", phase.value, bounded(_text(note))), *facts]
        reason = _reason(note) or (error.reason if error else "Progressing")
        text = _text(note) or (error.message if error else "")
        return [*_under_way(reason, _reason(note) or phase.value, text), *facts]
    finished = _Fact("Finished", "True", phase.value)
    if phase is Phase.SUCCEEDED:
        outcome = (status.run.outcome if status.run else "") or phase.value
        text = outcome_text(outcome, status.items or ItemCounts())
        ready = _Fact("Ready", "True", outcome, _joined(text, note))
        return [ready, finished, _Fact("Succeeded", "True", outcome, text)]
    reason = error.reason if error else phase.value
    text = bounded(f"{error.code}: {error.message}") if error else ""
    return [
        _Fact("Ready", "False", reason, bounded(_joined(text, note), MAX_SUMMARY)),
        _Fact("Stalled", "True", reason, text),
        finished,
        _Fact("Succeeded", "False", reason, text),
    ]


def _deleting(note: Note, kept: Mapping[str, Condition]) -> list[_Fact]:
    """The summary of a job that is being deleted; how its run has ended, if it has, does not change."""
    phase = Phase.DELETING.value
    facts = _under_way(_reason(note) or phase, _reason(note) or phase, _text(note))
    ended = kept.get("Finished")
    if ended and ended.status == "True":
        known = [kept[kind] for kind in ("Finished", "Succeeded") if kind in kept]
        return [*facts, *(_Fact(c.type, c.status, c.reason, c.message) for c in known)]
    return [*facts, _Fact("Finished", "False", phase), _Fact("Succeeded", "Unknown", phase)]


def _under_way(reason: str, reconciling: str, text: str) -> list[_Fact]:
    ready = _Fact("Ready", "False", reason, bounded(text, MAX_SUMMARY))
    return [ready, _Fact(RECONCILING, "True", reconciling, bounded(text))]


def _reason(note: Note) -> str:
    return "" if isinstance(note, str) else note.reason.value


def _text(note: Note) -> str:
    return note if isinstance(note, str) else note.message


def _joined(text: str, note: Note) -> str:
    return bounded("; ".join(filter(None, [text, _text(note)])))


def outcome_text(outcome: str, items: ItemCounts) -> str:
    """The message of a success with an outcome; empty for a plain one."""
    if outcome == PARTIAL:
        failed = f"{items.failed} of {counted(items.total, 'item')} failed"
        return f"{failed}, which spec.failurePolicy allows; the report lists them"
    if outcome == VALIDATED:
        found = f"no problems were found in {counted(items.total, 'item')}"
        if items.failed:
            failed = f"{items.failed} of {counted(items.total, 'source')} cannot be staged"
            found = f"{failed}, which spec.failurePolicy allows; the report lists them"
        return f"{found}; no object was staged and no Pod was created"
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
    if status.at in COMPENSATING or (status.at in (Phase.SUSPENDED, Phase.DELETING) and status.staging):
        return [_Fact(kind, "False", "InProgress")]
    return []
