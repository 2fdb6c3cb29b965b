"""A run whose Pods work: what is launched, when it is checked again, and how it fails or goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from fakes.build import NOW, PREFIX, attempt, job, later, seen, spec, status
from imagejob_contract.result import Summary
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import ItemCounts, ShardStatus, Status, error_status
from imagejob_operator.decision.action import Action, DeliverOrder, Launch, ReadEvents
from imagejob_operator.decision.attempt import Attempt, AttemptCounts, Problem, Refusal, Remark, State
from imagejob_operator.decision.decide import decide
from imagejob_operator.decision.observation import Decision, Observation
from imagejob_operator.decision.operation import Count, Counted, Working

ONCE = AttemptCounts(1)
RUNS = attempt(State.RUNNING)
CRASHED = Problem(Reason.CRASHED, "exit code 1")
STAGED = {"Staged": 1}


def run(
    *attempts: Attempt,
    counts: Sequence[AttemptCounts] = (ONCE,),
    phase: Phase = Phase.RUNNING,
    seconds: float = 0,
    items: ItemCounts | None = None,
    wanted: dict[str, Any] | None = None,
    **more: Any,
) -> Observation:
    """Shards of ten items each."""
    current = status(phase, counts=counts, items=10 * len(counts), per_shard=10)
    if items:
        current = msgspec.structs.replace(current, items=items)
    return seen(job(current, wanted or spec()), *attempts, now=later(seconds), **more)


def shards(decision: Decision) -> ShardStatus:
    assert decision.status.run
    assert decision.status.run.shards
    return decision.status.run.shards


# --- launching ---------------------------------------------------------------------------------------------

QUOTA = Problem(Reason.QUOTA_EXCEEDED, "exceeded quota")
WAITS = attempt(State.WAITING, delivered=False)
LAUNCH, DELIVER = Launch(PREFIX, 0, 1), DeliverOrder(WAITS, PREFIX)


@pytest.mark.parametrize(
    ("attempts", "refused", "actions"),
    [
        ((), None, (LAUNCH,)),
        ((), 10, ()),
        ((), 0, (LAUNCH,)),
        ((WAITS,), None, (DELIVER,)),
        ((WAITS,), 10, ()),
        ((attempt(State.WAITING),), None, ()),
        ((RUNS,), None, ()),
    ],
)
def test_what_is_launched_and_delivered(
    attempts: tuple[Attempt, ...], refused: float | None, actions: tuple[Action, ...]
) -> None:
    refusals = {} if refused is None else {0: Refusal(QUOTA, NOW, later(refused))}
    assert decide(run(*attempts, phase=Phase.LAUNCHING, refusals=refusals)).actions == actions


def test_the_next_attempt_of_a_shard_is_launched_with_its_number() -> None:
    found = decide(run(counts=(AttemptCounts(2, 1), AttemptCounts()), phase=Phase.LAUNCHING))
    assert found.actions == (Launch(PREFIX, 0, 3),)
    assert shards(found).attempts == "0=2+1,1=1"


def test_the_events_of_a_silent_pod_are_read() -> None:
    silent = attempt(State.WAITING)
    assert decide(run(silent, phase=Phase.LAUNCHING, seconds=10, recorded=STAGED)).actions == (
        ReadEvents(silent),
    )


# --- when it is checked again ------------------------------------------------------------------------------

GOING = attempt(State.RUNNING, deleting=True, gone_by=later(20))
REFUSED = {1: Refusal(QUOTA, NOW, later(7))}
FAILED = attempt(State.FAILED, CRASHED, shard=1, finished=later(-1))


@pytest.mark.parametrize(
    ("o", "requeue"),
    [
        (run(RUNS), 5),
        (
            run(RUNS, seconds=3600 - 1, wanted=spec(execution={"activeDeadlineSeconds": 3601})),
            3601,
        ),
        (run(attempt(State.WAITING), phase=Phase.LAUNCHING), 10),
        (run(attempt(State.WAITING), phase=Phase.LAUNCHING, seconds=11, remarks={}), 300),
        (run(counts=(ONCE, ONCE), phase=Phase.LAUNCHING, refusals=REFUSED), 7),
        (run(replace(GOING, gone_by=later(-57)), counts=(ONCE,)), 3),
        (run(RUNS, replace(FAILED, finished_at=later(1)), counts=(ONCE, ONCE)), 2),
    ],
    ids=["count", "deadline", "note", "start", "refusal", "stuck", "backoff"],
)
def test_a_run_is_checked_again_at_the_first_moment(o: Observation, requeue: float) -> None:
    assert decide(o).requeue_at == later(requeue)


def test_a_silent_pod_is_asked_again_when_its_wait_has_doubled() -> None:
    silent = attempt(State.WAITING)
    o = run(silent, phase=Phase.LAUNCHING, seconds=11, remarks={silent.uid: Remark("", later(10))})
    assert decide(o).requeue_at == later(20)


# --- progress ----------------------------------------------------------------------------------------------

COUNTING = Count(PREFIX, ((0, 1),), ItemCounts(10), later(5))


@pytest.mark.parametrize(
    ("seconds", "phase", "operation", "progress", "found", "requeue"),
    [
        (4.9, Phase.RUNNING, None, None, None, 5),
        (5, Phase.RUNNING, None, None, COUNTING, 3600),
        (6, Phase.RUNNING, COUNTING, Working(), COUNTING, 3600),
        (6, Phase.RUNNING, COUNTING, Counted(ItemCounts(10)), COUNTING, 10),
        (10, Phase.RUNNING, COUNTING, Counted(ItemCounts(10)), replace(COUNTING, since=later(10)), 3600),
        (5, Phase.LAUNCHING, None, None, None, 3600),
    ],
)
def test_when_the_progress_is_read(
    seconds: float, phase: Phase, operation: Any, progress: Any, found: Any, requeue: float
) -> None:
    decision = decide(run(RUNS, phase=phase, seconds=seconds, operation=operation, progress=progress))
    assert (decision.operation, decision.requeue_at) == (found, later(requeue))


def test_the_progress_is_read_less_often_if_many_jobs_run() -> None:
    o = run(RUNS, seconds=10, operation=COUNTING, progress=Counted(ItemCounts(10)))
    found = decide(replace(o, count_every=timedelta(seconds=60)))
    assert (found.operation, found.requeue_at) == (COUNTING, later(65))


def test_pods_that_wait_report_no_progress() -> None:
    assert decide(run(attempt(State.WAITING), seconds=5)).operation is None


@pytest.mark.parametrize(
    ("before", "read", "after"),
    [
        (ItemCounts(40), None, ItemCounts(40, 9, 1)),
        (ItemCounts(40, 9), None, ItemCounts(40, 9)),
        (ItemCounts(40, 8), None, ItemCounts(40, 9, 1)),
        (ItemCounts(40, 10), ItemCounts(40, 11), ItemCounts(40, 11)),
        (ItemCounts(40, 11), ItemCounts(40, 11), ItemCounts(40, 11)),
        (ItemCounts(40, 8), ItemCounts(40, 9), ItemCounts(40, 9, 1)),
        (ItemCounts(40, 20), ItemCounts(40, 11), ItemCounts(40, 20)),
    ],
)
def test_counts_that_are_worth_a_write(
    before: ItemCounts, read: ItemCounts | None, after: ItemCounts
) -> None:
    done = replace(attempt(State.SUCCEEDED), summary=Summary(9, 1))
    o = run(
        done,
        attempt(State.RUNNING, shard=1),
        counts=(ONCE, ONCE, AttemptCounts(), AttemptCounts()),
        items=before,
        progress=Counted(read) if read else None,
    )
    assert decide(o).status.items == after


def test_one_item_is_worth_a_write_in_a_small_run() -> None:
    done = replace(attempt(State.SUCCEEDED), summary=Summary(1, 0))
    o = run(done, attempt(State.RUNNING, shard=1), counts=(ONCE, ONCE), items=ItemCounts(2))
    small = msgspec.structs.replace(o.job.status, items_per_shard=1)
    assert decide(replace(o, job=replace(o.job, status=small))).status.items == ItemCounts(2, 1)


# --- the next phase ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("o", "phase"),
    [
        (run(attempt(State.WAITING), phase=Phase.LAUNCHING), Phase.LAUNCHING),
        (run(RUNS, phase=Phase.LAUNCHING), Phase.RUNNING),
        (run(attempt(State.SUCCEEDED), counts=(ONCE, ONCE), phase=Phase.LAUNCHING), Phase.RUNNING),
    ],
)
def test_a_run_is_running_when_a_pod_has_run(o: Observation, phase: Phase) -> None:
    assert decide(o).status.at is phase


def test_when_every_shard_has_ended_the_results_are_published() -> None:
    done = replace(attempt(State.SUCCEEDED), summary=Summary(9, 1))
    lost = attempt(State.FAILED, CRASHED, number=3, shard=1)
    wanted = spec(failurePolicy={"maxFailedItems": 10})
    found = decide(run(done, lost, counts=(ONCE, AttemptCounts(3)), wanted=wanted))
    assert (found.status.at, found.status.items) == (Phase.PUBLISHING, ItemCounts(20, 9, 11))
    assert shards(found) == ShardStatus(2, 1, 1, "0=1,1=3x")
    assert (found.actions, found.operation, found.requeue_at) == ((), None, None)


# --- too many lost -----------------------------------------------------------------------------------------

PULLS = Problem(Reason.IMAGE_PULL_FAILED, "no such image")


@pytest.mark.parametrize(
    ("problem", "phase", "started", "code", "reason"),
    [
        (PULLS, Phase.LAUNCHING, False, Code.LAUNCH, Reason.IMAGE_PULL_FAILED),
        (PULLS, Phase.LAUNCHING, True, Code.PROCESSING, Reason.CRASHED),
        (PULLS, Phase.RUNNING, False, Code.PROCESSING, Reason.CRASHED),
        (CRASHED, Phase.LAUNCHING, False, Code.PROCESSING, Reason.CRASHED),
        (
            Problem(Reason.OUT_OF_MEMORY, "too big"),
            Phase.RUNNING,
            True,
            Code.PROCESSING,
            Reason.OUT_OF_MEMORY,
        ),
    ],
)
def test_a_run_with_too_many_lost_items_fails_with_the_first_problem(
    problem: Problem, phase: Phase, started: bool, code: Code, reason: Reason
) -> None:
    lost = attempt(State.FAILED, problem, number=3)
    lost = replace(lost, started_at=NOW) if started else lost
    found = decide(run(lost, counts=(AttemptCounts(3),), phase=phase)).status
    assert (found.at, found.error) == (Phase.FAILING, error_status(Failure(code, reason, problem.message)))


@pytest.mark.parametrize(
    ("allowed", "phase"), [(9, Phase.FAILING), (10, Phase.RUNNING), ("50%", Phase.RUNNING)]
)
def test_only_the_items_of_lost_shards_count(allowed: int | str, phase: Phase) -> None:
    failed = replace(attempt(State.SUCCEEDED, shard=1), summary=Summary(0, 10))
    lost = attempt(State.FAILED, CRASHED, number=3)
    o = run(
        lost,
        failed,
        counts=(AttemptCounts(3), ONCE, AttemptCounts()),
        wanted=spec(failurePolicy={"maxFailedItems": allowed}),
    )
    assert decide(o).status.at is phase


# --- what it waits for -------------------------------------------------------------------------------------


def waits(o: Observation) -> tuple[str, str]:
    found = decide(o).status.condition("Reconciling")
    assert found
    return found.reason, found.message


AWAY = Problem(Reason.STORE_UNREACHABLE, "503")


@pytest.mark.parametrize(
    ("problem", "found"),
    [(AWAY, ("StoreUnreachable", "503")), (CRASHED, ("Running", ""))],
    ids=["store", "crash"],
)
def test_a_shard_that_rests_because_of_its_store_is_named(problem: Problem, found: tuple[str, str]) -> None:
    rests = attempt(State.FAILED, problem, finished=NOW)
    other = attempt(State.FAILED, CRASHED, finished=NOW, shard=1)
    assert waits(run(other, rests, counts=(ONCE, ONCE))) == found


def test_the_last_attempt_says_why_a_shard_rests() -> None:
    first = attempt(State.FAILED, AWAY, finished=NOW)
    again = Problem(Reason.STORE_UNREACHABLE, "no route to host")
    second = attempt(State.FAILED, again, number=2, finished=NOW)
    assert waits(run(first, second, counts=(AttemptCounts(2),))) == ("StoreUnreachable", "no route to host")
    crashed = attempt(State.FAILED, CRASHED, number=2, finished=NOW)
    assert waits(run(first, crashed, counts=(AttemptCounts(2),))) == ("Running", "")


def test_an_attempt_at_an_earlier_run_says_nothing() -> None:
    earlier = attempt(State.FAILED, AWAY, run=7, finished=NOW)
    assert waits(run(earlier, attempt(State.FAILED, CRASHED, finished=NOW))) == ("Running", "")


def test_the_wait_for_a_first_pod_is_named_before_it() -> None:
    rests = attempt(State.FAILED, AWAY, finished=later(10))
    pending = attempt(State.WAITING, Problem(Reason.UNSCHEDULABLE, "0/3 nodes"), shard=1)
    o = run(rests, pending, counts=(ONCE, ONCE), phase=Phase.LAUNCHING, seconds=21)
    assert waits(replace(o, now=later(20.5))) == ("Unschedulable", "0/3 nodes")


QUEUE = spec(execution={"queueName": "team-a"})


def test_the_start_of_a_queue_is_recorded_first() -> None:
    held = attempt(State.WAITING, held=True)
    found = decide(run(held, phase=Phase.LAUNCHING, wanted=QUEUE, seconds=3))
    assert found.status.run
    assert found.status.run.queued_since == later(3)
    assert (found.actions, found.requeue_at) == ((), None)
    text = "the queue 'team-a' is holding back the Pods"
    assert waits(run(held, phase=Phase.LAUNCHING, wanted=QUEUE)) == ("Launching", text)


def test_the_end_of_a_queue_is_recorded_first() -> None:
    o = run(attempt(State.WAITING), phase=Phase.LAUNCHING, wanted=QUEUE, seconds=9, recorded=STAGED)
    queued = msgspec.structs.replace(o.job.status.run, queued_since=NOW) if o.job.status.run else None
    current: Status = msgspec.structs.replace(o.job.status, run=queued)
    o = replace(o, job=replace(o.job, status=current))
    found = decide(o)
    assert found.status.run
    assert (found.status.run.queued_since, found.status.run.queued_seconds) == (None, 9)
    assert (found.actions, found.requeue_at, waits(o)) == ((), None, ("Launching", ""))
