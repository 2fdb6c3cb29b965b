"""One object that cannot be understood must not stop the operator: no exception leaves a handler."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from fakes.build import SPEC, UID
from imagejob_operator.adapters.kubernetes.pod_status import read_attempt
from imagejob_operator.api import imagejob, imagestore
from imagejob_operator.api.imagejob import Key
from imagejob_operator.api.imagestore import ImageStore, InvalidStore
from imagejob_operator.api.spec import InvalidSpec
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.startup import await_cache_sync
from imagejob_operator.controller.watch_monitor import SeenVersions
from imagejob_operator.controller.workqueue import WorkQueue
from imagejob_operator.handlers.watch import WatchHandlers
from imagejob_operator.main import MAX_RECURSION
from imagejob_operator.namespaces import WatchedNamespaces
from imagejob_operator.naming.names import LABEL_ATTEMPT, LABEL_EPOCH, LABEL_JOB, LABEL_RUN, LABEL_SHARD

BAD, GOOD = "bad00000-uid", "good0000-uid"
POISON = {"execution": {"podTemplate": {"resources": {"limits": {"memory": "1e9999999999999999999"}}}}}


class Bench:
    """Handlers with the parts that they write to."""

    def __init__(self) -> None:
        self.cache, self.queued, self.stores = Cache(), list[Key](), list[ImageStore]()
        self.failures: list[str] = []
        queue = WorkQueue()
        queue.add = self.queued.append  # type: ignore[method-assign, assignment]
        self.jobs, self.pods = SeenVersions(lambda: 0.0, False), SeenVersions(lambda: 0.0, False)
        self.handlers = WatchHandlers(
            self.cache,
            queue,
            lambda store, gone: self.stores.append(store),
            read_attempt,
            self.jobs,
            self.pods,
            failed=self.failures.append,
        )


def body(uid: str = UID, name: str = "spring", **fields: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "shop", "uid": uid, "resourceVersion": "7"}
    return {"metadata": metadata, "spec": SPEC, **fields}


def event(found: dict[str, Any], kind: str = "ADDED") -> Any:
    return {"type": kind, "object": found}


@pytest.fixture
def recursion_of_the_operator() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(MAX_RECURSION)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("recursion_of_the_operator")
async def test_an_object_that_is_nested_as_deep_as_the_api_server_allows() -> None:
    """`affinity` is free-form. Kopf parses each line of a watch, and an error would end the watch."""
    depth = 10_000
    line = json.dumps(body()).replace(
        '"source"', '"affinity": ' + '{"a":' * depth + "1" + "}" * depth + ', "source"'
    )
    bench = Bench()
    await bench.handlers.on_imagejob(event(json.loads(line)))
    job = bench.cache.job(Key("shop", "spring"))
    assert job is not None
    assert "nested" in str(job.spec)


class Owners:
    """The API server's listing of the jobs of both tenants."""

    async def uids(self, _: Any) -> set[str]:
        return {BAD, GOOD}


async def test_a_body_that_cannot_be_parsed_does_not_keep_any_replica_from_getting_ready() -> None:
    """Any user of any namespace may create it; the cache is in sync when every uid has been seen."""
    bench = Bench()
    await bench.handlers.on_imagejob(event(body(BAD, "bad", spec={**SPEC, **POISON})))
    await bench.handlers.on_imagejob(event(body(GOOD, "good")))
    owners: Any = Owners()
    await asyncio.wait_for(await_cache_sync(bench.cache, owners, WatchedNamespaces()), 2)
    job = bench.cache.job(Key("shop", "bad"))
    assert job is not None
    assert isinstance(job.spec, InvalidSpec)
    assert bench.queued == [Key("shop", "bad"), Key("shop", "good")]


async def test_a_bug_in_parsing_becomes_an_invalid_spec(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a parser raises: the job is seen, and ends with InvalidSpec."""

    def broken(*_: Any) -> Any:
        raise RecursionError("a bug that no test has found")

    monkeypatch.setattr(imagejob, "parse_spec", broken)
    monkeypatch.setattr(imagejob, "parse_status", broken)
    bench = Bench()
    await bench.handlers.on_imagejob(event(body()))
    job = bench.cache.job(Key("shop", "spring"))
    assert job is not None
    assert "spec" in str(job.spec)
    assert bench.cache.seen() == {UID}


async def test_a_bug_in_parsing_makes_an_imagestore_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr(imagestore, "parse_store_spec", broken)
    bench = Bench()
    await bench.handlers.on_imagestore(event(body()))
    assert [type(store.spec) for store in bench.stores] == [InvalidStore]


@pytest.mark.parametrize("kind", [None, "ADDED", "MODIFIED", "DELETED"])
@pytest.mark.parametrize(
    "lost",
    [{}, {"metadata": {}}, {"metadata": None}, {"metadata": {"namespace": "shop", "name": "a"}}, {"spec": 1}],
)
async def test_no_exception_leaves_a_handler(kind: Any, lost: dict[str, Any]) -> None:
    """An object without what every object has: Kopf would skip the next events of the same object."""
    bench = Bench()
    for handler in (bench.handlers.on_imagejob, bench.handlers.on_imagestore, bench.handlers.on_pod):
        await handler(event(lost, kind))
    assert bench.failures == ["ImageJob", "ImageStore", "Pod"]


def pod(**labels: str) -> dict[str, Any]:
    counts = dict.fromkeys((LABEL_RUN, LABEL_EPOCH, LABEL_SHARD, LABEL_ATTEMPT), "1")
    metadata = {
        **body()["metadata"],
        "creationTimestamp": "2026-01-01T12:00:00Z",
        "labels": {LABEL_JOB: "spring", **counts, **labels},
        "ownerReferences": [{"uid": UID, "controller": True}],
    }
    return {"metadata": metadata, "status": {"phase": "Running"}}


async def test_a_pod_of_a_tenant_without_the_label_of_its_job_is_ignored() -> None:
    """A tenant may create Pods with any labels: a KeyError would leave the handler."""
    bench, found = Bench(), pod()
    del found["metadata"]["labels"][LABEL_JOB]
    await bench.handlers.on_pod(event(found))
    assert bench.queued == []


@pytest.mark.parametrize("count", ["9" * 63, "1_0", "0x1", "1e3", "-1", "+1", "", "٣"])
@pytest.mark.parametrize("label", [LABEL_RUN, LABEL_EPOCH, LABEL_SHARD, LABEL_ATTEMPT])
async def test_a_pod_with_a_count_that_the_operator_does_not_write_is_ignored(label: str, count: str) -> None:
    bench = Bench()
    await bench.handlers.on_pod(event(pod(**{label: count})))
    assert (bench.queued, bench.failures) == ([], [])
