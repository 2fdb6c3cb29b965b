"""When a Pod that outlasts its processor is deleted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import msgspec
import pytest

from fakes.build import NOW, SPEC, attempt, job, later, seen, status
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import Status
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


def requeued(o: Observation, before: float | None = None) -> object:
    wanted = Decision(o.job.status, requeue_at=None if before is None else later(before))
    return end_lingering(o, wanted).requeue_at


@pytest.mark.parametrize(
    ("seconds", "before", "after"),
    [(0, None, LATE), (0, 9, 9), (0, 99, LATE), (LATE, None, None), (LATE, 99, 99), (LATE, 1, 1)],
)
def test_the_job_is_checked_again_when_its_pod_is_due(
    seconds: float, before: float | None, after: float | None
) -> None:
    assert requeued(observed(DONE, seconds), before) == (None if after is None else later(after))


def test_a_pause_that_has_passed_is_not_waited_for() -> None:
    refusal = Refusal(Problem(Reason.POD_REJECTED, "denied"), NOW, later(LATE))
    assert requeued(observed(replace(DONE, stop_refused=refusal), LATE)) is None


def test_without_the_time_of_its_end_its_start_counts() -> None:
    one = replace(DONE, finished_at=None)
    assert stopped(observed(one, LATE - 1)) == []
    assert stopped(observed(one, LATE)) == [one]


@pytest.mark.parametrize(
    "one",
    [replace(FAILED, shard=1), replace(FAILED, epoch=0), replace(FAILED, run=2), replace(FAILED, run_uid="")],
    ids=["no-shard-of-the-run", "epoch", "run", "uid"],
)
def test_the_end_of_an_attempt_at_another_run_needs_no_record(one: Attempt) -> None:
    assert stopped(observed(one, LATE)) == [one]


@pytest.mark.parametrize(
    "current",
    [status(Phase.STAGING), msgspec.structs.replace(status(Phase.RUNNING), run=None)],
    ids=["no-shards", "no-run"],
)
def test_without_shards_there_is_nothing_to_record(current: Status) -> None:
    launching = msgspec.structs.replace(current, phase="Launching")
    assert stopped(seen(job(launching), FAILED, now=later(LATE))) == [FAILED]


def test_a_deleted_job_records_no_failure() -> None:
    of = job(status(Phase.RUNNING), deleted_at=NOW)
    assert stopped(seen(of, FAILED, now=later(LATE))) == [FAILED]
