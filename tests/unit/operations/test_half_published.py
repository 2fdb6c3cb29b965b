"""A run that fails while it publishes: what it had published stays, and its report names that alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fakes.hooks import Hook
from fakes.scripts import well
from fakes.world import KEY, World
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


async def next_run(world: World, **spec: Any) -> None:
    world.cluster.edit(KEY, **spec)
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
