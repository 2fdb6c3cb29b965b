"""The cache and the memory of runs, at each edge of their rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from fakes.build import KEY, NOW, UID, attempt, job, later, status
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.imagejob import Identity, ImageJob, Key
from imagejob_operator.api.phase import Phase
from imagejob_operator.controller.cache import Cache, newer
from imagejob_operator.controller.run_memory import ProgressBudget, RunMemories, RunMemory
from imagejob_operator.controller.workqueue import Queues, WorkQueue
from imagejob_operator.decision.attempt import Attempt, Problem, Refusal, State

OWNER = Identity(KEY, UID)
QUOTA = Problem(Reason.QUOTA_EXCEEDED, "exceeded quota")


@pytest.mark.parametrize(
    ("version", "than", "answer"),
    [
        ("10", "9", True),
        ("9", "10", False),
        ("9", "9", False),
        ("a", "a", False),
        ("a", "b", True),
        ("9", "a", True),
        ("a", "9", True),
        ("10a", "10a", False),
        ("", "1", True),
    ],
)
def test_which_version_is_newer(version: str, than: str, answer: bool) -> None:
    assert newer(version, than) is answer


def test_uids_are_seen_until_their_jobs_are_gone() -> None:
    cache = Cache()
    cache.put_job(job())
    cache.ignore_job("foreign")
    assert cache.seen() == {UID, "foreign"}
    cache.ignore_job("foreign", gone=True)
    assert cache.seen() == {UID}
    cache.drop_job(KEY, UID)
    assert (cache.seen(), cache.job(KEY)) == (set(), None)


@pytest.mark.parametrize(("seconds", "found"), [(29, 0), (30, 1), (31, 1)])
def test_a_job_without_a_status_is_unserved_after_half_a_minute(seconds: int, found: int) -> None:
    cache = Cache()
    cache.put_foreign(replace(job(), created_at=NOW))
    assert len(cache.unserved(later(seconds))) == found


@pytest.mark.parametrize(
    "served",
    [
        job(status(Phase.STAGING)),
        replace(job(), deleted_at=NOW),
    ],
    ids=["status", "deleted"],
)
def test_a_job_with_a_status_or_without_a_future_is_not_unserved(served: ImageJob) -> None:
    cache = Cache()
    cache.put_foreign(replace(job(), created_at=NOW))
    cache.put_foreign(served)
    assert cache.unserved(later(99)) == []
    cache.put_foreign(replace(job(), created_at=None))
    assert cache.unserved(later(99)) == [], "its age is not known"


def test_whether_an_attempt_has_its_order() -> None:
    cache = Cache()
    waiting, running = attempt(State.WAITING, delivered=False), attempt(State.RUNNING, shard=1)
    cache.put_attempt(OWNER, running)
    cache.put_attempt(OWNER, waiting)

    def delivered() -> list[bool]:
        return [one.order_delivered for one in cache.attempts(OWNER)]

    assert delivered() == [False, True]
    cache.delivered(OWNER, replace(waiting, uid="another"))
    cache.delivered(Identity(KEY, "another"), waiting)
    assert delivered() == [False, True]
    cache.delivered(OWNER, waiting)
    assert delivered() == [True, True]
    cache.put_attempt(OWNER, replace(waiting, uid="another"))
    cache.put_attempt(OWNER, waiting)
    assert delivered() == [False, True], "the name was used by another Pod since then"


def refused(cache: Cache) -> list[Refusal | None]:
    return [one.stop_refused for one in cache.attempts(OWNER)]


def test_a_refused_deletion_is_repeated_with_growing_pauses() -> None:
    cache, running = Cache(), attempt(State.RUNNING)
    cache.put_attempt(OWNER, running)
    for seconds, pause in ((0, 1), (1, 1), (2, 2), (200, 200), (300, 300), (9999, 300)):
        cache.stop_refused(OWNER, running, "forbidden", later(seconds))
        problem = Problem(Reason.POD_REJECTED, "forbidden")
        assert refused(cache) == [Refusal(problem, NOW, later(seconds + pause))]
    cache.stopping(OWNER, running)
    (known,) = cache.attempts(OWNER)
    assert (known.deleting, known.stop_refused) == (True, None)


@pytest.mark.parametrize(
    ("owner", "one"),
    [
        (OWNER, replace(attempt(State.RUNNING), uid="another")),
        (OWNER, attempt(State.RUNNING, shard=1)),
        (Identity(KEY, "another"), attempt(State.RUNNING)),
    ],
    ids=["uid", "name", "job"],
)
def test_what_is_known_of_another_attempt_changes_nothing(owner: Identity, one: Attempt) -> None:
    cache = Cache()
    cache.put_attempt(OWNER, attempt(State.RUNNING))
    before = cache.attempts(OWNER)
    cache.stopping(owner, one)
    cache.stop_refused(owner, one, "forbidden", NOW)
    cache.drop_attempt(owner, one)
    assert cache.attempts(OWNER) == before


def test_an_attempt_that_is_gone_stays_so_while_its_run_is_active() -> None:
    cache, running = Cache(), attempt(State.RUNNING)
    cache.put_job(job(status(Phase.RUNNING)))
    cache.put_attempt(OWNER, running)
    cache.stop_refused(OWNER, running, "forbidden", NOW)
    cache.drop_attempt(OWNER, running)
    cache.put_attempt(OWNER, running)
    cache.stopping(OWNER, running)
    cache.stop_refused(OWNER, running, "forbidden", NOW)
    cache.delivered(OWNER, running)
    (known,) = cache.attempts(OWNER)
    assert (known.gone, known.state, known.stop_refused) == (True, State.FAILED, None)
    assert list(cache.all_attempts()) == []
    cache.put_job(replace(job(status(Phase.FAILED)), resource_version="8"))
    assert cache.attempts(OWNER) == ()


def test_when_a_run_ends_only_attempts_that_are_gone_are_forgotten() -> None:
    cache, first, second = Cache(), attempt(State.RUNNING), attempt(State.RUNNING, shard=1)
    cache.put_job(job(status(Phase.RUNNING)))
    for one in (first, second):
        cache.put_attempt(OWNER, one)
    cache.drop_attempt(OWNER, first)
    cache.put_job(replace(job(status(Phase.FAILED)), resource_version="8"))
    assert [(owner, one.name) for owner, one in cache.all_attempts()] == [(OWNER, second.name)]
    cache.drop_attempt(OWNER, second)
    assert cache.attempts(OWNER) == ()


def test_the_newest_state_of_an_attempt_is_kept_and_its_successor_takes_its_name() -> None:
    cache, waiting, running = Cache(), attempt(State.WAITING), attempt(State.RUNNING)
    cache.put_job(job(status(Phase.RUNNING)))
    for one in (waiting, running):
        cache.put_attempt(OWNER, one)
        assert [known.state for known in cache.attempts(OWNER)] == [one.state]
    cache.drop_attempt(OWNER, running)
    cache.put_attempt(OWNER, replace(waiting, uid="another"))
    assert [(known.uid, known.gone) for known in cache.attempts(OWNER)] == [("another", False)]


def test_a_job_that_was_always_served_is_not_unserved() -> None:
    cache = Cache()
    cache.put_foreign(job(status(Phase.STAGING)))
    assert cache.unserved(later(99)) == []


# --- what a process learned --------------------------------------------------------------------------------


def test_a_shard_that_is_refused_again_rests_longer() -> None:
    memory = RunMemory(lambda: 0.0)
    for seconds, pause in ((0, 1), (10, 2), (20, 4)):
        memory.refuse(3, QUOTA, later(seconds))
        assert memory.refusals == {3: Refusal(QUOTA, NOW, later(seconds + pause))}
    memory.refuse(3, QUOTA, later(30), least_pause=100)
    assert memory.refusals[3].retry_at == later(130)
    memory.accept(3)
    memory.accept(3)
    memory.refuse(3, QUOTA, later(40), least_pause=0.5)
    assert memory.refusals == {3: Refusal(QUOTA, later(40), later(41))}


def test_a_finalizer_that_is_refused_again_was_refused_since_the_first_time() -> None:
    memory = RunMemory()
    memory.refuse_finalizer(QUOTA, NOW, timedelta(seconds=5))
    memory.refuse_finalizer(QUOTA, later(9), timedelta(seconds=5))
    assert memory.finalizer_refused == Refusal(QUOTA, NOW, later(14))


def run_of(number: int = 1, epoch: int = 1, phase: Phase = Phase.RUNNING, **more: Any) -> ImageJob:

    current = status(phase)
    assert current.run
    run = msgspec.structs.replace(current.run, number=number, epoch=epoch)
    return replace(job(), status=msgspec.structs.replace(current, run=run), **more)


def test_a_run_is_remembered_until_it_ends() -> None:
    memories = RunMemories()
    memory = memories.of(run_of())
    assert memories.of(run_of()) is memory
    assert len(memories) == 1
    memories.progress_budget.period(KEY, 1)
    memories.forget(KEY)
    memories.forget(KEY)
    assert (len(memories), len(memories.progress_budget)) == (0, 0)
    assert memories.of(run_of()) is not memory


@pytest.mark.parametrize(
    ("of", "remembered"),
    [
        (run_of(epoch=2), True),
        (run_of(number=2), False),
        (run_of(uid="another"), False),
        (job(), False),
    ],
    ids=["epoch", "number", "uid", "no-run"],
)
def test_only_events_are_remembered_and_only_of_the_same_run(of: ImageJob, remembered: bool) -> None:
    memories = RunMemories()
    memory = memories.of(run_of())
    memory.recorded["Staged"] += 1
    memory.refuse(0, QUOTA, NOW)
    found = memories.of(of)
    assert found is not memory
    assert found.recorded == ({"Staged": 1} if remembered else {})
    assert found.refusals == {}


def test_a_run_that_has_ended_is_not_remembered() -> None:
    memories = RunMemories()
    memories.of(run_of(phase=Phase.FAILED))
    assert len(memories) == 0


@pytest.mark.parametrize(
    ("others", "pods", "seconds"),
    [
        ((), 1, 5),
        ((), 250, 5),
        ((), 300, 6),
        ([Key("shop", f"{n}") for n in range(59)], 1, 6),
        ([Key("other", "a")], 300, 12),
        ([Key("other", f"{n}") for n in range(59)], 1, 5),
    ],
    ids=["one", "many-pods", "more-pods", "many-jobs", "two-namespaces", "many-jobs-of-another"],
)
def test_how_often_the_progress_of_a_job_is_read(others: Any, pods: int, seconds: float) -> None:
    budget = ProgressBudget()
    for key in others:
        budget.period(key, 0)
    assert budget.period(KEY, pods) == timedelta(seconds=seconds)
    assert len(budget) == len(others) + 1
    for key in others:
        budget.leave(key)
    budget.leave(Key("empty", "job"))
    assert len(budget) == 1


def test_there_are_two_queues() -> None:
    queues = Queues()
    assert list(queues) == [queues.jobs, queues.imagestores]
    assert [queue.name for queue in queues] == ["jobs", "imagestores"]
    assert [queue._workers for queue in queues] == [24, 32]
    assert len(WorkQueue()) == 0
