"""The cache: nothing old replaces something newer, and what is gone is gone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from fakes.build import KEY, NOW, UID, attempt, job, status
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.imagejob import Identity, ImageJob
from imagejob_operator.api.phase import Phase
from imagejob_operator.controller.cache import Cache
from imagejob_operator.decision.attempt import Attempt, Problem, State

OWNER = Identity(KEY, UID)


def at(version: str, uid: str = UID) -> ImageJob:
    return replace(job(), resource_version=version, uid=uid)


@pytest.mark.parametrize(
    ("first", "second", "wanted", "news"),
    [
        (at("5"), at("6"), "6", True),
        (at("5"), at("5"), "5", False),
        (at("10"), at("9"), "10", False),
        (at("abc"), at("abd"), "abd", True),
        (at("5"), at("6", uid="another"), "6", True),
        (at("6", uid="another"), at("5"), "6", False),
    ],
    ids=["newer", "same", "older-as-a-number", "opaque", "successor", "late-sight-of-its-predecessor"],
)
def test_sights_of_a_job(first: ImageJob, second: ImageJob, wanted: str, news: bool) -> None:
    cache = Cache()
    assert cache.put_job(first)
    assert cache.put_job(second) is news
    kept = cache.job(KEY)
    assert kept
    assert kept.resource_version == wanted
    assert list(cache.jobs()) == [kept]


def test_the_attempts_of_a_predecessor_go_with_it() -> None:
    cache = Cache()
    cache.put_job(at("5"))
    cache.put_attempt(OWNER, attempt(State.RUNNING))
    cache.put_job(at("6", uid="another"))
    assert cache.attempts(OWNER) == ()


def test_a_late_word_of_an_end_does_not_remove_the_successor() -> None:
    cache = Cache()
    cache.put_job(at("6", uid="another"))
    cache.drop_job(KEY, UID)
    assert cache.job(KEY)


def test_attempts_are_by_name_and_gone_by_uid() -> None:
    cache = Cache()
    cache.put_job(at("5"))
    first, second = attempt(State.WAITING, shard=1), attempt(State.RUNNING, shard=0)
    cache.put_attempt(OWNER, first)
    cache.put_attempt(OWNER, second)
    assert [a.name for a in cache.attempts(OWNER)] == sorted([first.name, second.name])
    cache.drop_attempt(OWNER, replace(first, uid="uid of another Pod of that name"))
    assert not any(a.gone for a in cache.attempts(OWNER))
    cache.drop_attempt(OWNER, first)
    assert [a.name for a in cache.attempts(OWNER) if a.gone] == [first.name]
    cache.put_job(replace(at("6"), status=status(Phase.SUCCEEDED)))
    assert [a.name for a in cache.attempts(OWNER)] == [second.name], "the run has ended: nothing will ask"
    cache.drop_attempt(OWNER, second)
    assert cache.attempts(OWNER) == ()


CRASHED = Problem(Reason.CRASHED, "exit code 70")


@pytest.mark.parametrize(
    ("last", "state", "counted"),
    [
        (attempt(State.FAILED, CRASHED), State.FAILED, True),
        (attempt(State.SUCCEEDED), State.SUCCEEDED, None),
        (attempt(State.RUNNING), State.FAILED, False),
        (attempt(State.WAITING), State.FAILED, False),
    ],
    ids=["crashed", "succeeded", "running", "waiting"],
)
def test_what_became_of_an_attempt_is_known_after_it_is_gone(
    last: Attempt, state: State, counted: bool | None
) -> None:
    cache = Cache()
    cache.put_job(at("5"))
    cache.put_attempt(OWNER, replace(last, state=State.RUNNING, problem=None))
    cache.drop_attempt(OWNER, last)
    seen = cache.attempts(OWNER)[0]
    assert (seen.state, seen.problem and seen.problem.counted) == (state, counted)
    assert seen.deleting, "it needs no second deletion"
    cache.put_attempt(OWNER, replace(last, state=State.RUNNING))
    assert cache.attempts(OWNER) == (seen,), "a late answer does not bring it back"


def test_nothing_is_kept_of_a_job_that_went_before_its_pods() -> None:
    cache, last = Cache(), attempt(State.RUNNING)
    cache.put_job(at("5"))
    cache.put_attempt(OWNER, last)
    cache.drop_job(KEY, UID)
    cache.put_attempt(OWNER, replace(last, deleting=True))  # a late sight of its end
    cache.drop_attempt(OWNER, last)
    assert cache.attempts(OWNER) == ()
    assert vars(cache) == vars(Cache()), "not even an empty entry"


def test_whether_an_order_was_delivered_is_known_only_of_this_process() -> None:
    cache = Cache()
    waiting = attempt(State.WAITING)
    cache.put_attempt(OWNER, waiting)
    assert not cache.attempts(OWNER)[0].order_delivered
    cache.delivered(OWNER, waiting)
    assert cache.attempts(OWNER)[0].order_delivered
    cache.put_attempt(OWNER, replace(waiting, state=State.RUNNING))
    assert Cache.attempts(cache, OWNER)[0].order_delivered


def test_what_runs_has_its_order() -> None:
    cache = Cache()
    cache.put_attempt(OWNER, attempt(State.RUNNING))
    assert cache.attempts(OWNER)[0].order_delivered


@pytest.mark.parametrize("tell", [Cache.stopping, Cache.delivered], ids=["stopping", "delivered"])
def test_an_answer_that_comes_after_the_end_brings_nothing_back(
    tell: Callable[[Cache, str, Attempt], None],
) -> None:
    cache = Cache()
    late = attempt(State.WAITING)
    cache.put_attempt(OWNER, late)
    cache.drop_attempt(OWNER, late)
    tell(cache, UID, late)
    assert list(cache.all_attempts()) == []
    assert cache._delivered == set()


def test_a_pod_of_the_same_name_has_not_the_order_of_the_one_before() -> None:
    cache = Cache()
    cache.put_job(at("5"))
    first = attempt(State.WAITING)
    cache.put_attempt(OWNER, first)
    cache.delivered(OWNER, first)
    cache.put_attempt(OWNER, replace(first, uid="another"))
    assert not cache.attempts(OWNER)[0].order_delivered
    assert cache._delivered == set()


@pytest.mark.parametrize(
    ("phase", "begun"),
    [
        (None, False),
        (Phase.PENDING, False),
        (Phase.VALIDATING, True),
        (Phase.STAGING, True),
        (Phase.RUNNING, True),
        (Phase.FAILING, True),
        (Phase.SUSPENDED, True),
        (Phase.SUCCEEDED, False),
        (Phase.FAILED, False),
    ],
)
def test_a_job_has_begun_until_its_run_has_ended(phase: Phase | None, begun: bool) -> None:
    cache = Cache()
    assert not cache.has_begun(KEY)
    cache.put_job(replace(job(), status=status(phase)) if phase else job())
    assert cache.has_begun(KEY) is begun


def test_a_job_that_is_deleted_does_not_wait_for_those_that_have_begun() -> None:
    cache = Cache()
    cache.put_job(replace(job(), deleted_at=NOW))
    assert cache.has_begun(KEY)
