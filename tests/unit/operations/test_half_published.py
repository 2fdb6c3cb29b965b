"""A run that fails while it publishes: what it had published stays, and its report names that alone."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from fakes.build import PREFIX, at_phase, job, spec, status
from fakes.clock import ManualClock
from fakes.hooks import Hook
from fakes.memory_store import MemoryStore, key_of
from fakes.memory_web import downloader
from fakes.scripts import do_order, well
from fakes.telemetry import CountingTelemetry
from fakes.world import KEY, World
from imagejob_contract.order import Order
from imagejob_contract.result import ItemCode, ItemError
from imagejob_operator.api.phase import Phase
from imagejob_operator.decision.action import Launch
from imagejob_operator.decision.operation import Clean, Stage
from imagejob_operator.documents.report import ReportItem, read_report
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.manifest import manifest_head
from imagejob_operator.operations.processing.orders import write_order
from imagejob_operator.operations.publishing.report import make_report, report_failure
from imagejob_operator.operations.staging.stage import stage
from imagejob_operator.ports.object_store import StoreDenied, StoreUnavailable

A, B = "shop/catalog/uploads/a-web.webp", "shop/catalog/uploads/b-web.webp"
DENIED = StoreDenied("AccessDenied")


def half_published(world: World) -> Hook:
    """The second output may not be written."""
    denied = world.store.hooks.fail(DENIED, "copy", about=B)
    world.create()
    return denied


def report(world: World) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(world.store.objects[world.job.status.report].data)
    return found


def outputs_of(world: World) -> dict[str, list[str]]:
    """The outputs that the report names, by their sources."""
    return {
        item["source"]: [output["key"] for output in item.get("outputs", [])]
        for item in report(world)["items"]
    }


async def next_run(world: World, **fields: Any) -> None:
    world.cluster.edit(KEY, **fields)
    await world.run(until=lambda: bool(world.job.status.run and world.job.status.run.id == "2"))
    await world.run()


async def test_it_stays_and_the_report_names_it() -> None:
    world = World()
    half_published(world)
    await world.run()
    assert world.error() == "JOB_007/DestinationDenied"
    assert world.store.keys("shop/catalog/") == [A]
    assert outputs_of(world) == {"uploads/a.jpg": ["catalog/uploads/a-web.webp"], "uploads/b.png": []}
    assert report(world)["items"][0]["outputs"][0]["etag"] == world.store.objects[A].etag
    assert world.staged() == []


async def test_what_others_have_written_is_not_listed() -> None:
    world = World()
    world.store.set(B, b"older")
    half_published(world)
    await world.run()
    assert world.store.objects[B].data == b"older"
    assert outputs_of(world)["uploads/b.png"] == []


async def test_what_an_earlier_run_published_is_not_listed() -> None:
    world = World()
    world.create()
    await world.run()
    world.cluster.script = well(failing=["uploads/a.jpg"])
    await next_run(world, run={"id": "2"})
    assert world.error() == "JOB_005/ItemsFailed"
    assert world.store.keys("shop/catalog/") == [A, B]
    assert outputs_of(world) == {"uploads/a.jpg": [], "uploads/b.png": []}


async def test_a_run_of_the_failed_items_makes_all_of_them_again() -> None:
    world = World()
    denied = half_published(world)
    await world.run()
    world.store.hooks.remove(denied)
    await next_run(world, run={"id": "2", "items": "Failed"})
    assert world.job.status.phase == "Succeeded"
    assert set(outputs_of(world)) == {"uploads/a.jpg", "uploads/b.png"}
    assert world.store.keys("shop/catalog/") == [A, B]


@pytest.mark.parametrize("operation", ["stat", "list", "get"])
async def test_the_report_waits_until_the_store_answers(operation: str) -> None:
    world = World()
    half_published(world)
    await world.run(until=lambda: world.job.status.phase == "Failing")
    world.store.hooks.fail(StoreUnavailable("away"), operation, times=3)
    await world.run()
    assert world.error() == "JOB_007/DestinationDenied"
    assert outputs_of(world)["uploads/a.jpg"] == ["catalog/uploads/a-web.webp"]


async def test_the_report_is_written_later_with_the_deferred_cleaning() -> None:
    world = World()
    half_published(world)
    await world.run(until=lambda: world.job.status.phase == "Failing")
    away = world.store.hooks.fail(StoreUnavailable("away"))
    await world.run(until=lambda: world.job.status.phase == "Failed")
    world.store.hooks.remove(away)
    await world.run()
    assert outputs_of(world)["uploads/a.jpg"] == ["catalog/uploads/a-web.webp"]
    assert world.staged() == []


async def test_a_store_that_forbids_to_look_keeps_neither_report_nor_staging() -> None:
    world = World()
    half_published(world)
    await world.run(until=lambda: world.job.status.phase == "Failing")
    world.store.hooks.fail(DENIED, "stat", about=A)
    await world.run()
    assert outputs_of(world) == {"uploads/a.jpg": [], "uploads/b.png": []}
    assert world.staged() == []


@pytest.mark.parametrize(
    ("phase", "outcome"),
    [(Phase.CANCELLING, "Cancelled"), (Phase.CANCELLED, "Cancelled"), (Phase.FAILING, "Failed")],
)
@pytest.mark.parametrize("prefixes", [(PREFIX,), ()])
async def test_a_run_without_staging_has_a_report_without_items(
    phase: Phase, outcome: str, prefixes: tuple[str, ...]
) -> None:
    store, clock = MemoryStore(), ManualClock()
    of = job(at_phase(phase))
    await report_failure(store, clock, FreshRuns(), of, Clean(prefixes, "report.json", "operator"))
    wanted = make_report(of, clock(), outcome, (), "memory://bucket/shop/", "operator")
    blob = store.objects["report.json"]
    assert read_report(blob.data) == wanted
    assert blob.headers.content_type == "application/json"


async def test_sources_that_could_not_be_staged_are_in_the_report() -> None:
    store, clock = MemoryStore(), ManualClock()
    store.set("shop/uploads/a.jpg", b"bytes")
    of = job(status(Phase.STAGING), spec(failurePolicy={"maxFailedItems": 1}))
    await stage(store, downloader(), CountingTelemetry(), FreshRuns(), of, Stage(PREFIX))
    await report_failure(
        store, clock, FreshRuns(), job(at_phase(Phase.FAILING)), Clean((PREFIX,), "report.json")
    )
    text = "spec.source.keys: there is no object 'uploads/b.png' under 'shop/'; upload it or correct the key"
    assert read_report(store.objects["report.json"].data).items == (
        ReportItem("uploads/a.jpg", 5),
        ReportItem("uploads/b.png", 0, error=ItemError(ItemCode.SOURCE_MISSING, text)),
    )


async def test_a_store_that_is_away_is_asked_again_unless_it_is_that_of_the_outputs_alone() -> None:
    elsewhere = {"destination": {"storeRef": {"name": "media"}}}
    for fields, waits in (({}, True), (elsewhere, False)):
        store, clock = MemoryStore(), ManualClock()
        for key in ("a.jpg", "b.png"):
            store.set(f"shop/uploads/{key}", b"bytes")
        await stage(
            store, downloader(), CountingTelemetry(), FreshRuns(), job(status(Phase.STAGING)), Stage(PREFIX)
        )
        of = job(at_phase(Phase.FAILING), spec(**fields))
        url = await write_order(
            store, of, await manifest_head(store, PREFIX), Launch(PREFIX, 0, 1), timedelta(hours=1)
        )
        order = msgspec.json.decode(store.objects[key_of(url)].data, type=Order)
        do_order(store, order)
        store.hooks.fail(StoreUnavailable("away"), "list", about=of.outputs_prefix)
        operation = Clean((PREFIX,), "report.json")
        if waits:
            with pytest.raises(StoreUnavailable):
                await report_failure(store, clock, FreshRuns(), of, operation)
            continue
        await report_failure(store, clock, FreshRuns(), of, operation)
        items = read_report(store.objects["report.json"].data).items
        assert [(item.source, item.outputs) for item in items] == [
            ("uploads/a.jpg", ()),
            ("uploads/b.png", ()),
        ]
