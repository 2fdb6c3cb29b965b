"""The program: wiring, exit codes, and how it leads and drains. No network but loopback."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
from kubernetes.aio import client

from fakes.build import job, seen, status
from fakes.memory_lease import LeaseLine, MemoryLease
from fakes.memory_owners import MemoryOwners
from imagejob_operator import main as program
from imagejob_operator.adapters.process.exit import (
    EXIT_LEASE_LOST,
    EXIT_WATCH_STALLED,
    exit_on_error,
)
from imagejob_operator.api.imagejob import Key, parse_job
from imagejob_operator.api.phase import Phase
from imagejob_operator.controller.leader_election import LeaderElector
from imagejob_operator.controller.startup import ClusterUnknown
from imagejob_operator.controller.watch_monitor import WatchStalled
from imagejob_operator.settings import Settings, read_settings
from imagejob_operator.wiring import Operator
from unit.adapters.test_store_settings import ENVIRONMENT
from unit.adapters.test_trace_collector import Collector, served, values

KEY = Key("shop", "spring")


class Exited(BaseException):
    """The process ended; it carries the exit code."""


@pytest.fixture
def _exits(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(code: int) -> None:
        raise Exited(code)

    monkeypatch.setattr(os, "_exit", end)


@pytest.fixture
async def operator() -> AsyncIterator[Operator]:
    configuration = client.Configuration(host="https://127.0.0.1:9")
    made = Operator(read_settings(ENVIRONMENT), configuration, "cluster-uid")
    made.elector = LeaderElector(LeaseLine(MemoryLease()), "operator-1")
    yield made
    await made.close()


def put_job(operator: Operator) -> None:
    metadata = {"namespace": "shop", "name": "spring", "uid": "u1", "resourceVersion": "1"}
    operator.cache.put_job(parse_job({"metadata": metadata}))


async def test_the_parts_share_queues_and_cache(operator: Operator) -> None:
    registry = program.Process(operator, client.Configuration()).registry()
    handlers: dict[str, Any] = {handler.id: handler.fn for handler in registry._watching.get_all_handlers()}
    metadata = {"namespace": "shop", "name": "spring", "uid": "u1", "resourceVersion": "1"}
    await handlers["imagejobs"](event={"type": "ADDED", "object": {"metadata": metadata}})
    assert operator.cache.job(KEY)
    assert len(operator.queues.jobs) == 1
    assert operator.watch_monitor.details()["workqueueDepth"] == 1
    await handlers["imagestores"](
        event={"type": "ADDED", "object": {"metadata": {**metadata, "generation": 1}}}
    )
    assert len(operator.queues.imagestores) == 1
    depth = operator.metrics.registry.get_sample_value("imagejob_workqueue_depth", {"queue": "jobs"})
    assert depth == 1


@pytest.mark.usefixtures("_exits")
async def test_a_new_leader_queues_every_job_and_exits_when_it_loses_the_lease(operator: Operator) -> None:
    lease = MemoryLease()
    operator.elector = LeaderElector(LeaseLine(lease), "operator-1")
    owners: Any = MemoryOwners()
    operator.clients.owners = owners
    put_job(operator)
    process = program.Process(operator, None)
    process._pods_listed.set()
    leading = asyncio.create_task(exit_on_error(process.lead(), EXIT_LEASE_LOST))
    async with asyncio.timeout(5):
        while not len(operator.queues.jobs):
            await asyncio.sleep(0)
    assert process._in_sync.is_set()
    assert operator.elector.is_leader()
    lease.record = None
    lease.put("operator-2", None)
    with pytest.raises(Exited) as exited:
        async with asyncio.timeout(10):
            await leading
    assert exited.value.args == (EXIT_LEASE_LOST,)


async def test_a_drained_leader_releases_the_lease_once(operator: Operator) -> None:
    lease = MemoryLease()
    operator.elector = LeaderElector(LeaseLine(lease), "operator-1")
    await operator.elector.acquire()
    process = program.Process(operator, None)
    await process.drain()
    assert lease.holder == ""
    await operator.elector.acquire()
    await process.drain()
    assert lease.holder == "operator-1", "a second drain has no effect"


async def test_a_run_that_ends_is_traced_if_a_collector_is_named(operator: Operator) -> None:
    publishing, succeeded = seen(job(status(Phase.PUBLISHING))), job(status(Phase.SUCCEEDED))
    assert operator.tracer is None
    operator.reconciler.executor.moved(publishing, succeeded)
    collector = Collector()
    async with served(collector) as url:
        settings = read_settings({**ENVIRONMENT, "OTEL_EXPORTER_OTLP_ENDPOINT": url})
        traced = Operator(settings, client.Configuration(host="https://127.0.0.1:9"), "cluster-uid")
        assert traced.tracer
        sending = asyncio.create_task(traced.tracer.run())
        traced.reconciler.executor.moved(publishing, succeeded)
        async with asyncio.timeout(10):
            while not traced.metrics.registry.get_sample_value("imagejob_traces_total", {"result": "sent"}):
                await asyncio.sleep(0.01)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await traced.close()
    ((_, _, request),) = collector.requests
    assert values(request.resource_spans[0].resource.attributes) == {
        "service.name": "imagejob-operator",
        "k8s.namespace.name": settings.pod_namespace,
        "k8s.pod.name": settings.pod_name,
    }


@pytest.mark.usefixtures("_exits")
@pytest.mark.parametrize("error", [WatchStalled("stalled"), RuntimeError("a bug")])
async def test_a_stalled_watch_exits(error: Exception) -> None:
    async def fail() -> None:
        raise error

    with pytest.raises(Exited) as exited:
        await exit_on_error(fail(), EXIT_WATCH_STALLED)
    assert exited.value.args == (EXIT_WATCH_STALLED,)


def test_invalid_settings_exit_2_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "environ", {**ENVIRONMENT, "IMAGEJOB_ENGINE": "Vips"})
    assert program.main() == 2
    printed = capsys.readouterr().err
    assert printed.startswith("imagejob-operator: IMAGEJOB_ENGINE is 'Vips'")
    assert printed.count("\n") == 1


def test_an_endpoint_that_is_no_url_exits_2_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "environ", {**ENVIRONMENT, "OTEL_EXPORTER_OTLP_ENDPOINT": "secret@collector"})
    assert program.main() == 2
    printed = capsys.readouterr().err
    assert printed.startswith("imagejob-operator: OTEL_EXPORTER_OTLP_ENDPOINT is invalid: it must be a URL")
    assert "secret" not in printed


@pytest.mark.parametrize("ends", [None, ClusterUnknown("the uid cannot be read")])
def test_exit_codes_of_a_run(
    ends: Exception | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def run(settings: Settings) -> None:
        assert settings.store.bucket == "media"
        if ends:
            raise ends

    monkeypatch.setattr(os, "environ", ENVIRONMENT)
    monkeypatch.setattr(program, "run", run)
    monkeypatch.setattr(program, "set_up_logs", lambda level: None)
    assert program.main() == (2 if ends else 0)
    assert ("imagejob-operator: the uid cannot be read\n" in capsys.readouterr().err) == bool(ends)
