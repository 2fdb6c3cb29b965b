"""The handlers record what the watches deliver, and queue its job."""

from __future__ import annotations

from typing import Any

import kopf
import pytest

from fakes.build import NOW
from imagejob_operator.adapters.kubernetes.pod_status import read_attempt
from imagejob_operator.api.imagejob import Identity, Key, attempt_name
from imagejob_operator.api.imagestore import ImageStore
from imagejob_operator.api.status import RunPlace
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.watch_monitor import SeenVersions
from imagejob_operator.controller.workqueue import WorkQueue
from imagejob_operator.handlers.watch import WatchHandlers
from imagejob_operator.naming.names import (
    API_VERSION,
    KIND,
    LABEL_ATTEMPT,
    LABEL_EPOCH,
    LABEL_JOB,
    LABEL_RUN,
    LABEL_SHARD,
)

KEY = Key("shop", "spring")


class Bench:
    """The handlers of one installation, and what they recorded."""

    def __init__(self, job_class: str = "") -> None:
        self.cache, self.queued = Cache(), list[Key]()
        self.stores: list[tuple[ImageStore, bool]] = []
        queue = WorkQueue()
        queue.add = self.queued.append  # type: ignore[method-assign]
        self.jobs = SeenVersions(lambda: 0.0, False)
        self.pods = SeenVersions(lambda: 0.0, False)
        self.handlers = WatchHandlers(
            self.cache,
            queue,
            lambda store, gone: self.stores.append((store, gone)),
            read_attempt,
            self.jobs,
            self.pods,
            job_class,
        )

    async def job(self, kind: str, version: str = "1", **spec: Any) -> None:
        metadata = {"namespace": "shop", "name": "spring", "uid": "u1", "resourceVersion": version}
        event: Any = {"type": kind, "object": {"metadata": metadata, "spec": spec}}
        await self.handlers.on_imagejob(event)

    async def pod(self, kind: str, version: str = "1", labels: bool = True) -> None:
        counts = dict.fromkeys((LABEL_RUN, LABEL_EPOCH, LABEL_SHARD, LABEL_ATTEMPT), "1")
        metadata = {
            "namespace": "shop",
            "name": attempt_name(KEY, "u1", RunPlace(1, 1), 1, 1),
            "uid": "p1",
            "resourceVersion": version,
            "creationTimestamp": "2026-01-01T12:00:00Z",
            "labels": {LABEL_JOB: "spring", **counts} if labels else {},
            "ownerReferences": [
                {"apiVersion": API_VERSION, "kind": KIND, "name": "spring", "uid": "u1", "controller": True}
            ],
        }
        event: Any = {"type": kind, "object": {"metadata": metadata, "status": {"phase": "Running"}}}
        await self.handlers.on_pod(event)


@pytest.mark.parametrize("kind", [None, "ADDED", "MODIFIED"])
async def test_a_job_is_cached_and_queued_once_per_version(kind: Any) -> None:
    bench = Bench()
    await bench.job(kind)
    await bench.job(kind)
    assert bench.cache.job(KEY)
    assert bench.queued == [KEY]
    await bench.job(kind, "2")
    assert bench.queued == [KEY, KEY]
    assert bench.jobs.versions == {"u1": "2"}


async def test_a_deleted_job_is_dropped_and_queued() -> None:
    bench = Bench()
    await bench.job("ADDED")
    await bench.job("DELETED", "2")
    assert bench.cache.job(KEY) is None
    assert bench.queued == [KEY, KEY]
    assert bench.jobs.versions == {}


@pytest.mark.parametrize(
    ("job_class", "spec"), [("", {"class": "gpu"}), ("gpu", {}), ("gpu", {"class": "cpu"})]
)
async def test_a_job_of_another_class_is_seen_and_not_served(job_class: str, spec: dict[str, str]) -> None:
    bench = Bench(job_class)
    await bench.job("ADDED", **spec)
    assert (bench.cache.job(KEY), bench.queued) == (None, [])
    assert bench.cache.seen() == {"u1"}
    assert len(bench.cache.unserved(NOW)) == 0, "its age is not known"
    assert bench.jobs.versions == {"u1": "1"}, "the watch is alive, whichever installation serves the job"


async def test_a_job_of_the_own_class_is_served() -> None:
    bench = Bench("gpu")
    await bench.job("ADDED", **{"class": "gpu"})
    assert bench.queued == [KEY]


async def test_a_pod_is_cached_and_its_job_queued_until_it_is_gone() -> None:
    bench = Bench()
    await bench.job("ADDED")
    await bench.pod("ADDED")
    assert [attempt.gone for attempt in bench.cache.attempts(Identity(KEY, "u1"))] == [False]
    await bench.pod("DELETED", "2")
    assert [attempt.gone for attempt in bench.cache.attempts(Identity(KEY, "u1"))] == [True]
    assert bench.queued == [KEY] * 3
    assert bench.pods.versions == {}


async def test_a_pod_that_is_no_attempt_is_only_noted() -> None:
    bench = Bench()
    await bench.pod("ADDED", labels=False)
    assert (bench.cache.attempts(Identity(KEY, "u1")), bench.queued) == ((), [])
    assert bench.pods.versions == {"p1": "1"}


@pytest.mark.parametrize("kind", ["ADDED", "DELETED"])
async def test_an_imagestore_is_passed_on(kind: Any) -> None:
    bench = Bench()
    metadata = {"namespace": "shop", "name": "media", "uid": "s1", "resourceVersion": "1", "generation": 1}
    event: Any = {"type": kind, "object": {"metadata": metadata, "spec": {}}}
    await bench.handlers.on_imagestore(event)
    assert [(store.key.name, gone) for store, gone in bench.stores] == [("media", kind == "DELETED")]


def test_three_kinds_are_watched() -> None:
    registry = kopf.OperatorRegistry()
    Bench().handlers.register(registry, "default")
    assert {handler.id for handler in registry._watching.get_all_handlers()} == {
        "imagejobs",
        "imagestores",
        "pods",
    }
