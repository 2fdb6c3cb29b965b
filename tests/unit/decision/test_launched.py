"""`Launched` shows whether a Pod of the run ever ran, even if no reconcile saw it run."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from fakes.build import NOW, attempt, job, seen, spec, status
from fakes.scripts import CRASHED
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.decision.attempt import Attempt, AttemptCounts, Problem, State
from imagejob_operator.decision.decide import decide
from imagejob_operator.decision.observation import Observation

PULLS = Problem(Reason.IMAGE_PULL_FAILED, "no such image", certain=True)
ONLY_ONCE = spec(execution={"retriesPerShard": 0})
LAST = job(status(Phase.LAUNCHING), ONLY_ONCE)


def ran(one: Attempt) -> Attempt:
    """The same attempt, whose work had begun."""
    return replace(one, started_at=NOW - timedelta(minutes=2))


def launched(o: Observation) -> str:
    made = decide(o).status
    shown = made.condition("Launched")
    return f"{made.phase} {shown.status if shown else '-'}"


def error(o: Observation) -> str:
    made = decide(o).status.error
    return f"{made.code}/{made.reason}" if made else ""


def test_a_pod_that_had_ended_before_anybody_saw_it_run() -> None:
    o = seen(LAST, ran(attempt(State.FAILED, CRASHED)))
    assert launched(o) == "Failing True"
    assert error(o) == "JOB_005/Crashed"


def test_a_pod_that_never_ran_is_no_launch() -> None:
    o = seen(LAST, attempt(State.FAILED, PULLS))
    assert launched(o) == "Failing False"
    assert error(o) == "JOB_003/ImagePullFailed"


def test_where_another_pod_had_run_the_run_had_been_launched() -> None:
    both = job(status(Phase.LAUNCHING, counts=(AttemptCounts(1), AttemptCounts(1)), per_shard=1), ONLY_ONCE)
    o = seen(both, ran(attempt(State.FAILED, CRASHED)), attempt(State.FAILED, PULLS, shard=1))
    assert launched(o) == "Failing True"
    assert error(o).startswith("JOB_005/")


LAST_SPEC = spec(execution={"retriesPerShard": 0})


@pytest.mark.parametrize(
    "wish", [{"cancelRunID": "1"}, {"run": {"id": "2"}}], ids=["cancelled", "superseded"]
)
def test_ended_by_a_user_before_the_phase_is_running(wish: dict[str, object]) -> None:
    current = job(status(Phase.LAUNCHING), spec(**wish))
    assert launched(seen(current, attempt(State.RUNNING))) == "Cancelling True"
    assert launched(seen(current, attempt(State.WAITING))) == "Cancelling -"


def test_the_deadline_passes_before_the_phase_is_running() -> None:
    o = seen(job(status(Phase.LAUNCHING)), attempt(State.RUNNING), now=NOW + timedelta(hours=2))
    assert (launched(o), error(o)) == ("Failing True", "JOB_006/DeadlineExceeded")


def test_pods_of_before_a_suspension_do_not_count() -> None:
    current = job(status(Phase.LAUNCHING), spec(cancelRunID="1"))
    assert launched(seen(current, attempt(State.RUNNING, epoch=0))) == "Cancelling -"


def test_what_ran_before_a_suspension_does_not_count() -> None:
    running = seen(job(status(Phase.RUNNING), spec(suspend=True)), attempt(State.RUNNING))
    assert launched(running) == "Suspended -"
    rests = seen(job(decide(running).status, spec(cancelRunID="1")), attempt(State.RUNNING, deleting=True))
    assert launched(rests) == "Cancelling -"
