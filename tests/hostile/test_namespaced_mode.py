"""The administrator of one listed namespace removes the RoleBinding, or deletes the namespace.

The operator must keep serving the other namespaces, say which one it cannot read, and serve that one
again when the access is granted again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import pytest
from kubernetes.aio import client

from fakes.clock import ManualClock
from fakes.memory_lease import LeaseLine, MemoryLease
from fakes.memory_owners import FOLDER, GarbageCounts, MemoryOwners
from fakes.memory_store import MemoryStore
from hostile.api_server import ApiServer
from imagejob_operator import main
from imagejob_operator.adapters.kubernetes import watch_session
from imagejob_operator.api.imagejob import Key
from imagejob_operator.controller import watch_monitor
from imagejob_operator.controller.leader_election import LeaderElector
from imagejob_operator.garbage.collector import GarbageCollector, GarbagePolicy
from imagejob_operator.namespaces import WatchedNamespaces
from imagejob_operator.naming.prefixes import staging_prefix
from imagejob_operator.ports.imagejobs import Rejected
from imagejob_operator.settings import read_settings
from imagejob_operator.wiring import Operator
from unit.adapters.test_store_settings import ENVIRONMENT

KOPF_ATTEMPTS = 4
"""Kopf repeats a request three times."""

SHOP, PRESS = Key("shop", "spring"), Key("press", "cover")


class Installation:
    """An operator of the namespaces shop and press, with Kopf, at an API server that a test controls."""

    def __init__(self, server: ApiServer, namespaces: str = "shop,press") -> None:
        self.server = server
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environment = {
            **ENVIRONMENT,
            "IMAGEJOB_WATCH_NAMESPACES": namespaces,
            "IMAGEJOB_HTTP_PORT": str(port),
            "IMAGEJOB_SWEEP_MODE": "Off",
        }
        configuration = client.Configuration(host=server.url)
        self.operator = Operator(read_settings(environment), configuration, "cluster-uid")
        self.operator.elector = LeaderElector(LeaseLine(MemoryLease()), "operator-1")
        self.task = asyncio.create_task(main.Process(self.operator, configuration).run())

    async def until(self, holds: Callable[[], bool], seconds: float = 20) -> None:
        """Wait for a condition; the operator must not end before."""
        async with asyncio.timeout(seconds):
            while not holds():
                if self.task.done():
                    self.task.result()
                    raise AssertionError("the operator ended")
                await asyncio.sleep(0.02)

    def knows(self, key: Key) -> bool:
        return self.operator.cache.job(key) is not None

    def available(self, namespace: str) -> float | None:
        labels = {"watched_namespace": namespace}
        return self.operator.metrics.registry.get_sample_value("imagejob_namespace_available", labels)


class ProcessEnded(BaseException):
    """The operator ended its process."""


@pytest.fixture(autouse=True)
def _exits(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(code: int) -> None:
        raise ProcessEnded(code)

    monkeypatch.setattr(os, "_exit", end)
    # Kopf kills a process that does not end in time after an error; here it would kill the tests.
    monkeypatch.setattr(signal, "pthread_kill", lambda *_: None)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(main, "NOT_READY_REQUEUE", 0.05)
    monkeypatch.setattr(watch_session, "PAUSE", 0.05)
    monkeypatch.setattr(watch_monitor, "LIST_PERIOD", 0.3)
    monkeypatch.setattr(watch_monitor, "CHECK_PERIOD", 0.1)


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    made = ApiServer()
    await made.start()
    yield made
    await made.stop()


@contextlib.asynccontextmanager
async def installed(server: ApiServer, namespaces: str = "shop,press") -> AsyncIterator[Installation]:
    one = Installation(server, namespaces)
    try:
        yield one
    finally:
        one.task.cancel()
        await asyncio.gather(one.task, return_exceptions=True)


async def test_a_namespace_that_denies_access_at_start_does_not_stop_the_others(server: ApiServer) -> None:
    server.denied.add("press")
    server.put_job(*_job(SHOP))
    async with installed(server) as one:
        await one.until(lambda: one.operator.elector.is_leader() and one.knows(SHOP))


async def test_a_role_binding_that_is_removed_later_does_not_stop_the_others(server: ApiServer) -> None:
    """Kopf itself ends the operator when one watch was refused four times in 3.5 seconds."""
    server.put_job(*_job(PRESS))
    async with installed(server) as one:
        await one.until(lambda: one.operator.elector.is_leader() and one.knows(PRESS))
        server.deny("press")
        refused = len(server.requests)
        await one.until(lambda: _watches(server, "press", refused) >= 2 * KOPF_ATTEMPTS, 40)
        server.put_job(*_job(SHOP))
        await one.until(lambda: one.knows(SHOP))
        assert one.knows(PRESS), "it is not known that its jobs are gone"


async def test_a_namespace_is_served_again_when_access_is_granted_again(
    server: ApiServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.denied.add("press")
    server.put_job(*_job(PRESS))
    server.put_pod("press", "cover-0-1", "p1", PRESS.name)
    async with installed(server) as one:
        await one.until(lambda: one.operator.elector.is_leader() and one.available("press") == 0)
        assert one.available("shop") == 1
        assert not one.operator.namespaces.ready("press")
        server.denied.clear()
        await one.until(lambda: one.knows(PRESS) and one.operator.namespaces.ready("press"), 40)
        assert one.available("press") == 1
    lost = [record for record in caplog.records if "cannot read namespace" in record.message]
    assert [record.levelname for record in lost] == ["WARNING"], "logged once, not in each round"


async def test_an_operator_that_can_read_no_namespace_is_not_ready(server: ApiServer) -> None:
    server.denied |= {"shop", "press"}
    async with installed(server) as one:
        await one.until(lambda: _count(server, "/shop/imagejobs") > 3)
        assert not one.operator.elector.is_leader()
        server.denied.discard("shop")
        await one.until(one.operator.elector.is_leader)


async def test_more_than_five_namespaces_are_watched_at_once(server: ApiServer) -> None:
    """Each watch keeps a connection: no limit of connections may leave a namespace without a watch."""
    names = [f"n{number}" for number in range(40)]
    async with installed(server, ",".join(names)) as one:
        await one.until(lambda: one.operator.elector.is_leader())
        await one.until(lambda: server.watches() == 3 * len(names), 60)


def _job(key: Key) -> tuple[str, str, str]:
    return key.namespace, key.name, f"uid-of-{key.name}"


def _count(server: ApiServer, part: str, after: int = 0) -> int:
    return sum(part in path for path in server.requests[after:])


def _watches(server: ApiServer, namespace: str, after: int) -> int:
    wanted = (f"/{namespace}/imagejobs", "watch=true")
    return sum(all(part in path for part in wanted) for path in server.requests[after:])


class DenyingOwners(MemoryOwners):
    """Owners of ImageJobs in namespaces of which press denies access."""

    async def uids(self, namespaces: Sequence[str]) -> Mapping[str, Key]:
        if "press" in namespaces:
            raise Rejected("imagejobs is forbidden")
        return await super().uids(namespaces)


async def test_staging_of_other_namespaces_is_collected_and_that_of_the_denied_one_is_kept() -> None:
    clock = ManualClock()
    store, counts = MemoryStore(clock), GarbageCounts()
    uid = "0000aaaa-1111-2222-3333-444455556666"
    kept, orphaned = (staging_prefix(FOLDER, namespace, uid, 1, 1) for namespace in ("press", "shop"))
    for prefix in (kept, orphaned):
        store.set(f"{prefix}in/0", b"x")
    clock.advance(7200)
    namespaces = WatchedNamespaces(("shop", "press"))
    collector = GarbageCollector(store, DenyingOwners(), counts, GarbagePolicy(FOLDER), namespaces=namespaces)
    await collector.sweep()
    assert store.keys(orphaned) == []
    assert store.keys(kept)
    assert counts.failures == 0
