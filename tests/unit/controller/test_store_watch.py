"""A store that is away is reported within seconds, once, and once when it is back."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

import pytest

from fakes.build import job, status
from fakes.hooks import Gate
from fakes.memory_owners import FOLDER
from fakes.memory_store import MemoryStore
from fakes.scripts import well
from fakes.world import KEY, World
from imagejob_operator.api.imagejob import ImageJob, Key
from imagejob_operator.api.phase import Phase
from imagejob_operator.controller.store_watch import CHECK_PERIOD, CHECK_TIMEOUT, StoreWatch
from imagejob_operator.decision.status_update import RECONCILING
from imagejob_operator.ports.object_store import StoreDenied, StoreUnavailable
from imagejob_operator.ports.stores import OWN_STORE, StoreWithStaging

AWAY = StoreUnavailable("HeadObject: the store cannot be reached")


class Watched:
    """A store, and a job that uses it."""

    def __init__(self, phase: Phase = Phase.RUNNING) -> None:
        self.store = MemoryStore()
        self.jobs: list[ImageJob] = [job(status(phase))]
        self.woken: list[Key] = []
        stores = {"": StoreWithStaging(OWN_STORE, "", self.store)}
        self.watch = StoreWatch(lambda: stores, lambda: self.jobs, self.woken.append, FOLDER, timeout=0.05)

    @property
    def why(self) -> str:
        return self.watch.away(self.jobs[0])


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_it_is_noticed_within_five_seconds() -> None:
    assert CHECK_PERIOD + CHECK_TIMEOUT < 5


async def test_each_change_is_logged_once_and_wakes_the_jobs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "imagejob_operator")
    watched = Watched()
    await watched.watch.check()
    assert (watched.why, watched.woken) == ("", [])
    fault = watched.store.hooks.fail(AWAY, "stat")
    for _ in range(3):
        await watched.watch.check()
    assert (watched.why, watched.woken) == (str(AWAY), [KEY])
    watched.store.hooks.remove(fault)
    for _ in range(3):
        await watched.watch.check()
    assert (watched.why, watched.woken) == ("", [KEY, KEY])
    assert lines(caplog) == ["the store default does not answer", "the store default answers again"]


async def test_a_store_that_hangs_is_asked_once() -> None:
    watched = Watched()
    gate = Gate("stat")
    watched.store.hooks.install(gate)
    for _ in range(3):
        await watched.watch.check()
    assert watched.why == "no answer within 0.05 s"
    assert watched.store.hooks.count("stat") == 1
    watched.store.hooks.remove(gate)
    gate.open()
    await asyncio.sleep(0)
    await watched.watch.check()
    assert watched.why == ""


async def test_a_store_that_refuses_answers() -> None:
    watched = Watched()
    watched.store.hooks.fail(StoreDenied("AccessDenied"), "stat")
    await watched.watch.check()
    assert watched.why == ""


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.SUSPENDED, Phase.PENDING])
async def test_a_store_without_active_runs_is_not_asked(phase: Phase) -> None:
    watched = Watched(phase)
    await watched.watch.check()
    assert watched.store.hooks.calls == []


async def test_what_was_known_of_a_store_ends_with_its_last_run() -> None:
    watched = Watched()
    watched.store.hooks.fail(AWAY, "stat")
    await watched.watch.check()
    assert watched.why
    before, watched.jobs = watched.jobs, []
    await watched.watch.check()
    assert watched.watch.away(before[0]) == ""


async def test_the_job_says_it_while_it_lasts() -> None:
    world = World(script=well(run=60))
    away = ""
    reconciler = world.operator.reconciler
    observer = replace(reconciler.observer, store_away=lambda of: away)
    world.operator.reconciler = replace(reconciler, observer=observer)
    world.create(execution={"itemsPerPod": 50})
    await world.run(until=lambda: world.job.status.phase == "Running")

    def reconciling() -> tuple[str, str]:
        found = world.job.status.condition(RECONCILING)
        assert found
        return found.reason, found.message

    away = "connect timeout"
    world.operator.queue.add(KEY)
    await world.run(until=lambda: reconciling()[0] == "StoreUnavailable", within=1)
    text = "the object store does not answer: connect timeout; the run continues when it answers"
    assert reconciling()[1] == text
    await world.run(
        until=lambda: any(e.reason == "StoreUnavailable" for _, e in world.cluster.steps), within=1
    )
    away = ""
    world.operator.queue.add(KEY)
    await world.run(until=lambda: reconciling() == ("Running", ""), within=1)
    await world.run()
    assert world.job.status.phase == "Succeeded"
