"""Actions on attempts: what is refused is remembered and logged, and never raised."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from fakes.build import NOW, PREFIX, SPEC, attempt, job, later, spec, status
from fakes.clock import ManualClock
from fakes.log_lines import lines
from fakes.memory_cluster import MemoryCluster
from fakes.memory_store import MemoryStore, key_of
from fakes.memory_web import downloader
from fakes.telemetry import CountingTelemetry
from imagejob_contract.result import (
    ItemCode,
    ItemError,
    ItemResult,
    OutputRecord,
    Result,
    Summary,
    encode_result,
)
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import Phase
from imagejob_operator.controller.attempt_actions import AttemptActions
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.run_memory import RunMemory
from imagejob_operator.decision.action import DeliverOrder, Launch, StopAttempt
from imagejob_operator.decision.attempt import Attempt, AttemptCounts, Problem, Refusal, Remark, State
from imagejob_operator.decision.operation import Stage
from imagejob_operator.documents.staging import order_key, result_key
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.processing.orders import SLACK
from imagejob_operator.operations.staging.stage import stage
from imagejob_operator.ports.imagejobs import Forbidden
from imagejob_operator.ports.launcher import Refused
from imagejob_operator.ports.object_store import StoreUnavailable

LAUNCH = Launch(PREFIX, 0, 1)
BUNDLE = "-----BEGIN CERTIFICATE-----"
QUOTA = Problem(Reason.QUOTA_EXCEEDED, "exceeded quota")


class OneStore:
    """The port Stores with one store."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store

    async def of(self, job: ImageJob) -> MemoryStore:
        return self.store

    def ca_bundle(self, job: ImageJob) -> str:
        return BUNDLE


class Cluster(MemoryCluster):
    """Remembers what came with each call."""

    bundles: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()
    ends: tuple[datetime, ...] = ()

    async def launch(self, job: ImageJob, shard: int, number: int, ends_by: datetime) -> Attempt:
        self.ends += (ends_by,)
        return await super().launch(job, shard, number, ends_by)

    async def deliver(self, attempt: Attempt, namespace: str, order_url: str, ca_bundle: str = "") -> None:
        self.bundles += (ca_bundle,)
        await super().deliver(attempt, namespace, order_url, ca_bundle)

    async def remark(self, attempt: Attempt, namespace: str) -> str:
        self.asked += (namespace,)
        return await super().remark(attempt, namespace)

    async def stop(self, attempt: Attempt, namespace: str) -> None:
        self.asked += (namespace,)
        await super().stop(attempt, namespace)


