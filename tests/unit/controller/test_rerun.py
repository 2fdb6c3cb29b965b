"""A run of the items that failed takes what the run before did not publish, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fakes.scripts import CRASHED, badly, well
from fakes.world import KEY, World

A, B = "uploads/a.jpg", "uploads/b.png"
TOLERANT = {"failurePolicy": {"maxFailedItems": 1}}


def sources(world: World) -> list[str]:
    """The items that the report of the last run names."""
    report: dict[str, Any] = json.loads(world.store.objects[world.job.status.report].data)
    return [item["source"] for item in report["items"]]


async def one_failed(world: World) -> None:
    """A run that published all but one item; the failing one is repaired after it."""
    world.cluster.script = well(failing=[A])
    world.create(**TOLERANT)
    await world.run()
    assert world.job.status.phase == "Succeeded"
    world.cluster.script = well()


async def next_run(world: World, run_id: str, **spec: Any) -> None:
    world.cluster.edit(KEY, run={"id": run_id, "items": "Failed"}, **spec)
    await world.run(until=lambda: bool(world.job.status.run and world.job.status.run.id == run_id))
    await world.run()


async def test_only_the_failed_items_are_taken() -> None:
    world = World()
    await one_failed(world)
    copied = len(world.store.hooks.calls)
    await next_run(world, "2")
    assert world.job.status.phase == "Succeeded"
    assert world.job.status.progress == "1/1"
    assert sources(world) == [A]
    published = [k for op, k in world.store.hooks.calls[copied:] if op == "copy" and "/catalog/" in k]
    assert published == ["shop/catalog/uploads/a-web.webp"]
    assert world.store.keys("shop/catalog/") == [
        "shop/catalog/uploads/a-web.webp",
        "shop/catalog/uploads/b-web.webp",
    ]


@pytest.mark.parametrize(
    "source",
    [
        {"match": {"prefix": "uploads/"}},
        {"inline": [{"name": "a.png", "data": "QUJD"}, {"name": "b.png", "data": "QUJE"}]},
    ],
    ids=["match", "inline"],
)
async def test_whatever_the_source_is(source: dict[str, Any]) -> None:
    failing = "a.png" if "inline" in source else A
    world = World(script=well(failing=[failing]))
    world.create(source=source, **TOLERANT)
    await world.run()
    world.cluster.script = well()
    await next_run(world, "2")
    assert sources(world) == [failing]


async def test_an_item_keeps_its_place_in_the_whole_source() -> None:
    world = World(script=well(failing=[B]))
    world.create(destination={"prefix": "catalog/", "keyTemplate": "{index}.{ext}"}, **TOLERANT)
    await world.run()
    assert world.store.keys("shop/catalog/") == ["shop/catalog/000000.webp"]
    world.cluster.script = well()
    await next_run(world, "2")
    assert world.store.keys("shop/catalog/") == ["shop/catalog/000000.webp", "shop/catalog/000001.webp"]


async def test_all_is_left_of_a_run_that_published_nothing() -> None:
    world = World(script=well(failing=[A]))
    world.create()
    await world.run()
    assert world.error() == "JOB_005/ItemsFailed"
    world.cluster.script = well()
    await next_run(world, "2")
    assert world.job.status.phase == "Succeeded"
    assert sources(world) == [A, B]


async def test_what_is_left_is_handed_on_by_a_run_that_failed() -> None:
    world = World()
    await one_failed(world)
    world.cluster.script = badly(CRASHED)
    await next_run(world, "2", failurePolicy={"maxFailedItems": 0})
    assert world.job.status.phase == "Failed"
    world.cluster.script = well()
    await next_run(world, "3")
    assert sources(world) == [A]


async def test_runs_that_never_came_to_their_items_are_foreign() -> None:
    world = World()
    await one_failed(world)
    await next_run(world, "2", destination={"keyTemplate": "one"})
    assert world.error() == "JOB_001/KeyCollision"
    await next_run(world, "3", destination={"prefix": "catalog/"}, cancelRunID="3")
    assert world.error() == "JOB_008/Cancelled"
    await next_run(world, "4")
    assert world.job.status.phase == "Succeeded"
    assert sources(world) == [A]


async def test_nothing_that_failed_is_nothing_to_do() -> None:
    world = World()
    world.create()
    await world.run()
    await next_run(world, "2")
    assert world.error() == "JOB_002/SourceEmpty"
    assert world.staged() == []


@pytest.mark.parametrize("left", [None, b"not a report"], ids=["gone", "garbage"])
async def test_a_report_that_cannot_be_read_is_not_guessed_at(left: bytes | None) -> None:
    world = World()
    await one_failed(world)
    if left is None:
        del world.store.objects[world.job.status.report]
    else:
        world.store.set(world.job.status.report, left)
    launched = world.cluster.hooks.count("launch")
    await next_run(world, "2")
    assert world.error() == "JOB_001/NoPreviousReport"
    assert world.job.status.error
    assert "run 1" in world.job.status.error.message
    assert world.cluster.hooks.count("launch") == launched, "nothing is launched"
