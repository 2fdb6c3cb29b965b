"""Where each shard current, what is due, and when waiting for a start has lasted too long."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.build import attempt, job, later, seen, status
from imagejob_contract.result import Summary
from imagejob_operator.api.errors import Code, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import Execution
from imagejob_operator.api.status import parse_status, status_body
from imagejob_operator.decision.attempt import Attempt, AttemptCounts, Problem, Refusal, Remark, State
from imagejob_operator.decision.decide import decide
from imagejob_operator.decision.observation import Observation
from imagejob_operator.decision.phases.starting import check_start, silent_attempt
from imagejob_operator.decision.shards import (
    count_items,
    record_due,
    shard_count,
    shard_items,
    survey,
)

COUNTED = Problem(Reason.CRASHED, "crashed")
UNCOUNTED = Problem(Reason.NODE_LOST, "drained", counted=False)
RETRIES = 2


def world(
    counts: tuple[AttemptCounts, ...], *attempts: Attempt, results: dict[int, Summary] | None = None
) -> Observation:
    of = job(status(Phase.RUNNING, counts=counts, items=10, per_shard=3))
    return seen(of, *attempts, results=results or {})


CASES = {
    "never-launched": (AttemptCounts(), None, "due 1+0"),
    "recorded-not-there": (AttemptCounts(1), None, "absent"),
    "waiting": (AttemptCounts(1), attempt(State.WAITING), "waiting"),
    "running": (AttemptCounts(1), attempt(State.RUNNING), "running"),
    "succeeded": (AttemptCounts(1), attempt(State.SUCCEEDED), "done"),
    "failed-retries-left": (AttemptCounts(2), attempt(State.FAILED, COUNTED, number=2), "due 3+0"),
    "failed-last": (AttemptCounts(3), attempt(State.FAILED, COUNTED, number=3), "lost"),
    "failed-without-a-word": (AttemptCounts(3), attempt(State.FAILED, number=3), "lost"),
    "disrupted-last": (AttemptCounts(3), attempt(State.FAILED, UNCOUNTED, number=3), "due 3+1"),
    "disrupted-often": (AttemptCounts(1, 9), attempt(State.FAILED, UNCOUNTED, number=10), "due 1+10"),
    "disrupted-too-often": (AttemptCounts(1, 10), attempt(State.FAILED, UNCOUNTED, number=11), "lost"),
    "given-up-and-gone": (AttemptCounts(3, 0, True), None, "lost"),
    "given-up-and-there": (AttemptCounts(3, 0, True), attempt(State.FAILED, UNCOUNTED, number=3), "lost"),
    "going-in-time": (AttemptCounts(1), attempt(State.RUNNING, deleting=True, gone_by=later(-59)), "running"),
    "on-a-dead-node": (
        AttemptCounts(1),
        attempt(State.RUNNING, deleting=True, gone_by=later(-60)),
        "due 1+1",
    ),
    "on-a-dead-node-waiting": (
        AttemptCounts(1),
        attempt(State.WAITING, deleting=True, gone_by=later(-60)),
        "due 1+1",
    ),
    "only-an-older-one": (AttemptCounts(2), attempt(State.FAILED, COUNTED, number=1), "absent"),
    "of-another-run": (AttemptCounts(1), attempt(State.SUCCEEDED, run=2), "absent"),
    "older-one-succeeded": (AttemptCounts(2), attempt(State.SUCCEEDED, number=1), "done"),
    "failed-just-now": (AttemptCounts(1), attempt(State.FAILED, COUNTED, finished=later(-0.9)), "backoff"),
    "failed-a-second-ago": (AttemptCounts(1), attempt(State.FAILED, COUNTED, finished=later(-1)), "due 2+0"),
    "failed-by-a-clock-a-little-ahead": (
        AttemptCounts(1),
        attempt(State.FAILED, COUNTED, finished=later(5)),
        "backoff",
    ),
    "failed-by-a-clock-far-ahead": (
        AttemptCounts(1),
        attempt(State.FAILED, COUNTED, finished=later(3600)),
        "due 2+0",
    ),
    "disrupted-often-just-now": (
        AttemptCounts(1, 7),
        attempt(State.FAILED, UNCOUNTED, number=8, finished=later(-9)),
        "backoff",
    ),
    "failed-last-just-now": (
        AttemptCounts(3),
        attempt(State.FAILED, COUNTED, number=3, finished=later(0)),
        "lost",
    ),
    "deleting": (AttemptCounts(1), attempt(State.RUNNING, deleting=True), "running"),
}


def place(o: Observation, shard: int) -> str:
    """Every class that a shard is in; one word if all is well."""
    view = survey(o, RETRIES)
    due = view.due.get(shard)
    found = [
        *(["done"] if shard in view.done else []),
        *(["lost"] if shard in view.lost else []),
        *(["absent"] if shard in view.absent else []),
        *(["running"] for a in view.running if a.shard == shard),
        *(["waiting"] for a in view.waiting if a.shard == shard),
        *([f"due {due.counted}+{due.disrupted}"] if due else []),
        *(["backoff"] if shard in view.backoff else []),
    ]
    return " and ".join(word if isinstance(word, str) else word[0] for word in found)


def test_a_failed_shard_is_recorded_with_its_attempts() -> None:
    view = survey(
        world((AttemptCounts(3), AttemptCounts()), attempt(State.FAILED, COUNTED, number=3)), RETRIES
    )
    assert record_due(view, 1) == (AttemptCounts(3, 0, True), AttemptCounts(1))


@pytest.mark.parametrize(("counts", "seen_attempt", "wanted"), CASES.values(), ids=CASES)
def test_the_state_of_a_shard(counts: AttemptCounts, seen_attempt: Attempt | None, wanted: str) -> None:
    attempts = (seen_attempt,) if seen_attempt else ()
    assert place(world((counts,), *attempts), 0) == wanted


def test_an_attempt_at_another_run_with_the_same_number_is_ignored() -> None:
    """After etcd was restored: the uid of the run differs."""
    assert place(world((AttemptCounts(1),), attempt(State.SUCCEEDED)), 0) == "done"
    assert place(world((AttemptCounts(1),), attempt(State.SUCCEEDED, run_uid="another")), 0) == "absent"


def test_a_result_in_the_store_ends_a_shard_whatever_became_of_its_pod() -> None:
    o = world((AttemptCounts(3),), attempt(State.FAILED, COUNTED, number=3), results={0: Summary(3)})
    assert place(o, 0) == "done"


@pytest.mark.parametrize(
    ("reported", "wanted"),
    [
        (Summary(3), (3, 0)),
        (Summary(7), (3, 0)),
        (Summary(2**53), (3, 0)),
        (Summary(2**53, 2**53), (0, 3)),
        (Summary(3, 1), (2, 1)),
        (Summary(1, 1, 2**53), (1, 1)),
    ],
)
@pytest.mark.parametrize("stored", [False, True])
def test_a_pod_counts_at_most_the_items_of_its_shard(
    reported: Summary, wanted: tuple[int, int], stored: bool
) -> None:
    """What a Pod reports is not verified before Publishing; the status must stay one that can be read."""
    ended = replace(attempt(State.SUCCEEDED), summary=reported)
    counts = (AttemptCounts(1),) * 4
    o = world(counts, results={0: reported}) if stored else world(counts, ended)
    found = count_items(o.job.status, survey(o, RETRIES))
    assert (found.succeeded, found.failed) == wanted
    written = decide(o).status
    assert parse_status(status_body(written)) == written


states = st.sampled_from(State)
problems = st.sampled_from([None, COUNTED, UNCOUNTED])
many_counts = st.lists(
    st.builds(AttemptCounts, st.integers(0, 4), st.integers(0, 1), st.booleans()), min_size=1, max_size=5
)


@st.composite
def worlds(draw: st.DrawFn) -> Observation:
    counts = tuple(draw(many_counts))
    attempts: dict[str, Attempt] = {}
    for shard, number, state, problem, run in draw(
        st.lists(
            st.tuples(st.integers(0, 6), st.integers(1, 5), states, problems, st.integers(1, 2)), max_size=8
        )
    ):
        made = attempt(state, problem if state is State.FAILED else None, shard=shard, number=number, run=run)
        attempts[made.name] = made
    results = draw(st.dictionaries(st.integers(0, len(counts) - 1), st.just(Summary(1))))
    return world(counts, *attempts.values(), results=results)


@given(worlds())
def test_every_shard_is_in_exactly_one_class(o: Observation) -> None:
    total = len(survey(o, RETRIES).counts)
    for shard in range(total):
        assert place(o, shard), f"shard {shard} is nowhere"
        assert " and " not in place(o, shard)
    view = survey(o, RETRIES)
    assert view.finished == all(place(o, s) in ("done", "lost") for s in range(total))


@given(worlds(), st.integers(1, 6))
def test_what_is_recorded_keeps_to_parallelism_and_never_goes_back(o: Observation, parallelism: int) -> None:
    view = survey(o, RETRIES)
    after = record_due(view, parallelism)
    new = [s for s in range(view.total) if after[s].launches != view.counts[s].launches]
    under_way = len(view.running) + len(view.waiting) + len(view.absent)
    assert len(new) <= max(0, parallelism - under_way)
    assert all(after[s].launches == view.counts[s].launches + 1 for s in new)
    assert all(after[s].lost for s in view.lost)
    assert bool(new) == bool(view.due and parallelism > under_way)
    retried = [s for s in new if view.counts[s].launches]
    fresh_chosen = len(retried) < len(new)
    all_retries = [s for s in view.due if view.counts[s].launches]
    assert not fresh_chosen or retried == sorted(all_retries), "retries go first"


@pytest.mark.parametrize(
    ("items", "per_shard", "shards"),
    [(1, 1, 1), (10, 3, 4), (9, 3, 3), (2, 50, 1)],
)
def test_items_are_cut_into_shards(items: int, per_shard: int, shards: int) -> None:
    assert shard_count(items, per_shard) == shards
    cut = [i for s in range(shards) for i in shard_items(items, per_shard, s)]
    assert cut == list(range(items))


def test_a_lost_shard_counts_with_all_its_items() -> None:
    counts = (AttemptCounts(1), AttemptCounts(3), AttemptCounts(1), AttemptCounts(1))
    o = world(
        counts,
        replace(attempt(State.SUCCEEDED), summary=Summary(2, 1)),
        attempt(State.FAILED, COUNTED, shard=1, number=3),
    )
    counts = count_items(o.job.status, survey(o, RETRIES))
    assert (counts.total, counts.succeeded, counts.failed) == (10, 2, 4)


# --- deadlines, to the second ------------------------------------------------------------------------------

EXECUTION = Execution(start_deadline_seconds=400)
PULL = Problem(Reason.IMAGE_PULL_FAILED, "not found")
CONFIG = Problem(Reason.CONFIG_ERROR, "no such secret")
NOWHERE = Problem(Reason.UNSCHEDULABLE, "0/3 nodes")
NAME = Problem(Reason.INVALID_IMAGE_NAME, "bad name", certain=True)
QUOTA = Problem(Reason.QUOTA_EXCEEDED, "exceeded quota")
REJECTED = Problem(Reason.POD_REJECTED, "violates PodSecurity", certain=True)


def judged(seconds: float, *attempts: Attempt, refusal: Refusal | None = None) -> object:
    current = status(Phase.LAUNCHING, counts=(AttemptCounts(1),) * max(1, len(attempts)))
    o = seen(job(current), *attempts, now=later(seconds), refusals={0: refusal} if refusal else {})
    start = check_start(o, survey(o, RETRIES), EXECUTION)
    return start.failure and (start.failure.code, start.failure.reason)


@pytest.mark.parametrize(
    ("problem", "limit", "reason"),
    [
        (None, 400, Reason.START_DEADLINE_EXCEEDED),
        (NOWHERE, 400, Reason.UNSCHEDULABLE),
        (PULL, 300, Reason.IMAGE_PULL_FAILED),
        (CONFIG, 300, Reason.CONFIG_ERROR),
    ],
    ids=["silent", "unschedulable", "image", "config"],
)
def test_a_waiting_attempt_fails_exactly_at_its_limit(
    problem: Problem | None, limit: int, reason: Reason
) -> None:
    waiting = attempt(State.WAITING, problem)
    assert judged(limit - 0.001, waiting) is None
    assert judged(limit, waiting) == (Code.LAUNCH, reason)


def test_what_cannot_get_better_fails_at_once() -> None:
    assert judged(0, attempt(State.WAITING, NAME)) == (Code.LAUNCH, Reason.INVALID_IMAGE_NAME)


@pytest.mark.parametrize(
    ("problem", "limit", "reason"),
    [(QUOTA, 400, Reason.QUOTA_EXCEEDED), (REJECTED, 0, Reason.POD_REJECTED)],
    ids=["quota", "rejected"],
)
def test_a_refusal_counts_against_the_same_deadline(problem: Problem, limit: int, reason: Reason) -> None:
    refusal = Refusal(problem, since=later(0), retry_at=later(1))
    assert limit == 0 or judged(limit - 0.001, refusal=refusal) is None
    assert judged(limit, refusal=refusal) == (Code.LAUNCH, reason)


def test_a_refused_order_is_the_cause_and_not_that_the_pod_has_none() -> None:
    waiting = attempt(State.WAITING, CONFIG, delivered=False)
    refusal = Refusal(QUOTA, since=later(1), retry_at=later(400))
    assert judged(400, waiting, refusal=refusal) == (Code.LAUNCH, Reason.QUOTA_EXCEEDED)


def test_nothing_is_judged_while_one_runs() -> None:
    attempts = (attempt(State.RUNNING), attempt(State.WAITING, NAME, shard=1))
    assert judged(4000, *attempts) is None


def test_the_wait_counts_from_the_last_end_of_an_attempt() -> None:
    current = status(Phase.RUNNING, counts=(AttemptCounts(1), AttemptCounts(1)))
    ended = attempt(State.SUCCEEDED, finished=later(1000))
    o = seen(job(current), ended, attempt(State.WAITING, shard=1), now=later(1399))
    assert check_start(o, survey(o, RETRIES), EXECUTION).failure is None
    o = replace(o, now=later(1400))
    assert check_start(o, survey(o, RETRIES), EXECUTION).failure is not None


def test_the_message_has_the_evidence() -> None:
    o = seen(job(status(Phase.LAUNCHING)), attempt(State.WAITING, PULL), now=later(300))
    failure = check_start(o, survey(o, RETRIES), EXECUTION).failure
    assert failure is not None
    assert failure.message == f"not found (pod {attempt(State.WAITING).name}, 5m0s of 5m0s grace)"


def test_the_event_of_a_silent_attempt_is_the_evidence() -> None:
    silent = attempt(State.WAITING)
    remarks = {silent.uid: Remark("FailedCreatePodSandBox: no runtime", later(160))}
    o = seen(job(status(Phase.LAUNCHING)), silent, now=later(400), remarks=remarks)
    failure = check_start(o, survey(o, RETRIES), EXECUTION).failure
    assert failure is not None
    assert failure.reason is Reason.START_DEADLINE_EXCEEDED
    assert failure.message == (
        f"FailedCreatePodSandBox: no runtime (pod {silent.name}, 6m40s of 6m40s start deadline)"
    )


@pytest.mark.parametrize(
    ("asked", "seconds", "wanted"),
    [
        (None, 9.9, 10),
        (None, 10, "ask"),
        (10, 11, 20),
        (10, 20, "ask"),
        (160, 319, 320),
        (160, 320, "ask"),
        pytest.param(-3600, -3595, -3590, id="asked by a clock an hour behind"),
        (-3600, -3590, "ask"),
    ],
)
def test_a_silent_attempt_is_asked_about_each_time_its_wait_has_doubled(
    asked: float | None, seconds: float, wanted: object
) -> None:
    silent = attempt(State.WAITING)
    remarks = {} if asked is None else {silent.uid: Remark("", later(asked))}
    o = seen(job(status(Phase.LAUNCHING)), silent, now=later(seconds), remarks=remarks)
    found, when = silent_attempt(o, survey(o, RETRIES))
    assert (found, when) == ((silent, None) if wanted == "ask" else (None, later(float(str(wanted)))))


@pytest.mark.parametrize(
    "attempts",
    [
        (attempt(State.WAITING, PULL),),
        (attempt(State.WAITING, delivered=False),),
        (attempt(State.WAITING), attempt(State.RUNNING, shard=1)),
    ],
    ids=["says-it-itself", "has-no-order-yet", "one-runs"],
)
def test_no_request_is_made_without_need(attempts: tuple[Attempt, ...]) -> None:
    o = seen(
        job(status(Phase.LAUNCHING, counts=(AttemptCounts(1), AttemptCounts(1)))), *attempts, now=later(100)
    )
    assert silent_attempt(o, survey(o, RETRIES)) == (None, None)


@pytest.mark.parametrize("seconds", [0, 5, 9.9, 10, 100, 299.9])
def test_the_next_look_is_always_ahead_and_never_past_the_limit(seconds: float) -> None:
    o = seen(job(status(Phase.LAUNCHING)), attempt(State.WAITING, PULL), now=later(seconds))
    start = check_start(o, survey(o, RETRIES), EXECUTION)
    assert start.requeue_at is not None
    assert o.now < start.requeue_at <= later(300)
    assert bool(start.note) == (seconds >= 10), "a problem of the first seconds is not worth a write"
