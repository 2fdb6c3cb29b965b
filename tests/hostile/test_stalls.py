"""The largest admitted objects hold the event loop for at most 50 ms: all jobs of the cluster wait meanwhile.

The time is CPU time of the loop's thread, per callback, and the best of three tries: other processes of the
machine make it longer.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from fakes.build import POLICY, PREFIX, SPEC
from fakes.build import attempt as waiting
from fakes.clock import ManualClock
from fakes.memory_store import MemoryStore
from fakes.memory_web import downloader
from fakes.telemetry import CountingTelemetry
from fakes.world import no_jitter
from hostile import largest
from hostile.loop_time import MOST_SECONDS, longest_callback
from imagejob_operator.adapters.kubernetes import session
from imagejob_operator.adapters.kubernetes.pod_manifest import PodSettings, pod_manifest
from imagejob_operator.adapters.kubernetes.pod_status import read_attempt
from imagejob_operator.adapters.kubernetes.pods import PodLauncher
from imagejob_operator.api.imagejob import ImageJob, Key, parse_whole_job, whole_spec
from imagejob_operator.api.spec import InvalidSpec
from imagejob_operator.api.status import status_body
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.observer import Observer
from imagejob_operator.controller.operation_runner import OperationRunner
from imagejob_operator.controller.run_memory import RunMemories
from imagejob_operator.controller.store_access import StoreAccess
from imagejob_operator.controller.watch_monitor import SeenVersions
from imagejob_operator.controller.workqueue import WorkQueue
from imagejob_operator.decision.attempt import State
from imagejob_operator.decision.decide import decide
from imagejob_operator.decision.observation import Admission
from imagejob_operator.decision.operation import Stage
from imagejob_operator.handlers.watch import WatchHandlers
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.staging.finding import find_sources
from imagejob_operator.operations.staging.stage import stage

KEY = Key("shop", "spring")
LISTED = 20_000
MISSING = 1000
PHASES = ("", "Staging", "Launching", "Running", "Publishing", "Failing", "Failed", "Suspended")

Attempt = Callable[[], Awaitable[None]]


async def best_of_three(name: str, attempt: Attempt, figures: list[str]) -> None:
    """Print and check the longest callback."""
    tries = []
    for _ in range(3):
        with longest_callback() as longest:
            await attempt()
            await asyncio.sleep(0)  # the callback in which it ends is measured when that returns
        tries.append(longest)
        if longest.seconds <= MOST_SECONDS:
            break
    best = min(tries, key=lambda longest: longest.seconds)
    figures.append(f"longest stall, {name}: {best.seconds * 1000:.0f} ms of CPU time")
    assert best.seconds <= MOST_SECONDS, best.callback


class Bench:
    """The path of a watch event: handler, cache, observer, decision."""

    def __init__(self) -> None:
        self.cache, self.failed, clock = Cache(), list[str](), ManualClock()
        queue = WorkQueue()
        seen = SeenVersions(lambda: 0.0, False)
        self.handlers = WatchHandlers(
            self.cache, queue, lambda store, gone: None, read_attempt, seen, seen, failed=self.failed.append
        )
        labels: Any = {}
        access = StoreAccess(labels, {}, clock)
        access._known["shop"] = Admission(True), clock() + timedelta(hours=1)
        run: Any = None
        runner = OperationRunner(run, queue.add, clock, no_jitter)
        self.observer = Observer(self.cache, runner, RunMemories(no_jitter), access, POLICY, clock)

    async def handle(self, kind: str, body: dict[str, Any]) -> None:
        await asyncio.sleep(0)
        event: Any = {"type": "ADDED", "object": body}
        await getattr(self.handlers, kind)(event)
        await asyncio.sleep(0)
        assert self.failed == []

    async def reconcile(self) -> ImageJob:
        job = self.cache.job(KEY)
        assert job is not None
        decision = decide(await self.observer.observe(job))
        status_body(decision.status)
        return job


def launch(job: ImageJob) -> None:
    pod = pod_manifest(PodSettings("default", "image"), job, 999, 1, timedelta(hours=1))
    json.dumps(pod)


@pytest.mark.parametrize("name", largest.jobs())
async def test_the_largest_imagejobs(name: str, figures: list[str]) -> None:
    """A user creates it, and writes a status of any phase if the rights of the namespace allow that."""
    body = largest.jobs()[name]

    async def attempt() -> None:
        for phase in PHASES:
            bench = Bench()
            status = largest.status(phase) if phase else {}
            await bench.handle("on_imagejob", {**body, "status": status})
            job = await bench.reconcile()
            assert isinstance(job.spec, InvalidSpec) == name.startswith("free-form"), job.spec
            await asyncio.sleep(0)
            if not isinstance(job.spec, InvalidSpec) and job.status.run:
                launch(parse_whole_job({**body, "status": status}))
            await asyncio.sleep(0)

    await best_of_three(f"ImageJob with {name}", attempt, figures)


@pytest.mark.parametrize("name", largest.imagestores())
async def test_the_largest_imagestores(name: str, figures: list[str]) -> None:
    body = largest.imagestores()[name]
    await best_of_three(f"ImageStore with {name}", lambda: Bench().handle("on_imagestore", body), figures)


async def test_the_largest_pods(figures: list[str]) -> None:
    """A tenant creates a thousand Pods with the operator's labels, as many as a run has shards."""
    job = {**largest.jobs()["keys"], "status": largest.status("Running")}
    pods = [largest.pod(), *(largest.pod(shard, labels=False) for shard in range(1000))]

    async def attempt() -> None:
        bench = Bench()
        await bench.handle("on_imagejob", job)
        for found in pods:
            await bench.handle("on_pod", found)
        await bench.reconcile()

    await best_of_three("a job with 1,000 Pods", attempt, figures)


