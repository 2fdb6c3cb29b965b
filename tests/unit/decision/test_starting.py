"""Waiting for a first Pod: the whole result of each wait, at each of its limits."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import pytest

from fakes.build import NOW, attempt, job, later, seen, status
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import Execution
from imagejob_operator.api.status import RunStatus, Status
from imagejob_operator.decision.attempt import Attempt, AttemptCounts, Problem, Refusal, Remark, State
from imagejob_operator.decision.observation import Observation
from imagejob_operator.decision.phases.starting import (
    Wait,
    check_queue,
    check_start,
    is_queued,
    silent_attempt,
    with_queued,
)
from imagejob_operator.decision.shards import survey

NOWHERE = Problem(Reason.UNSCHEDULABLE, "0/3 nodes")
PULL = Problem(Reason.IMAGE_PULL_FAILED, "not found")
NAME = Problem(Reason.INVALID_IMAGE_NAME, "bad name", certain=True)
QUOTA = Problem(Reason.QUOTA_EXCEEDED, "exceeded quota")
GATED = Problem(Reason.UNSCHEDULABLE, "a scheduling gate")
SILENT, UNSCHEDULED, PULLING = (attempt(State.WAITING, problem) for problem in (None, NOWHERE, PULL))
POD = SILENT.name


def observed(seconds: float, *attempts: Attempt, current: Status | None = None, **more: Any) -> Observation:
    counts = (AttemptCounts(1),) * max(1, len(attempts))
    current = current or status(Phase.LAUNCHING, counts=counts, items=len(counts), per_shard=1)
    return seen(job(current), *attempts, now=later(seconds), **more)


def start(o: Observation, deadline: int = 400) -> Wait:
    return check_start(o, survey(o, 2), Execution(start_deadline_seconds=deadline))


def failed(reason: Reason, text: str) -> Wait:
    return Wait(failure=Failure(Code.LAUNCH, reason, text))


LATE = "no Pod started running within spec.execution.startDeadlineSeconds; check the Events of the Pods"
SAYS = {SILENT.uid: Remark("no runtime", later(1))}


@pytest.mark.parametrize(
    ("o", "wait"),
    [
        (observed(9.9, SILENT), Wait(requeue_at=later(10))),
        (observed(10, SILENT), Wait(requeue_at=later(400))),
        (observed(399.9, SILENT), Wait(requeue_at=later(400))),
        (
            observed(400, SILENT),
            failed(Reason.START_DEADLINE_EXCEEDED, f"{LATE} (6m40s of 6m40s start deadline)"),
        ),
        (observed(9.9, UNSCHEDULED), Wait(requeue_at=later(10))),
        (observed(10, UNSCHEDULED), Wait(requeue_at=later(400), note=NOWHERE)),
        (
            observed(400, UNSCHEDULED),
            failed(Reason.UNSCHEDULABLE, f"0/3 nodes (pod {POD}, 6m40s of 6m40s start deadline)"),
        ),
        (observed(299.9, PULLING), Wait(requeue_at=later(300), note=PULL)),
        (
            observed(300, PULLING),
            failed(Reason.IMAGE_PULL_FAILED, f"not found (pod {POD}, 5m0s of 5m0s grace)"),
        ),
        (observed(10, SILENT, remarks=SAYS), Wait(requeue_at=later(400), note="no runtime")),
        (
            observed(0, attempt(State.WAITING, NAME)),
            failed(Reason.INVALID_IMAGE_NAME, f"bad name (pod {POD}, 0s of 6m40s start deadline)"),
        ),
        (
            observed(400, refusals={0: Refusal(QUOTA, NOW, NOW)}),
            failed(Reason.QUOTA_EXCEEDED, "exceeded quota (6m40s of 6m40s start deadline)"),
        ),
    ],
)
def test_how_long_a_first_pod_is_waited_for(o: Observation, wait: Wait) -> None:
    assert start(o) == wait


@pytest.mark.parametrize(
    ("deadline", "wait"),
    [
        (5, Wait(requeue_at=later(5))),
        (10, Wait(requeue_at=later(10))),
        (300, Wait(requeue_at=later(10))),
    ],
)
def test_a_short_deadline_comes_before_the_first_note(deadline: int, wait: Wait) -> None:
    assert start(observed(0, PULLING), deadline) == wait


def test_the_grace_is_named_only_where_it_is_the_shorter_limit() -> None:
    text = f"not found (pod {POD}, 5m0s of 5m0s start deadline)"
    assert start(observed(300, PULLING), 300) == failed(Reason.IMAGE_PULL_FAILED, text)


@pytest.mark.parametrize(
    "o",
    [
        observed(999, attempt(State.RUNNING), attempt(State.WAITING, NAME, shard=1)),
        observed(999),
        observed(999, replace(UNSCHEDULED, held=True)),
    ],
    ids=["one-runs", "not-launched", "held"],
)
def test_nothing_is_waited_for(o: Observation) -> None:
    assert start(o) == Wait()


def test_a_problem_that_is_certain_is_reported_before_others() -> None:
    named = attempt(State.WAITING, NAME, shard=1)
    found = start(observed(20, PULLING, named, refusals={0: Refusal(QUOTA, NOW, NOW)}))
    text = f"bad name (pod {named.name}, 20s of 6m40s start deadline)"
    assert found == failed(Reason.INVALID_IMAGE_NAME, text)


@pytest.mark.parametrize(
    ("one", "note"),
    [
        (replace(PULLING, order_delivered=False), QUOTA),
        (PULLING, PULL),
        (attempt(State.WAITING, PULL, shard=1), QUOTA),
    ],
    ids=["without-its-order", "with-its-order", "of-another-shard"],
)
def test_a_refusal_is_reported_while_it_applies(one: Attempt, note: Problem) -> None:
    current = status(Phase.LAUNCHING, counts=(AttemptCounts(1),) * 2, per_shard=1)
    o = observed(20, one, current=current, refusals={0: Refusal(QUOTA, NOW, NOW)})
    assert start(o).note == note


def run_of(current: Status, **fields: Any) -> Status:
    assert current.run
    return msgspec.structs.replace(current, run=msgspec.structs.replace(current.run, **fields))


@pytest.mark.parametrize(
    "current",
    [
        status(Phase.LAUNCHING, since=later(100)),
        run_of(status(Phase.LAUNCHING, since=later(-9)), released_at=later(100)),
    ],
    ids=["phase", "queue"],
)
def test_the_wait_counts_from_the_last_change(current: Status) -> None:
    assert start(observed(499.9, SILENT, current=current)).requeue_at == later(500)
    assert start(observed(500, SILENT, current=current)).failure


def test_the_wait_counts_from_the_first_launch() -> None:
    second = attempt(State.WAITING, shard=1, created=later(50))
    current = status(Phase.LAUNCHING, counts=(AttemptCounts(1),) * 3, since=later(-99), per_shard=1)
    o = observed(60, second, current=current, refusals={2: Refusal(QUOTA, later(20), NOW)})
    assert start(o).requeue_at == later(420)


def test_the_oldest_silent_attempt_is_asked_about() -> None:
    second = attempt(State.WAITING, shard=1, created=later(-1))
    o = observed(10, SILENT, second)
    assert silent_attempt(o, survey(o, 2)) == (second, None)


# --- the queue ---------------------------------------------------------------------------------------------


def held(problem: Problem | None, shard: int = 0) -> Attempt:
    return attempt(State.WAITING, problem, shard=shard, held=True)


@pytest.mark.parametrize(
    ("problem", "evidence"), [(None, ""), (GATED, ": a scheduling gate")], ids=["silent", "gated"]
)
def test_how_long_a_queue_is_waited_for(problem: Problem | None, evidence: str) -> None:
    current = run_of(status(Phase.LAUNCHING), queued_since=NOW, queued_seconds=100)
    queue = Execution(queue_name="team-a", queue_deadline_seconds=700)
    early, late = (observed(seconds, held(problem), current=current) for seconds in (599, 600))
    note = f"the queue 'team-a' is holding back the Pods{evidence}"
    assert check_queue(early, survey(early, 2), queue) == Wait(note=note, requeue_at=later(600))
    text = (
        "the queue 'team-a' has held back all Pods for 11m40s, longer than "
        f"spec.execution.queueDeadlineSeconds (700 s){evidence}; check the queue and its workloads, and "
        "whether Kueue manages this namespace"
    )
    assert check_queue(late, survey(late, 2), queue) == failed(Reason.QUEUE_DEADLINE_EXCEEDED, text)


@pytest.mark.parametrize(
    ("attempts", "queued"),
    [
        ((), False),
        ((held(None),), True),
        ((held(None), SILENT), False),
        ((held(None), attempt(State.RUNNING)), False),
    ],
    ids=["none", "held", "one-released", "one-runs"],
)
def test_only_a_queue_that_holds_back_every_pod_counts(attempts: tuple[Attempt, ...], queued: bool) -> None:
    one_per_shard = [replace(one, shard=shard) for shard, one in enumerate(attempts)]
    assert is_queued(survey(observed(0, *one_per_shard), 2)) is queued


@pytest.mark.parametrize(("queued", "since"), [(True, NOW), (False, None)])
def test_a_queue_without_a_run(queued: bool, since: datetime | None) -> None:
    assert with_queued(Status(), queued, NOW).run == RunStatus(queued_since=since)
