"""Operations are carried out within their limits, each with the spec that it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fakes.build import KEY, NOW, PREFIX, SPEC, UID, job, later, spec, status
from fakes.clock import ManualClock
from fakes.memory_cluster import MemoryCluster
from fakes.memory_store import MemoryStore
from fakes.memory_web import downloader
from fakes.telemetry import CountingTelemetry
from imagejob_contract.result import Progress, encode_progress
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import ItemCounts
from imagejob_operator.decision.operation import (
    Clean,
    Cleaned,
    Count,
    Counted,
    Operation,
    Publish,
    Stage,
    Staged,
    Validate,
    Validated,
)
from imagejob_operator.documents.source_list import MAX_LISTED
from imagejob_operator.operations.dispatch import Operations
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.limits import SMALL_PUBLISHING, SMALL_STAGING, OperationLimits, is_large
from imagejob_operator.ports.imagejobs import Gone, Unavailable
from imagejob_operator.ports.object_store import StoreUnavailable
from imagejob_operator.validation.pod_template_policy import NOTHING_ALLOWED, PodTemplatePolicy

REPORT = f"shop/imagejob-reports/spring/{UID}.json"
STAGE, VALIDATE = Stage(PREFIX), Validate(PREFIX, REPORT)
PUBLISH = Publish(PREFIX, REPORT, later(3600), 0, 0)
CLEAN, CLEAN_WITH_REPORT = Clean((PREFIX,)), Clean((PREFIX,), REPORT)
COUNT = Count(PREFIX, ((0, 1),), ItemCounts(total=10, succeeded=1), NOW)


class OneStore:
    """The port Stores with one store."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.problem: Exception | None = None

    async def of(self, job: ImageJob) -> MemoryStore:
        if self.problem:
            raise self.problem
        return self.store

    def ca_bundle(self, job: ImageJob) -> str:
        return ""


class Bench:
    """Operations on one job, and the names of the limiters that they pass."""

    def __init__(
        self, wanted: dict[str, Any] | None = None, allowed: PodTemplatePolicy = NOTHING_ALLOWED
    ) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(self.clock)
        for key in ("uploads/a.jpg", "uploads/b.png"):
            self.store.set(f"shop/{key}", b"bytes")
        self.cluster = MemoryCluster(self.clock, self.store)
        self.waits: list[str] = []
        self.stores = OneStore(self.store)
        self.job = self.cluster.create(KEY.name, wanted or SPEC)
        self.operations = Operations(
            self.cluster,
            self.stores,
            self.cluster,
            downloader(),
            CountingTelemetry(),
            self.clock,
            OperationLimits(lambda name, seconds: self.waits.append(name)),
            allowed,
        )

    def with_large_spec(self) -> Bench:
        """The same as if its spec were too large to be kept."""
        self.job = replace(self.job, small_spec=b"")
        return self

    async def run(self, operation: Operation, phase: Phase = Phase.STAGING) -> object:
        current = status(phase, items=10, per_shard=10)
        return await self.operations(replace(self.job, status=current), operation)

    async def failure(self, operation: Operation) -> OperationFailed:
        with pytest.raises(OperationFailed) as failed:
            await self.run(operation)
        return failed.value


async def test_a_stage_passes_the_small_limiter_alone() -> None:
    bench = Bench()
    done = await bench.run(STAGE)
    assert isinstance(done, Staged)
    assert (done.items, done.bytes) == (2, 10)
    assert bench.waits == ["operations"]


@pytest.mark.parametrize("operation", [STAGE, VALIDATE, CLEAN_WITH_REPORT])
async def test_a_small_spec_is_not_read_again(operation: Operation) -> None:
    bench = Bench()
    await bench.run(operation)
    assert bench.cluster.hooks.count("whole") == 0


async def test_a_validation_is_carried_out() -> None:
    bench = Bench()
    done = await bench.run(VALIDATE, Phase.VALIDATING)
    assert isinstance(done, Validated)
    assert REPORT in bench.store.objects


async def test_a_large_operation_waits_for_its_own_limiter_and_reads_its_spec_again() -> None:
    bench = Bench(spec(source={"list": {"key": "list.txt"}})).with_large_spec()
    bench.store.set("shop/list.txt", b"uploads/a.jpg\n")
    await bench.run(STAGE, Phase.VALIDATING)
    assert bench.waits == ["operations", "large_operations"]
    assert bench.cluster.hooks.count("whole") == 2


@pytest.mark.parametrize(("operation", "reads"), [(CLEAN, 0), (CLEAN_WITH_REPORT, 1)])
async def test_only_a_cleaning_with_a_report_needs_the_spec(operation: Clean, reads: int) -> None:
    bench = Bench().with_large_spec()
    bench.store.set(f"{PREFIX}in/000000", b"copy")
    assert await bench.run(operation, Phase.FAILING) == Cleaned()
    assert bench.cluster.hooks.count("whole") == reads
    assert bench.store.keys(PREFIX) == []
    assert bench.waits == ["cleanings"]


async def test_large_cleanings_have_a_limiter_of_their_own() -> None:
    limits = OperationLimits()
    assert limits.large(CLEAN_WITH_REPORT) is limits.large(CLEAN)
    assert limits.large(PUBLISH) is limits.large(STAGE)
    assert limits.large(PUBLISH) is not limits.large(CLEAN)


@pytest.mark.parametrize(
    ("operation", "limiter", "slots"),
    [(STAGE, "large_operations", 2), (CLEAN, "large_cleanings", 1)],
)
async def test_the_slots_of_the_large_are_few(operation: Operation, limiter: str, slots: int) -> None:
    waits: list[str] = []
    limiters = OperationLimits(lambda name, seconds: waits.append(name))
    assert limiters.large(operation)._queue.free == slots
    async with limiters.large(operation).slot():
        assert waits == [limiter]


