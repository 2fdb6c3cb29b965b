"""When a Pod that outlasts its processor is deleted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from fakes.build import NOW, SPEC, attempt, job, later, seen, status
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.decision.action import StopAttempt
from imagejob_operator.decision.attempt import Attempt, AttemptCounts, Problem, Refusal, State
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.phases.lingering import LINGER, end_lingering

CRASH = Problem(Reason.CRASHED, "exit code 70")
DONE = attempt(State.SUCCEEDED, finished=NOW, lingers=True)
FAILED = attempt(State.FAILED, CRASH, finished=NOW, lingers=True)
LATE = LINGER.total_seconds()


def stopped(o: Observation, decision: Decision | None = None) -> list[Attempt]:
    found = end_lingering(o, decision or Decision(o.job.status)).actions
    return [action.attempt for action in found if isinstance(action, StopAttempt)]


def observed(
    one: Attempt, seconds: float, *counts: AttemptCounts, phase: Phase = Phase.RUNNING
) -> Observation:
    return seen(job(status(phase, counts=counts or (AttemptCounts(1),)), SPEC), one, now=later(seconds))


def test_a_native_sidecar_has_time_to_end() -> None:
    o = observed(DONE, LATE - 1)
    decision = end_lingering(o, Decision(o.job.status, requeue_at=later(300)))
    assert decision.actions == ()
    assert decision.requeue_at == NOW + LINGER


def test_then_the_pod_is_deleted() -> None:
    assert stopped(observed(DONE, LATE)) == [DONE]


def test_a_clock_that_is_ahead_does_not_keep_it() -> None:
    ahead = replace(DONE, finished_at=NOW + timedelta(hours=1))
    assert stopped(observed(ahead, 0)) == [ahead]


@pytest.mark.parametrize(
    ("counts", "recorded"),
    [
        (AttemptCounts(1), False),
        (AttemptCounts(2), True),
        (AttemptCounts(1, 1), True),
        (AttemptCounts(1, lost=True), True),
    ],
    ids=["not-yet", "retried", "disrupted", "lost"],
)
def test_a_failure_is_recorded_first(counts: AttemptCounts, recorded: bool) -> None:
    assert bool(stopped(observed(FAILED, LATE, counts))) is recorded


@pytest.mark.parametrize("phase", [Phase.PUBLISHING, Phase.FAILING, Phase.FAILED, Phase.SUCCEEDED], ids=str)
def test_after_processing_every_end_is_recorded(phase: Phase) -> None:
    assert stopped(observed(FAILED, LATE, phase=phase)) == [FAILED]


def test_a_decision_to_leave_the_phase_is_recorded_first() -> None:
    o = observed(DONE, LATE)
    assert stopped(o, Decision(status(Phase.PUBLISHING))) == []


def test_a_pod_is_deleted_once() -> None:
    o = observed(DONE, LATE)
    assert stopped(o, Decision(o.job.status, (StopAttempt(DONE),))) == [DONE]
    assert stopped(observed(replace(DONE, deleting=True), LATE)) == []


def test_a_refused_deletion_is_repeated_after_its_pause() -> None:
    refusal = Refusal(Problem(Reason.POD_REJECTED, "denied"), NOW, later(60))
    o = observed(replace(DONE, stop_refused=refusal), LATE)
    assert stopped(o) == []
    assert end_lingering(o, Decision(o.job.status)).requeue_at == later(60)
    assert stopped(replace(o, now=later(60)))


def test_a_pod_that_has_ended_stays() -> None:
    assert stopped(observed(replace(DONE, lingers=False), 3600)) == []
