"""The Events of the steps of a run: when each is recorded, and the whole of its message."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from fakes.build import NOW, at_phase, attempt, job, later, seen, status
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import ItemCounts, StagingStatus, Status
from imagejob_operator.decision.action import Action, RecordEvent, ReleaseFinalizer
from imagejob_operator.decision.attempt import AttemptCounts, Problem, State
from imagejob_operator.decision.observation import Decision
from imagejob_operator.decision.run_events import with_step_events
from imagejob_operator.decision.status_update import Note, with_conditions

STAGED = RecordEvent(False, "Staged", "2 items", 1, 1)
LAUNCHED = RecordEvent(False, "Launched", "a Pod is running; the run has 1 shard", 1, 1)
RUNNING = at_phase(Phase.RUNNING)


def events(
    before: Status, after: Status | None = None, seconds: float = 0, *attempts: Any, **more: Any
) -> tuple[Action, ...]:
    deleted_at = more.pop("deleted_at", None)
    o = seen(job(before, deleted_at=deleted_at), *attempts, now=later(seconds), **more)
    return with_step_events(o, Decision(after or before)).actions


@pytest.mark.parametrize(
    ("seconds", "recorded", "found"),
    [
        (14.9, {}, ()),
        (15, {}, (STAGED, LAUNCHED)),
        (15, {"Staged": 1}, (LAUNCHED,)),
        (15, {"Launched": 1}, (STAGED,)),
        (15, {"Resumed": 9}, (STAGED,)),
        (15, {"Resumed": 10}, ()),
        (15, {"Resumed": 11}, ()),
    ],
)
def test_what_a_run_that_lasts_has_reached(
    seconds: float, recorded: dict[str, int], found: tuple[RecordEvent, ...]
) -> None:
    assert events(RUNNING, None, seconds, recorded=recorded) == found


def test_what_it_has_not_reached_is_not_recorded() -> None:
    assert events(at_phase(Phase.LAUNCHING), None, 15) == (STAGED,)
    assert events(at_phase(Phase.STAGING), None, 15) == ()


def test_events_come_after_the_other_actions() -> None:
    o = seen(job(RUNNING), now=later(15))
    found = with_step_events(o, Decision(RUNNING, (ReleaseFinalizer(),)))
    assert found.actions == (ReleaseFinalizer(), STAGED, LAUNCHED)


def of_run(current: Status, **fields: Any) -> Status:
    assert current.run
    return msgspec.structs.replace(current, run=msgspec.structs.replace(current.run, **fields))


@pytest.mark.parametrize(
    "current",
    [
        msgspec.structs.replace(RUNNING, run=None),
        of_run(RUNNING, id=""),
        of_run(RUNNING, started_at=None),
        *(msgspec.structs.replace(RUNNING, phase=phase) for phase in ("Failing", "Failed", "Cancelling")),
    ],
)
def test_a_run_that_ends_or_has_not_begun_has_no_steps(current: Status) -> None:
    assert events(current, None, 15) == ()


def test_a_deletion_has_no_steps() -> None:
    assert events(RUNNING, None, 15, deleted_at=NOW) == ()


@pytest.mark.parametrize(
    ("items", "staging", "text"),
    [
        (None, None, "0 items"),
        (ItemCounts(1), StagingStatus("p"), "1 item"),
        (ItemCounts(3), StagingStatus("p", 1, 2), "3 items (1 object of 2 bytes copied)"),
        (
            ItemCounts(3, skipped=1),
            StagingStatus("p", 2, 1),
            "3 items (2 objects of 1 byte copied); 1 up to date",
        ),
    ],
)
def test_what_was_staged(items: ItemCounts | None, staging: StagingStatus | None, text: str) -> None:
    current = msgspec.structs.replace(at_phase(Phase.LAUNCHING), items=items, staging=staging)
    assert events(current, None, 15) == (replace(STAGED, message=text),)


@pytest.mark.parametrize(
    ("before", "found"),
    [
        (Phase.STAGING, "suspended in phase Staging; its Pods and its staging are deleted"),
        (Phase.RUNNING, "suspended in phase Running; its Pods and its staging are deleted"),
        (Phase.PENDING, ""),
        (Phase.SUSPENDED, ""),
    ],
)
def test_a_run_that_is_suspended(before: Phase, found: str) -> None:
    current = msgspec.structs.replace(status(before), run=RUNNING.run)
    expected = (RecordEvent(False, "Suspended", found, 1, 3),) if found else ()
    assert events(current, at_phase(Phase.SUSPENDED), recorded={"Suspended": 2}) == expected


@pytest.mark.parametrize("before", [Phase.SUSPENDED, Phase.PENDING])
def test_a_run_that_is_resumed(before: Phase) -> None:
    found = events(at_phase(before), at_phase(Phase.STAGING))
    resumed = RecordEvent(False, "Resumed", "the sources are staged again", 1, 1)
    assert found == ((resumed,) if before is Phase.SUSPENDED else ())


CRASHED = Problem(Reason.CRASHED, "exit code 1")
GONE = "its Pod is gone"


def run(*launches: int, place: int = 1) -> Status:
    counts = tuple(AttemptCounts(number) for number in launches)
    return of_run(status(Phase.RUNNING, counts=counts), number=place)


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ((1,), (1,), ""),
        ((0,), (1,), ""),
        ((1,), (2,), f"shard 0 is processed again: {GONE}"),
        ((1, 1), (1, 2), f"shard 1 is processed again: {GONE}"),
        ((1, 0, 2), (2, 1, 3), f"shard 0 is processed again, and 1 other shard: {GONE}"),
        ((1, 1, 1), (2, 2, 2), f"shard 0 is processed again, and 2 other shards: {GONE}"),
    ],
)
def test_shards_that_are_processed_again(before: tuple[int, ...], after: tuple[int, ...], text: str) -> None:
    found = (RecordEvent(True, "Retrying", text, 1, 1),) if text else ()
    assert events(run(*before), run(*after)) == found


@pytest.mark.parametrize(
    "before", [run(1, place=2), status(Phase.STAGING), Status(phase="Running")], ids=["other", "none", "new"]
)
def test_only_a_shard_of_the_same_run_is_processed_again(before: Status) -> None:
    assert events(before, run(2)) == ()


def test_the_last_problem_of_the_shard_is_named() -> None:
    attempts = [
        attempt(State.FAILED, Problem(Reason.OUT_OF_MEMORY, "too big"), number=2),
        attempt(State.FAILED, CRASHED, number=1),
        attempt(State.FAILED, CRASHED, number=9, shard=1),
        attempt(State.FAILED, CRASHED, number=2, run=7),
    ]
    for number, text in ((2, "OutOfMemory: too big"), (3, "its Pod failed"), (4, GONE)):
        third = attempt(State.FAILED, number=3)
        (found,) = events(run(number, 1), run(number + 1, 1), 0, third, *attempts)
        assert isinstance(found, RecordEvent)
        assert found.message == f"shard 0 is processed again: {text}"


AWAY = Failure(Code.STAGING, Reason.STORE_UNAVAILABLE, "the store is away")
DENIED = Failure(Code.STAGING, Reason.ACCESS_DENIED, "403")


def waits(note: Note) -> Status:
    return with_conditions(status(Phase.STAGING), Status(), NOW, note)


@pytest.mark.parametrize(
    ("before", "after", "recorded"),
    [
        (waits(""), waits(AWAY), True),
        (waits(DENIED), waits(AWAY), True),
        (status(Phase.STAGING), waits(AWAY), True),
        (waits(AWAY), waits(AWAY), False),
        (waits(""), waits(DENIED), False),
        (waits(""), status(Phase.STAGING), False),
    ],
)
def test_a_store_that_is_away_is_recorded_once(before: Status, after: Status, recorded: bool) -> None:
    event = RecordEvent(True, "StoreUnavailable", "the store is away", 1, 1)
    assert events(before, after) == ((event,) if recorded else ())
