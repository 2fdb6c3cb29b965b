"""What is kept, retried or removed, at each edge of a rule."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from fakes.build import NOW, PREFIX, attempt, job, later, seen, spec, status
from imagejob_contract.result import Summary
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import Condition, FailedItem, RunStatus, Status
from imagejob_operator.decision.action import AddFinalizer
from imagejob_operator.decision.attempt import Attempt, AttemptCounts, Problem, Refusal, State, as_gone
from imagejob_operator.decision.decide import decide
from imagejob_operator.decision.observation import Observation
from imagejob_operator.decision.operation import Broken, Clean
from imagejob_operator.decision.phases.cleaning import clean_within_budget, retry_moments, stop, stop_moments
from imagejob_operator.decision.phases.starting import released, with_queued
from imagejob_operator.decision.shards import record_due, stuck_at, survey

CRASHED = Problem(Reason.CRASHED, "exit code 1")

# --- shards ------------------------------------------------------------------------------------------------


def observed(counts: tuple[AttemptCounts, ...], *attempts: Attempt) -> Observation:
    return seen(job(status(Phase.RUNNING, counts=counts, items=9, per_shard=1)), *attempts)


FAILED_ONCE = attempt(State.FAILED, CRASHED, shard=1)


@pytest.mark.parametrize(
    ("parallelism", "launches"), [(0, (0, 1, 0)), (1, (0, 2, 0)), (2, (1, 2, 0)), (3, (1, 2, 1))]
)
def test_retries_come_before_shards_that_were_never_launched(
    parallelism: int, launches: tuple[int, ...]
) -> None:
    view = survey(observed((AttemptCounts(), AttemptCounts(1), AttemptCounts()), FAILED_ONCE), 2)
    assert tuple(counts.launches for counts in record_due(view, parallelism)) == launches


@pytest.mark.parametrize(
    "occupied",
    [attempt(State.RUNNING), attempt(State.WAITING), None],
    ids=["running", "waiting", "not-launched-yet"],
)
def test_every_attempt_that_may_run_takes_a_place(occupied: Attempt | None) -> None:
    attempts = [occupied] if occupied else []
    view = survey(observed((AttemptCounts(1), AttemptCounts()), *attempts), 2)
    assert record_due(view, 1)[1].launches == 0
    assert record_due(view, 2)[1].launches == 1


def test_a_shard_that_is_lost_is_recorded_as_such() -> None:
    view = survey(observed((AttemptCounts(3), AttemptCounts(1)), attempt(State.FAILED, CRASHED, number=3)), 2)
    assert record_due(view, 1)[0] == AttemptCounts(3, lost=True)
    assert view.lost == {0: CRASHED}
    assert not view.finished


def test_the_messages_of_attempts_that_ended_without_one() -> None:
    failed = attempt(State.FAILED, number=3)
    gone = attempt(State.RUNNING, number=3, deleting=True, gone_by=later(-60))
    disrupted = attempt(State.FAILED, Problem(Reason.NODE_LOST, "drained", counted=False), number=11)
    cases: list[tuple[AttemptCounts, Attempt | None, Problem]] = [
        (AttemptCounts(3), failed, Problem(Reason.CRASHED, f"{failed.name} failed")),
        (
            AttemptCounts(3, lost=True),
            None,
            Problem(Reason.CRASHED, "all attempts to process the shard have failed"),
        ),
        (
            AttemptCounts(3, 0, True),
            gone,
            Problem(
                Reason.NODE_LOST,
                f"{gone.name} was deleted and does not terminate: its node is lost",
                counted=False,
            ),
        ),
        (
            AttemptCounts(1, 10),
            disrupted,
            Problem(Reason.NODE_LOST, "drained (disrupted 11 times)", counted=False),
        ),
    ]
    for counts, one, problem in cases:
        found = survey(observed((counts,), *([one] if one else [])), 2).lost
        assert found == {0: problem}


@pytest.mark.parametrize(
    ("reason", "number", "pause"),
    [
        (Reason.CRASHED, 1, 1),
        (Reason.CRASHED, 2, 2),
        (Reason.STORE_UNREACHABLE, 1, 10),
        (Reason.STORE_UNREACHABLE, 2, 20),
    ],
)
def test_a_shard_rests_longer_after_a_store_that_is_away(reason: Reason, number: int, pause: int) -> None:
    failed = attempt(State.FAILED, Problem(reason, "no"), number=number, finished=NOW)
    assert survey(observed((AttemptCounts(number),), failed), 2).backoff == {0: later(pause)}


def test_attempts_that_are_being_deleted_are_lost_a_minute_after_their_end() -> None:
    going = attempt(State.RUNNING, gone_by=later(5))
    ended = attempt(State.SUCCEEDED, gone_by=later(5))
    assert stuck_at([going, ended, attempt(State.RUNNING)]) == [later(65)]


def test_the_first_result_of_a_shard_counts() -> None:
    succeeded = replace(attempt(State.SUCCEEDED), summary=Summary(1, 0))
    of = observed((AttemptCounts(1),), succeeded)
    assert survey(of, 2).done == {0: Summary(1, 0)}
    assert survey(replace(of, results={0: Summary(0, 1)}), 2).done == {0: Summary(0, 1)}


# --- attempts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED])
def test_an_attempt_that_had_ended_is_gone_as_it_was(state: State) -> None:
    one = attempt(state, lingers=True)
    assert as_gone(one) == replace(one, lingers=False, deleting=True, gone=True)


@pytest.mark.parametrize(
    ("one", "started"),
    [
        (attempt(State.RUNNING, gone_by=later(9)), NOW),
        (attempt(State.WAITING, gone_by=later(9)), None),
    ],
)
def test_an_attempt_that_had_not_ended_is_disrupted(one: Attempt, started: datetime | None) -> None:
    problem = Problem(Reason.NODE_LOST, f"{one.name} was deleted before it finished", counted=False)
    assert as_gone(one) == replace(
        one,
        state=State.FAILED,
        problem=problem,
        started_at=started,
        finished_at=later(9),
        deleting=True,
        gone=True,
    )


# --- cleaning ----------------------------------------------------------------------------------------------

AWAY = Failure(Code.STAGING, Reason.STORE_UNAVAILABLE, "503")
CLEAN = Clean((PREFIX,))


def test_a_retry_that_is_to_come_is_waited_for() -> None:
    assert retry_moments(Broken(AWAY, later(1)), NOW) == [later(1)]
    assert retry_moments(Broken(AWAY, NOW), NOW) == []
    assert retry_moments(Broken(AWAY), NOW) == []
    assert retry_moments(None, NOW) == []


@pytest.mark.parametrize(("seconds", "tried"), [(0, False), (9, False), (10, True), (11, True)])
def test_a_deletion_that_was_refused_is_tried_again_after_its_pause(seconds: int, tried: bool) -> None:
    refusal = Refusal(CRASHED, NOW, later(10))
    one = replace(attempt(State.RUNNING), stop_refused=refusal)
    o = seen(job(status(Phase.FAILING)), one, now=later(seconds))
    assert bool(stop(o, o.attempts)) is tried
    assert stop_moments(o) == ([] if tried else [later(10)])


@pytest.mark.parametrize(
    ("seconds", "cleans", "deferred"),
    [(0, False, False), (29, False, False), (30, True, False), (59, True, False), (60, True, True)],
)
def test_live_attempts_have_half_of_the_budget(seconds: int, cleans: bool, deferred: bool) -> None:
    o = seen(
        job(status(Phase.FAILING)),
        attempt(State.RUNNING),
        now=later(seconds),
        operation=CLEAN,
        operation_since=later(-99),
    )
    found = clean_within_budget(o, CLEAN, NOW)
    assert found.operation == (CLEAN if cleans else None)
    assert (found.deferral is not None) is deferred
    assert found.deadline == later(60)
    if seconds in (0, 29):
        assert found.requeue_at <= later(30)


# --- the queue ---------------------------------------------------------------------------------------------


def test_the_time_in_the_queue_is_added_up() -> None:
    current = status(Phase.LAUNCHING)
    queued = with_queued(current, True, NOW + timedelta(microseconds=5))
    assert queued.run
    assert queued.run.queued_since == NOW
    assert with_queued(queued, True, later(9)) == queued
    after = with_queued(queued, False, later(9.5)).run
    assert after
    assert (after.queued_since, after.queued_seconds, after.released_at) == (None, 9, later(9))
    assert released(after, later(99)) == after


LONG_AGO = datetime(1980, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(("now", "seconds"), [(later(-3600), 5), (datetime(2199, 1, 1, tzinfo=UTC), 2**31)])
def test_the_time_in_the_queue_after_the_clock_was_set(now: datetime, seconds: int) -> None:
    run = RunStatus(queued_since=NOW if now < NOW else LONG_AGO, queued_seconds=5)
    assert released(run, now).queued_seconds == seconds


# --- suspended ---------------------------------------------------------------------------------------------


def suspended(cleaned: str, **fields: Any) -> Status:
    condition = Condition("StagingCleaned", cleaned, "Cleaned", "", NOW, 1)
    return msgspec.structs.replace(
        status(Phase.SUSPENDED),
        conditions=(condition,),
        **({"staging": None} if cleaned == "True" else {}),
        **fields,
    )


def test_a_resumed_run_is_staged_again_in_its_next_epoch() -> None:
    found = decide(seen(job(suspended("True"), guarded=False), now=later(7.9)))
    run = found.status.run
    assert run
    assert (found.status.at, run.epoch, run.suspended_seconds) == (Phase.STAGING, 2, 7)
    assert found.status.staging
    assert found.status.staging.prefix.endswith("/1-2-00112233aabbccdd/")
    assert found.actions[0] == AddFinalizer()


@pytest.mark.parametrize(("now", "seconds"), [(later(-3600), 0), (datetime(2199, 1, 1, tzinfo=UTC), 2**31)])
def test_a_run_that_resumes_after_the_clock_was_set(now: datetime, seconds: int) -> None:
    before = suspended("True", phase_since=NOW if now < NOW else LONG_AGO)
    run = decide(seen(job(before, guarded=False), now=now)).status.run
    assert run
    assert run.suspended_seconds == seconds


def test_a_suspended_run_waits() -> None:
    found = decide(seen(job(suspended("True"), spec(suspend=True))))
    ready = found.status.condition("Ready")
    assert ready
    assert ready.message == "spec.suspend is true; set it to false to resume the run"
    assert (found.requeue_at, found.operation) == (later(300), None)


@pytest.mark.parametrize(
    ("suspend", "text"),
    [
        (True, "spec.suspend is true; set it to false to resume the run"),
        (
            False,
            "spec.suspend is false: the run resumes after the previously staged objects have been deleted",
        ),
    ],
)
def test_a_suspended_run_is_cleaned_first(suspend: bool, text: str) -> None:
    o = seen(
        job(status(Phase.SUSPENDED), spec(suspend=suspend)), operation=CLEAN, progress=Broken(AWAY, later(3))
    )
    found = decide(o)
    ready = found.status.condition("Ready")
    assert ready
    assert ready.message == f"{text}; 503"
    assert found.operation == CLEAN
    assert found.requeue_at == later(3)


def test_what_a_run_was_is_forgotten_when_it_is_suspended() -> None:
    current = msgspec.structs.replace(status(Phase.RUNNING), failures=(FailedItem("a.jpg", "IMG_001", "no"),))
    found = decide(seen(job(current, spec(suspend=True)))).status
    assert found.run
    assert (found.at, found.items, found.items_per_shard, found.failures) == (Phase.SUSPENDED, None, 0, ())
    assert found.run.shards is None
    assert found.staging == current.staging
