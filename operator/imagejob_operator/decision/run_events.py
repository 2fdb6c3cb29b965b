"""Events of the steps of a run, for people who watch it. The Event of its end is recorded with the end.

They are recorded after the status, so a crash may lose one. Each reason is one Event, which is counted, and
runs that end within seconds have none but that of their end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from imagejob_operator.api.errors import Reason
from imagejob_operator.api.phase import COMPENSATING, TERMINAL, Phase
from imagejob_operator.api.status import ItemCounts, RunStatus, StagingStatus, Status, counted
from imagejob_operator.decision.action import RecordEvent
from imagejob_operator.decision.attempt import parse_attempts
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.status_update import RECONCILING

LASTING = timedelta(seconds=15)
"""Steps of shorter runs are not worth a write."""
MOST = 10
"""Events of the steps of one run, each repetition included."""


def with_step_events(o: Observation, decision: Decision) -> Decision:
    """The decision, and the Events of the steps that it makes."""
    run, ends = decision.status.run, decision.status.at in TERMINAL | COMPENSATING
    if run is None or not run.id or o.job.deleted_at or ends:
        return decision
    room = max(0, MOST - sum(o.recorded.values()))
    events = list(_steps(o, decision.status, run))[:room]
    return replace(decision, actions=(*decision.actions, *events)) if events else decision


def _steps(o: Observation, after: Status, run: RunStatus) -> Iterator[RecordEvent]:
    before = o.job.status

    def event(reason: str, message: str, warning: bool = False) -> RecordEvent:
        return RecordEvent(warning, reason, message, run.number, o.recorded.get(reason, 0) + 1)

    if run.started_at and o.now - run.started_at >= LASTING:
        for reason, message in (("Staged", _staged(after)), ("Launched", _launched(run))):
            condition = after.condition(reason)
            if condition and condition.status == "True" and not o.recorded.get(reason):
                yield event(reason, message)
    if after.at is Phase.SUSPENDED and before.at not in (Phase.SUSPENDED, Phase.PENDING):
        gone = "" if before.at is Phase.VALIDATING else "; its Pods and its staging are deleted"
        yield event("Suspended", f"suspended in phase {before.at}{gone}")
    if before.at is Phase.SUSPENDED and after.at is Phase.STAGING:
        yield event("Resumed", "the sources are staged again")
    if retried := _retried(o, before, run):
        yield event("Retrying", retried, warning=True)
    if unavailable := _unavailable(before, after):
        yield event(Reason.STORE_UNAVAILABLE, unavailable, warning=True)


def _staged(status: Status) -> str:
    items, staging = status.items or ItemCounts(), status.staging or StagingStatus("")
    text = counted(items.total, "item")
    if staging.objects:
        text += f" ({counted(staging.objects, 'object')} of {counted(staging.bytes, 'byte')} copied)"
    return f"{text}; {items.skipped} up to date" if items.skipped else text


def _launched(run: RunStatus) -> str:
    shards = run.shards.total if run.shards else 0
    return f"a Pod is running; the run has {counted(shards, 'shard')}"


def _retried(o: Observation, before: Status, run: RunStatus) -> str:
    """Which shards get another attempt, and why the first of them does; empty if there are none."""
    old, new = before.run.shards if before.run else None, run.shards
    if old is None or new is None or before.run is None or before.run.place != run.place:
        return ""
    had_before = parse_attempts(old.attempts, new.total)
    pairs = zip(had_before, parse_attempts(new.attempts, new.total), strict=True)
    shards = [n for n, (had, has) in enumerate(pairs) if 0 < had.launches < has.launches]
    if not shards:
        return ""
    more = f", and {counted(len(shards) - 1, 'other shard')}" if shards[1:] else ""
    why = _problem(o, run, shards[0], had_before[shards[0]].launches)
    return f"shard {shards[0]} is processed again{more}: {why}"


def _problem(o: Observation, run: RunStatus, shard: int, number: int) -> str:
    """Why the last attempt at a shard failed; earlier attempts may still be there, and say nothing of it."""
    own = (run.place, shard, number)
    last = next((a for a in o.attempts if (a.place, a.shard, a.number) == own), None)
    if last is None:
        return "its Pod is gone"
    return f"{last.problem.reason}: {last.problem.message}" if last.problem else "its Pod failed"


def _unavailable(before: Status, after: Status) -> str:
    """Why the store cannot be used, if that is new."""
    had, has = before.condition(RECONCILING), after.condition(RECONCILING)
    new = has and has.reason == Reason.STORE_UNAVAILABLE and not (had and had.reason == has.reason)
    return has.message if has and new else ""
