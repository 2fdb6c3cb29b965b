"""What is checked until the process ends: stores, and jobs that no operator serves."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

import pytest

from fakes.build import KEY, job, status
from fakes.clock import ManualClock
from fakes.endless import for_a_while
from fakes.hooks import Gate
from fakes.jumping_loop import run
from fakes.log_lines import lines
from fakes.memory_cluster import MemoryCluster
from fakes.memory_owners import FOLDER
from fakes.memory_store import MemoryStore
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import Phase
from imagejob_operator.controller import store_watch, unserved
from imagejob_operator.controller.cache import UNSERVED_AFTER, Cache
from imagejob_operator.controller.store_probe import PERIOD, StoreProbe
from imagejob_operator.controller.store_watch import StoreWatch
from imagejob_operator.controller.unserved import UnservedJobs
from imagejob_operator.ports.imagejobs import Forbidden
from imagejob_operator.ports.object_store import StoreUnavailable
from imagejob_operator.ports.stores import OWN_STORE, StoreWithStaging

JOB = {"job": "shop/spring"}
AWAY = StoreUnavailable("no answer")


@pytest.fixture(autouse=True)
def _every_record(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


# --- stores ------------------------------------------------------------------------------------------------


async def test_the_operator_s_store_goes_away_and_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    store, reported = MemoryStore(), list[bool]()
    probe = StoreProbe(store, "staging/", reported.append)
    fault = store.hooks.fail(AWAY)
    await probe.check()
    store.hooks.remove(fault)
    await probe.check()
    await probe.check()
    assert reported == [False, True, True]
    assert lines(caplog.records) == [
        ("WARNING", "the operator's store cannot be used", {"error": "no answer"}),
        ("INFO", "the operator's store can be used again", {}),
    ]


def test_a_store_that_hangs_is_asked_again_after_a_pause(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        store, reported = MemoryStore(), list[bool]()
        store.set("staging/shop/a", b"")
        gate = Gate("folders")
        store.hooks.install(gate)
        probe = StoreProbe(store, "staging/", reported.append)
        await for_a_while(probe.run(), 30 + PERIOD / 2)
        assert reported == [False]
        gate.open()
        await for_a_while(probe.run(), PERIOD * 1.5)
        assert reported == [False, True, True]

    run(play())
    assert lines(caplog.records) == [
        ("WARNING", "the operator's store cannot be used", {"error": "it did not answer within 30 seconds"}),
        ("INFO", "the operator's store can be used again", {}),
    ]


@dataclass
class Watched:
    """A store with an active run, and a clock."""

    now: float = 100.0

    def __post_init__(self) -> None:
        self.store = MemoryStore()
        self.woken: list[object] = []
        self.jobs: list[ImageJob] = [job(status(Phase.RUNNING))]
        stores = {"": StoreWithStaging(OWN_STORE, "", self.store)}
        self.watch = StoreWatch(
            lambda: stores, lambda: self.jobs, self.woken.append, FOLDER, lambda: self.now, timeout=2.5
        )


async def test_a_store_of_runs_goes_away_and_comes_back(caplog: pytest.LogCaptureFixture) -> None:
    watched = Watched()
    fault = watched.store.hooks.fail(AWAY, "stat")
    await watched.watch.check()
    watched.now += 12.34
    watched.store.hooks.remove(fault)
    await watched.watch.check()
    extra = {"store": OWN_STORE, "jobs": 1}
    assert lines(caplog.records) == [
        ("WARNING", f"the store {OWN_STORE} does not answer", {**extra, "error": "no answer"}),
        ("WARNING", f"the store {OWN_STORE} answers again", {**extra, "seconds": 12.3}),
    ]


async def test_a_store_without_active_runs_is_not_asked() -> None:
    watched = Watched()
    watched.store.hooks.fail(AWAY, "stat")
    await watched.watch.check()
    of = watched.jobs.pop()
    assert watched.watch.away(of) == "no answer"
    await watched.watch.check()
    assert watched.watch.away(of) == ""
    assert watched.store.hooks.count("stat") == 1


def test_the_stores_are_checked_until_the_end(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        watched = Watched()
        gate = Gate("stat")
        watched.store.hooks.install(gate)
        # Three checks of 2.5 s, with pauses of 2 s between them.
        await for_a_while(watched.watch.run(), 12.5)
        await asyncio.sleep(0)
        assert watched.woken == [KEY]
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    run(play())
    extra = {"store": OWN_STORE, "jobs": 1, "error": "no answer within 2.5 s"}
    assert lines(caplog.records) == [("WARNING", f"the store {OWN_STORE} does not answer", extra)]


def test_a_check_that_raises_is_repeated(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        watched = Watched()

        def broken() -> list[ImageJob]:
            raise RuntimeError("a bug")

        watched.watch.jobs = broken
        await for_a_while(watched.watch.run(), store_watch.CHECK_PERIOD * 1.5)

    run(play())
    text = "the stores could not be checked, trying again"
    assert lines(caplog.records) == [("ERROR", text, {})] * 2


# --- jobs that no operator serves --------------------------------------------------------------------------


class NotServed:
    """A job of another class without a status, for long."""

    def __init__(self, job_class: str = "") -> None:
        self.clock = ManualClock()
        self.cluster = MemoryCluster(self.clock)
        self.cache = Cache()
        self.job = self.cluster.create("spring", {})
        self.cache.put_foreign(self.job)
        self.clock.advance(UNSERVED_AFTER.total_seconds())
        self.unserved = UnservedJobs(self.cluster, self.cache, job_class, self.clock)


@pytest.mark.parametrize(
    ("job_class", "served"), [("", "ImageJobs without a class"), ("gpu", "the class 'gpu'")]
)
async def test_the_event_of_a_job_that_is_not_served(job_class: str, served: str) -> None:
    bench = NotServed(job_class)
    await bench.unserved.check()
    ((of, event),) = bench.cluster.events.items()
    assert of == (bench.job.uid, 0, "NotServed")
    assert event.message == (
        f"no operator has handled this ImageJob for 30 s; the one that reports it serves {served}; check "
        "spec.class, and whether an operator with that class is running"
    )
    assert event.step == 0


async def test_an_event_that_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    bench = NotServed()
    bench.cluster.hooks.fail(Forbidden("events is forbidden"), "announce")
    await bench.unserved.check()
    extra = {**JOB, "uid": bench.job.uid, "reason": "NotServed", "error": "events is forbidden"}
    assert lines(caplog.records) == [("WARNING", "Event could not be recorded", extra)]


def test_it_is_checked_until_the_end_also_after_a_bug(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        bench = NotServed()
        bench.cluster.hooks.fail(RuntimeError("a bug"), "announce", times=1)
        await for_a_while(bench.unserved.run(), unserved.CHECK_PERIOD * 2.5)
        assert bench.cluster.hooks.count("announce") == 1, "it was tried"

    run(play())
    text = "jobs that no operator serves could not be reported, trying again"
    assert lines(caplog.records) == [("ERROR", text, {})]
