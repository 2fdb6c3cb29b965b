"""A wanted status is completed: times, progress, and what the job waits for."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from fakes.build import CAUSE, NOW, at_phase, attempt, job, later, seen, spec, status
from imagejob_contract.result import Summary
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.phase import IllegalMove, Phase
from imagejob_operator.api.status import ErrorStatus, ItemCounts, RunStatus, Status
from imagejob_operator.decision.attempt import Attempt, Problem, Refusal, State
from imagejob_operator.decision.observation import Observation
from imagejob_operator.decision.status_update import next_status


def moved(before: Phase, after: Phase, **more: Any) -> Status:
    current = at_phase(before)
    o = seen(job(current, generation=4), now=later(63) + timedelta(milliseconds=900), **more)
    return next_status(o, msgspec.structs.replace(current, phase=after.value))


@pytest.mark.parametrize(
    ("before", "after", "since", "finished"),
    [
        (Phase.RUNNING, Phase.RUNNING, NOW, None),
        (Phase.RUNNING, Phase.PUBLISHING, later(63), None),
        (Phase.FAILING, Phase.FAILED, later(63), later(63)),
        (Phase.FAILED, Phase.FAILED, NOW, None),
        (Phase.FAILED, Phase.DELETING, later(63), None),
    ],
)
def test_the_times_of_a_phase_and_of_the_end(
    before: Phase, after: Phase, since: datetime, finished: datetime | None
) -> None:
    made = moved(before, after)
    assert (made.phase, made.phase_since, made.observed_generation) == (after, since, 4)
    assert made.run
    assert (made.run.finished_at, made.run.duration) == (finished, "1m3s" if finished else "")
    times = {c.last_transition_time for c in made.conditions}
    assert times == ({NOW} if before is after else {NOW, later(63)})


@pytest.mark.parametrize(
    ("before", "after", "run", "generation"),
    [
        (Phase.RUNNING, Phase.CANCELLING, "2", 1),
        (Phase.CANCELLING, Phase.CANCELLED, "2", 1),
        (Phase.FAILING, Phase.FAILED, "2", 1),
        (Phase.SUCCEEDED, Phase.SUCCEEDED, "2", 1),
        (Phase.SUCCEEDED, Phase.SUCCEEDED, "1", 4),
        (Phase.CANCELLED, Phase.PENDING, "2", 4),
        (Phase.SUSPENDED, Phase.SUSPENDED, "2", 4),
        (Phase.SUSPENDED, Phase.PENDING, "2", 4),
    ],
)
def test_the_end_of_an_earlier_run_is_not_that_of_the_new_generation(
    before: Phase, after: Phase, run: str, generation: int
) -> None:
    """A client that waits for `Finished` of the current generation waits for the run that it asks for."""
    current = at_phase(before)
    ended = (
        RunStatus(id="", number=1) if before is Phase.CANCELLED and after is Phase.PENDING else current.run
    )
    wanted = msgspec.structs.replace(current, phase=after.value, run=ended)
    made = next_status(seen(job(current, spec(run={"id": run}), generation=4), now=later(1)), wanted)
    assert made.observed_generation == generation
    assert {c.observed_generation for c in made.conditions} == {generation}


def test_the_first_status_has_a_time() -> None:
    made = next_status(seen(job(), now=later(5)), Status())
    assert (made.phase, made.phase_since, made.run) == ("Pending", later(5), None)


def test_a_run_without_a_start_took_no_time() -> None:
    current = msgspec.structs.replace(at_phase(Phase.FAILING), run=RunStatus(number=1))
    made = next_status(seen(job(current), now=later(5)), msgspec.structs.replace(current, phase="Failed"))
    assert made.run == RunStatus(number=1, finished_at=later(5), duration="0s")


def test_a_run_that_is_not_known_has_no_end() -> None:
    current = msgspec.structs.replace(at_phase(Phase.FAILING), run=None)
    assert next_status(seen(job(current)), msgspec.structs.replace(current, phase="Failed")).run is None


def test_no_phase_is_left_out() -> None:
    with pytest.raises(IllegalMove):
        moved(Phase.RUNNING, Phase.SUCCEEDED)


COUNTS = ItemCounts(9, 4, 2, 1)


@pytest.mark.parametrize(
    ("items", "run", "error", "progress"),
    [
        (COUNTS, RunStatus(), None, "5/9"),
        (COUNTS, RunStatus(), CAUSE, "1/9"),
        (None, RunStatus(), None, ""),
        (COUNTS, None, None, ""),
        (COUNTS, RunStatus(outcome="Validated"), None, ""),
    ],
)
def test_progress_counts_items_with_outputs(
    items: ItemCounts | None, run: RunStatus | None, error: ErrorStatus | None, progress: str
) -> None:
    current = msgspec.structs.replace(status(Phase.FAILING), items=items, run=run, error=error)
    assert next_status(seen(job(current)), current).progress == progress


# --- what it waits for -------------------------------------------------------------------------------------

REFUSAL = Refusal(Problem(Reason.POD_REJECTED, "denied"), NOW, NOW)
LEFT = replace(attempt(State.RUNNING), stop_refused=REFUSAL)
UNDELETED = f"the Pod {LEFT.name} could not be deleted, the operator is retrying: denied"
AWAY = "the object store does not answer: 503; the run continues when it answers"
FORWARD = (Phase.VALIDATING, Phase.STAGING, Phase.LAUNCHING, Phase.RUNNING, Phase.PUBLISHING)


def waits(phase: Phase, *attempts: Attempt, note: str = "", store_away: str = "") -> tuple[str, str]:
    current = at_phase(phase)
    o = seen(job(current), *attempts, store_away=store_away)
    found = next_status(o, current, note).condition("Reconciling")
    return (found.reason, found.message) if found else ("", "")


@pytest.mark.parametrize("phase", FORWARD, ids=str)
def test_a_run_that_needs_its_store_waits_for_it(phase: Phase) -> None:
    assert waits(phase, LEFT, store_away="503") == ("StoreUnavailable", AWAY)
    assert waits(phase, LEFT, store_away="503", note="it waits") == (phase, "it waits")
    assert waits(phase, LEFT) == (phase, UNDELETED)
    assert waits(phase) == (phase, "")


@pytest.mark.parametrize("phase", [Phase.PENDING, Phase.FAILING, Phase.CANCELLING, Phase.DELETING], ids=str)
def test_other_phases_do_not_wait_for_the_store(phase: Phase) -> None:
    reason, text = waits(phase, store_away="503")
    assert (reason, "503" in text) == (phase, False)


# --- Launched ----------------------------------------------------------------------------------------------


def launched(o: Observation) -> bool:
    condition = next_status(o, o.job.status).condition("Launched")
    assert o.launched(o.job.status.run) == (condition is not None)
    assert condition is None or (condition.status, condition.message) == ("True", "")
    return condition is not None


LAUNCHING = job(at_phase(Phase.LAUNCHING))


@pytest.mark.parametrize(
    ("o", "found"),
    [
        (seen(LAUNCHING), False),
        (seen(LAUNCHING, attempt(State.WAITING)), False),
        (seen(LAUNCHING, attempt(State.RUNNING)), True),
        (seen(LAUNCHING, attempt(State.WAITING), attempt(State.SUCCEEDED, shard=1)), True),
        (seen(LAUNCHING, attempt(State.RUNNING, epoch=2)), False),
        (seen(LAUNCHING, results={0: Summary()}), True),
        (seen(job(at_phase(Phase.STAGING)), attempt(State.RUNNING)), False),
    ],
)
def test_a_run_is_launched_when_an_attempt_has_run(o: Observation, found: bool) -> None:
    assert launched(o) is found


def test_results_are_those_of_the_recorded_run() -> None:
    o = seen(LAUNCHING, results={0: Summary()})
    run = LAUNCHING.status.run
    assert run
    assert o.launched(run)
    assert not o.launched(msgspec.structs.replace(run, epoch=2))
    assert not replace(o, job=job()).launched(run)
    assert not o.launched(None)