@pytest.mark.parametrize(
    ("operation", "downloads", "limiter", "slots"),
    [
        (STAGE, False, "operations", 12),
        (STAGE, True, "download_operations", 16),
        (PUBLISH, True, "operations", 12),
        (CLEAN, True, "cleanings", 8),
    ],
)
async def test_downloads_and_cleanings_have_slots_of_their_own(
    operation: Operation, downloads: bool, limiter: str, slots: int
) -> None:
    waits: list[str] = []
    limits = OperationLimits(lambda name, seconds: waits.append(name))
    found = limits.small(replace(Bench().job, downloads=downloads), operation)
    assert found._queue.free == slots
    async with found.slot():
        assert waits == [limiter]


async def test_a_count_does_not_pass_the_limiters() -> None:
    bench = Bench()
    bench.store.set(f"{PREFIX}progress/0-1", encode_progress(Progress(3, 1)))
    assert await bench.run(COUNT, Phase.RUNNING) == Counted(ItemCounts(10, 4, 1))
    assert bench.waits == []


async def test_a_count_of_a_store_that_is_not_open_is_what_is_known() -> None:
    bench = Bench()
    bench.stores.problem = StoreUnavailable("not open")
    assert await bench.run(COUNT, Phase.RUNNING) == Counted(COUNT.known)


@pytest.mark.parametrize(
    ("operation", "code", "reason"),
    [
        (STAGE, Code.STAGING, Reason.STAGING_DEADLINE_EXCEEDED),
        (VALIDATE, Code.STAGING, Reason.STAGING_DEADLINE_EXCEEDED),
        (CLEAN_WITH_REPORT, Code.STAGING, Reason.STAGING_DEADLINE_EXCEEDED),
        (PUBLISH, Code.PUBLISH, Reason.STORE_UNAVAILABLE),
    ],
)
@pytest.mark.parametrize("error", [Unavailable("503"), Gone("503")])
async def test_a_spec_that_cannot_be_read_is_tried_again(
    operation: Operation, code: Code, reason: Reason, error: Exception
) -> None:
    bench = Bench().with_large_spec()
    bench.cluster.hooks.fail(error, "whole")
    failed = await bench.failure(operation)
    assert failed.failure == Failure(code, reason, "the spec of the ImageJob cannot be read: 503")
    assert failed.transient


TEMPLATE = {"labels": {"team": "a"}}


@pytest.mark.parametrize("operation", [STAGE, VALIDATE])
async def test_a_pod_template_that_is_not_allowed_is_refused_before_anything_is_staged(
    operation: Operation,
) -> None:
    bench = Bench(spec(execution={"podTemplate": TEMPLATE}))
    failed = await bench.failure(operation)
    why = PodTemplatePolicy().refusal(TEMPLATE)
    assert why
    assert failed.failure == Failure(Code.CREATION, Reason.INVALID_SPEC, why)
    assert not failed.transient
    assert bench.store.keys(PREFIX) == []


async def test_a_pod_template_that_is_allowed_is_staged() -> None:
    bench = Bench(spec(execution={"podTemplate": TEMPLATE}), PodTemplatePolicy(labels=("team",)))
    assert isinstance(await bench.run(STAGE), Staged)


def of_items(items: int) -> ImageJob:
    """A job whose items are counted."""
    return job(status(Phase.PUBLISHING, items=items))


INLINE = [{"name": f"{n}.jpg", "data": "aGk="} for n in range(3)]


@pytest.mark.parametrize(
    ("source", "items"),
    [
        ({"keys": ["a.jpg", "b.jpg"]}, 2),
        ({"urls": [{"url": "https://a.example/1.jpg"}]}, 1),
        ({"inline": INLINE}, 3),
        ({"match": {"prefix": "a/", "maxItems": 77}}, 77),
        ({"list": {"key": "list.txt"}}, MAX_LISTED),
    ],
    ids=["keys", "urls", "inline", "match", "list"],
)
def test_before_the_source_is_read_a_run_has_as_many_items_as_it_may(
    source: dict[str, Any], items: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = job(None, spec(source=source))
    monkeypatch.setattr("imagejob_operator.operations.limits.SMALL_STAGING", items)
    assert not is_large(of, STAGE)
    monkeypatch.setattr("imagejob_operator.operations.limits.SMALL_STAGING", items - 1)
    assert is_large(of, STAGE)


@pytest.mark.parametrize(
    ("operation", "most"),
    [
        (STAGE, SMALL_STAGING),
        (VALIDATE, SMALL_STAGING),
        (PUBLISH, SMALL_PUBLISHING),
        (CLEAN_WITH_REPORT, SMALL_PUBLISHING),
    ],
)
def test_an_operation_is_large_above_its_limit(operation: Operation, most: int) -> None:
    assert not is_large(of_items(most), operation)
    assert is_large(of_items(most + 1), operation)


def test_every_rendition_of_an_item_counts() -> None:
    two = [{"name": name, "output": {"format": "WebP"}} for name in ("web", "print")]
    current = status(Phase.PUBLISHING, items=SMALL_PUBLISHING // 2 + 1)
    assert is_large(job(current, spec(renditions=two)), PUBLISH)


@pytest.mark.parametrize(
    "small",
    [
        lambda: is_large(of_items(MAX_LISTED), CLEAN),
        lambda: is_large(job(status(Phase.FAILING), {"source": {}}), CLEAN_WITH_REPORT),
    ],
    ids=["without-a-report", "invalid"],
)
def test_a_cleaning_without_items_to_report_is_small(small: Callable[[], bool]) -> None:
    assert not small()