class Remote(MemoryStore):
    """A store whose calls let other callbacks run, as those of a real one do."""

    async def stat(self, key: str) -> Any:
        await asyncio.sleep(0)
        return await super().stat(key)


def sourced(source: dict[str, Any]) -> ImageJob:
    body = largest.jobs()["keys"]
    return parse_whole_job({**body, "spec": {**body["spec"], "source": source}})


async def test_matching_a_page_of_keys_that_are_made_for_the_globs(figures: list[str]) -> None:
    """A user who may write to the store and to the API server."""
    store = Remote()
    for number in range(200):
        store.set(f"shop/{number:04d}/" + "a/" * 500 + "a", b"")
    globs = [f"**/{'a/' * 110}{number}/**" for number in range(16)]
    job = sourced({"match": {"prefix": "0", "include": [*globs[:15], "**"], "exclude": globs}})
    spec = whole_spec(job)

    async def attempt() -> None:
        assert len(await find_sources(store, job, spec, "")) == 200

    await best_of_three("two pages of keys and 32 globs", attempt, figures)


def listed(count: int) -> list[str]:
    return [f"{number:06d}/".ljust(500, "k") for number in range(count)]


async def test_the_longest_list_of_sources(figures: list[str]) -> None:
    store = Remote()
    lines = listed(LISTED)
    store.set("shop/list", "\n".join([*lines, lines[0]]).encode())
    job = sourced({"list": {"key": "list"}})
    spec = whole_spec(job)

    async def attempt() -> None:
        with pytest.raises(Exception, match="is a duplicate of line 1"):
            await find_sources(store, job, spec, "")

    await best_of_three(f"a list of {LISTED} sources", attempt, figures)


async def test_many_sources_that_do_not_exist(figures: list[str]) -> None:
    store = Remote()
    store.set("shop/list", "\n".join(listed(MISSING)).encode())
    body = largest.jobs()["keys"]
    fields = {**body["spec"], "source": {"list": {"key": "list"}}, "destination": {"keyTemplate": "{index}"}}
    job = parse_whole_job({**body, "spec": {**fields, "renditions": SPEC["renditions"]}})
    prefixes = (f"{number}-{PREFIX}" for number in itertools.count())

    async def attempt() -> None:
        staged = await stage(
            store, downloader(), CountingTelemetry(), FreshRuns(), job, Stage(next(prefixes))
        )
        assert (staged.items, staged.failed, len(staged.failures)) == (MISSING, MISSING, 10)

    await best_of_three(f"{MISSING} sources that do not exist", attempt, figures)


class EventsOfOnePod:
    """An API server with ten Events that have as many labels as an object may have."""

    def __init__(self) -> None:
        labels = {f"a{number:06}": "" for number in range(45_000)}
        created = {"labels": labels, "creationTimestamp": "2026-01-01T00:00:00Z"}
        event = {"metadata": created, "type": "Warning", "reason": "Failed", "message": "no such image"}
        self.page = json.dumps({"items": [event] * 10}).encode()

    async def request(self, *_: object, only: type[msgspec.Struct] | None = None) -> dict[str, Any]:
        return session.decode(self.page, only)


async def test_the_largest_events_of_a_pod(figures: list[str]) -> None:
    """Anybody who may create Events writes them, and the operator reads those of a Pod that waits."""
    server: Any = EventsOfOnePod()
    launcher = PodLauncher(server, PodSettings("default", "image"), ManualClock())

    async def attempt() -> None:
        await asyncio.sleep(0)
        assert await launcher.remark(waiting(State.WAITING), "shop") == "Failed: no such image"

    await best_of_three("the Events of a Pod", attempt, figures)


async def test_a_planted_stall_is_found() -> None:
    def planted() -> None:
        sum(range(5_000_000))

    with longest_callback() as longest:
        asyncio.get_running_loop().call_soon(planted)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    assert longest.seconds > MOST_SECONDS / 2
    assert "planted" in longest.callback


@pytest.fixture(autouse=True)
def _no_debug_of_asyncio() -> None:
    logging.getLogger("asyncio").setLevel(logging.WARNING)
