"""A Pod writes a result of any content, and any objects beside it: its run ends, and the operator lives."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec
import pytest

from fakes.build import KEY, PREFIX, UID, job, later, spec, status
from fakes.clock import ManualClock
from fakes.memory_cluster import Scene
from fakes.memory_store import MemoryStore, key_of
from fakes.world import World
from imagejob_contract.order import Order
from imagejob_contract.result import Summary
from imagejob_operator.api.phase import Phase
from imagejob_operator.decision.attempt import AttemptCounts, State
from imagejob_operator.decision.operation import Clean, Publish
from imagejob_operator.documents.staging import Manifest, ManifestItem, output_prefix, result_key
from imagejob_operator.naming.prefixes import report_key
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.manifest import write_manifest
from imagejob_operator.operations.processing import results
from imagejob_operator.operations.publishing.publish import clean, publish
from imagejob_operator.ports.object_store import ObjectMissing, ObjectTooLarge, StoredObject

MiB = 1024 * 1024
HASH = "0" * 64
REPORT = report_key(KEY.namespace, KEY.name, UID, 1)
ERROR = {"code": "IMG_001", "message": "not an image"}
FACTS = {
    "format": "JPEG",
    "width": 2**31 - 1,
    "height": 2**31 - 1,
    "perceptualHash": "0" * 16,
    "dominantColor": "#000000",
    "thumbHash": "A" * 36,
}
LONG = {"error": {"code": "IMG_001", "message": "\N{GRINNING FACE}" * 300}, "image": FACTS}
LONG["source"] = {"bytes": 2**40, "sha256": HASH}


def lines(shard: int, items: Sequence[dict[str, Any]]) -> bytes:
    """A result as a Pod stores it."""
    head = {"version": 1, "shard": shard, "attempt": 1}
    return "\n".join(json.dumps(line, ensure_ascii=False) for line in (head, *items)).encode()


def output(rendition: str, size: int = 1) -> dict[str, Any]:
    return {"rendition": rendition, "bytes": size, "width": 1, "height": 1, "sha256": HASH}


BOGUS: list[dict[str, Any]] = [
    {"index": 0, "error": ERROR, "outputs": [output("bogus")]},
    {"index": 0, "error": ERROR, "outputs": [output("web")]},
    {"index": 0, "outputs": [output("bogus")]},
    {"index": 0, "outputs": [output("web"), output("web")]},
    {"index": 0, "outputs": [output("web", 2**70)]},
    {"index": 0, "outputs": [output("web", -1)]},
    {"index": 0, "outputs": [{**output("web"), "width": 0}]},
    {"index": 0, "outputs": [{**output("web"), "sha256": "\N{ARABIC-INDIC DIGIT ONE}" * 64}]},
    {"index": 0, "error": ERROR, "image": {**FACTS, "format": "WEBP\n"}},
    {"index": 0, "error": ERROR, "timings": {"fetch": 2**70}},
    {"index": 0, "error": ERROR, "notes": ["x"] * 9},
    {"index": 10**30, "error": ERROR},
    {"index": 0, "error": ERROR, "\x00": 1},
]


@pytest.mark.parametrize("item", BOGUS, ids=range(len(BOGUS)))
async def test_a_bogus_item_ends_the_run_with_its_code_and_cleans_the_staging(item: dict[str, Any]) -> None:
    def forge(store: MemoryStore, order: Order) -> Summary:
        store.set(f"{order.upload.key_prefix}000000-web", b"x")
        store.set(key_of(order.result_url), lines(order.shard, [item]))
        return Summary(failed=1)

    world = World(lambda shard, number: (Scene(1, State.RUNNING), Scene(2, State.SUCCEEDED, work=forge)))
    world.create(source={"keys": ["uploads/a.jpg"]}, failurePolicy={"maxFailedItems": 100})
    await world.run(until=world.ended)
    assert (world.job.status.at, world.error()) == (Phase.FAILED, "JOB_005/ResultsInvalid")
    assert not world.staged()
    assert not world.job.guarded
    report = json.loads(world.store.objects[world.job.status.report].data)
    assert [item["source"] for item in report["items"]] == ["uploads/a.jpg"]


class ManyResults(MemoryStore):
    """A store with a result for each shard, which is made when it is read, and is not held."""

    def __init__(self, shards: int, per_shard: int, item: dict[str, Any]) -> None:
        super().__init__(ManualClock())
        self._per_shard = per_shard
        self._item = json.dumps(item, ensure_ascii=False)[1:]
        self._results = {result_key(PREFIX, shard): shard for shard in range(shards)}

    async def walk(self, prefix: str) -> AsyncIterator[StoredObject]:
        for key in self._results if prefix == f"{PREFIX}results/" else ():
            yield StoredObject(key, 1, "etag")
        async for stored in super().walk(prefix):
            yield stored

    async def read(self, key: str, max_bytes: int) -> bytes:
        if key not in self._results:
            return await super().read(key, max_bytes)
        shard = self._results[key]
        if not self._item:
            raise ObjectMissing(key)
        data = self.result(shard)
        if len(data) > max_bytes:
            raise ObjectTooLarge(key)
        return data

    def result(self, shard: int) -> bytes:
        first = shard * self._per_shard
        head = f'{{"version":1,"shard":{shard},"attempt":1}}'
        items = (f'{{"index":{index},{self._item}' for index in range(first, first + self._per_shard))
        return "\n".join((head, *items)).encode()


async def peak(store: MemoryStore, shards: int, per_shard: int, phase: Phase) -> tuple[float, str]:
    """The most memory, in MiB, that the operation of a phase needed, and how it failed."""
    now = status(phase, counts=(AttemptCounts(1),) * shards, items=shards * per_shard, per_shard=per_shard)
    of = job(now, spec(failurePolicy={"maxFailedItems": 100}))
    items = tuple(ManifestItem(index, f"{index}.jpg", "e", 1, index) for index in range(shards * per_shard))
    await write_manifest(store, PREFIX, Manifest(items, count=len(items)))
    del items
    failure = ""
    tracemalloc.start()
    try:
        if phase is Phase.FAILING:
            await clean(store, ManualClock(), FreshRuns(), of, Clean((PREFIX,), REPORT))
        else:
            await publish(
                store, ManualClock(), FreshRuns(), of, Publish(PREFIX, REPORT, later(10**9), 0, 10**9)
            )
    except OperationFailed as error:
        failure = f"{error.failure.reason}: {error.failure.message}"
    finally:
        most = tracemalloc.get_traced_memory()[1] / MiB
        tracemalloc.stop()
    return most, failure


@pytest.mark.parametrize("phase", [Phase.PUBLISHING, Phase.FAILING])
async def test_a_thousand_results_of_the_largest_size_fit_in_memory(phase: Phase) -> None:
    most, failure = await peak(ManyResults(1000, 5, LONG), 1000, 5, phase)
    assert not failure
    assert most < 40, "less than five times what the Pods wrote: values, their report, and its encoding"


async def test_results_that_would_not_fit_are_refused_before_they_are_held(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(results, "MAX_RUN_BYTES", 4 * MiB)
    most, failure = await peak(ManyResults(1000, 5, LONG), 1000, 5, Phase.PUBLISHING)
    assert "use fewer items or renditions" in failure
    assert most < 8


@pytest.mark.parametrize("phase", [Phase.PUBLISHING, Phase.FAILING])
async def test_a_failed_item_cannot_fill_the_memory_with_outputs(phase: Phase) -> None:
    many = {"error": ERROR, "outputs": [output("web")] * 12}
    most, failure = await peak(ManyResults(100, 100, many), 100, 100, phase)
    assert most < 32
    assert phase is Phase.FAILING or "an item with an error has outputs" in failure


@pytest.mark.parametrize("items", [3, 100_000])
async def test_records_that_were_not_ordered_are_not_decoded(items: int) -> None:
    store = ManyResults(1, items, {"error": ERROR})
    most, failure = await peak(store, 1, 2, Phase.PUBLISHING)
    assert most < 32
    assert ("has more than 2 items" if items == 3 else "is too large") in failure


async def test_a_pod_cannot_fill_the_memory_with_objects() -> None:
    listed = 0

    class Flooded(ManyResults):
        async def walk(self, prefix: str) -> AsyncIterator[StoredObject]:
            nonlocal listed
            if prefix == output_prefix(PREFIX, 0, 1):
                for number in range(1_000_000):
                    listed += 1
                    yield StoredObject(f"{prefix}{number:09d}", 1, "etag")

    most, failure = await peak(Flooded(1, 2, {"error": ERROR}), 1, 2, Phase.PUBLISHING)
    assert (most < 16, listed) == (True, 1)
    assert "which was not ordered" in failure


async def test_a_foreign_object_among_the_results_is_not_read() -> None:
    store = ManyResults(1, 2, {"error": ERROR})
    store.set(f"{PREFIX}results/x.json", b"")
    store.set(f"{PREFIX}results/99999999999999999999.json", b"")
    _, failure = await peak(store, 1, 2, Phase.FAILING)
    assert not failure
    report = msgspec.json.decode(store.objects[REPORT].data)
    assert [item["error"] for item in report["items"]] == [ERROR, ERROR]