class Bench:
    """A run with a staging, of which one shard is launched."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        self.cluster = Cluster(self.clock, self.store)
        self.cluster.create("spring", SPEC)
        self.cache = Cache()
        self.memory = RunMemory(lambda: 0.0)
        self.actions = AttemptActions(self.cluster, OneStore(self.store), self.cache, self.clock, FreshRuns())
        self.job = job(status(Phase.LAUNCHING))

    async def staged(self) -> None:
        for key in ("uploads/a.jpg", "uploads/b.png"):
            self.store.set(f"shop/{key}", b"bytes")
        await stage(self.store, downloader(), CountingTelemetry(), FreshRuns(), self.job, Stage(PREFIX))

    async def act(self, action: Launch | DeliverOrder | StopAttempt) -> None:
        await self.actions.act(self.job, action, self.memory)


async def test_a_launch_writes_the_order_and_delivers_it() -> None:
    bench = Bench()
    await bench.staged()
    await bench.act(LAUNCH)
    ((_, launched),) = bench.cluster.attempts()
    assert bench.cluster.bundles == (BUNDLE,)
    url = bench.cluster.orders(bench.job.uid)[launched.name]
    assert key_of(url) == order_key(PREFIX, 0, 1)
    (known,) = bench.cache.attempts(bench.job.identity)
    assert (known.name, known.order_delivered) == (launched.name, True)
    assert bench.memory.refusals == {}


async def test_what_was_refused_before_is_forgotten_when_it_is_accepted() -> None:
    bench = Bench()
    await bench.staged()
    bench.memory.refuse(0, QUOTA, bench.clock())
    await bench.act(LAUNCH)
    assert (bench.memory.refusals, bench.memory.refusal_counts) == ({}, {})


async def test_a_refused_launch_is_remembered_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    await bench.staged()
    bench.cluster.refusals[0] = QUOTA
    await bench.act(LAUNCH)
    now = bench.clock()
    assert bench.memory.refusals == {0: Refusal(QUOTA, now, now + timedelta(seconds=1))}
    extra = {"job": "shop/spring", "shard": 0, "error": "exceeded quota"}
    assert lines(caplog.records) == [("WARNING", "attempt refused, retrying", extra)]


async def test_a_refusal_rests_at_least_as_long_as_the_api_server_asks() -> None:
    bench = Bench()
    await bench.staged()
    bench.cluster.hooks.fail(Refused(QUOTA, 17), "launch")
    await bench.act(LAUNCH)
    assert bench.memory.refusals[0].retry_at == bench.clock() + timedelta(seconds=17)


@pytest.mark.parametrize(("again", "verb"), [(False, "written"), (True, "signed")])
async def test_a_store_that_fails_refuses_the_shard(again: bool, verb: str) -> None:
    bench = Bench()
    action: Launch | DeliverOrder = LAUNCH
    if again:
        action = DeliverOrder(attempt(State.WAITING, shard=3), PREFIX)
        bench.cluster.hooks.fail(StoreUnavailable("no answer"), "deliver")
    else:
        bench.store.hooks.fail(StoreUnavailable("no answer"))
    await bench.act(action)
    (refusal,) = bench.memory.refusals.values()
    assert list(bench.memory.refusals) == [3 if again else 0]
    text = f"the order (task description) of the Pod cannot be {verb}: no answer"
    assert refusal.problem == Problem(Reason.START_DEADLINE_EXCEEDED, text)
    assert refusal.since == bench.clock()


async def test_an_order_is_signed_again_for_an_attempt_that_has_none() -> None:
    bench = Bench()
    await bench.staged()
    waiting = await bench.cluster.launch(bench.job, 0, 1, bench.clock())
    bench.cache.put_attempt(bench.job.identity, waiting)
    assert not bench.cache.attempts(bench.job.identity)[0].order_delivered
    await bench.act(DeliverOrder(waiting, PREFIX))
    assert key_of(bench.cluster.orders(bench.job.uid)[waiting.name]) == order_key(PREFIX, 0, 1)
    assert bench.cluster.bundles == (BUNDLE,)
    assert bench.cache.attempts(bench.job.identity)[0].order_delivered


async def test_a_shard_whose_result_is_there_is_not_launched() -> None:
    bench = Bench()
    bench.store.set(result_key(PREFIX, 0), b"{")
    await bench.act(LAUNCH)
    assert bench.memory.results == {0: Summary()}, "it is judged when the results are collected"
    assert bench.cluster.attempts() == []
    assert bench.memory.refusals == {}


async def test_a_stopped_attempt_is_being_deleted() -> None:
    bench = Bench()
    running = attempt(State.RUNNING)
    bench.cache.put_attempt(bench.job.identity, running)
    await bench.act(StopAttempt(running))
    assert bench.cluster.hooks.calls == [("stop", running.name)]
    assert bench.cluster.asked == ("shop",)
    assert [a.deleting for a in bench.cache.attempts(bench.job.identity)] == [True]


async def test_a_pod_that_cannot_be_deleted_is_remembered_and_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench()
    running = attempt(State.RUNNING)
    bench.cache.put_attempt(bench.job.identity, running)
    bench.cluster.hooks.fail(Forbidden("pods is forbidden"), "stop")
    await bench.act(StopAttempt(running))
    (known,) = bench.cache.attempts(bench.job.identity)
    now = bench.clock()
    problem = Problem(Reason.POD_REJECTED, "pods is forbidden")
    assert not known.deleting
    assert known.stop_refused == Refusal(problem, now, now + timedelta(seconds=1))
    extra = {
        "job": "shop/spring",
        "uid": bench.job.uid,
        "pod": running.name,
        "error": "pods is forbidden",
    }
    assert lines(caplog.records) == [("WARNING", "Pod could not be deleted, retrying", extra)]


async def test_the_events_of_an_attempt_are_remembered_with_their_time() -> None:
    bench = Bench()
    waiting = attempt(State.WAITING)
    bench.cluster.remarks[waiting.name] = "no node fits"
    await bench.actions.read_events(bench.job, waiting, bench.memory)
    assert bench.memory.remarks == {waiting.uid: Remark("no node fits", bench.clock())}
    assert bench.cluster.asked == ("shop",)


def until(url: str) -> datetime:
    (found,) = parse_qs(urlsplit(url).query)["until"]
    return datetime.fromisoformat(found)


QUEUED = {"queueName": "team-a", "queueDeadlineSeconds": 7200, "activeDeadlineSeconds": 600}


@pytest.mark.parametrize("again", [False, True], ids=["launched", "delivered-again"])
async def test_a_pod_ends_at_its_deadline_and_its_order_is_readable_as_long_as_a_queue_may_hold_it(
    again: bool,
) -> None:
    bench = Bench()
    bench.job = job(status(Phase.LAUNCHING), spec(execution=QUEUED))
    await bench.staged()
    bench.clock.advance(100)
    if again:
        waiting = await bench.cluster.launch(bench.job, 0, 2, later(600))
        await bench.act(DeliverOrder(waiting, PREFIX))
    else:
        await bench.act(Launch(PREFIX, 0, 2))
    ((_, launched),) = bench.cluster.attempts()
    url = bench.cluster.orders(bench.job.uid)[launched.name]
    assert (launched.shard, launched.number, bench.cluster.ends) == (0, 2, (later(600),))
    assert (key_of(url), until(url)) == (order_key(PREFIX, 0, 2), later(600 + 7200) + SLACK)


async def test_the_time_in_a_queue_does_not_count_for_the_deadline_of_a_pod() -> None:
    bench = Bench()
    current = status(Phase.LAUNCHING)
    run = msgspec.structs.replace(current.run, queued_since=NOW) if current.run else None
    bench.job = job(msgspec.structs.replace(current, run=run), spec(execution=QUEUED))
    await bench.staged()
    bench.clock.advance(100)
    await bench.act(LAUNCH)
    ((_, launched),) = bench.cluster.attempts()
    assert bench.cluster.ends == (later(700),)
    assert until(bench.cluster.orders(bench.job.uid)[launched.name]) == later(600 + 7200) + SLACK


async def test_the_counts_of_a_result_that_is_there_are_remembered() -> None:
    bench = Bench()
    bench.job = job(status(Phase.LAUNCHING, counts=(AttemptCounts(1),) * 2, items=3, per_shard=2))
    failed = ItemError(ItemCode.UNDECODABLE, "not an image")
    output = OutputRecord("web", 1, 1, 1, "0" * 64)
    items = (ItemResult(0, (output,)), ItemResult(1, error=failed))
    bench.store.set(result_key(PREFIX, 0), encode_result(Result(1, 0, 1, items)))
    bench.store.set(result_key(PREFIX, 1), encode_result(Result(1, 1, 1, (ItemResult(2, (output,)),))))
    await bench.act(LAUNCH)
    await bench.act(Launch(PREFIX, 1, 1))
    assert bench.memory.results == {0: Summary(1, 1), 1: Summary(1, 0)}
    assert bench.cluster.attempts() == []
