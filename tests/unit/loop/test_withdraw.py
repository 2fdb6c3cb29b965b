"""`onFailure: Delete`: what a run that failed has published is taken back, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.scripts import well
from fakes.world import KEY, World
from imagejob_operator.ports.object_store import StoreDenied, StoreUnavailable

A, B = "shop/catalog/uploads/a-web.webp", "shop/catalog/uploads/b-web.webp"
DELETE = {"prefix": "catalog/", "onFailure": "Delete"}
DENIED = StoreDenied("AccessDenied")


def half_published(world: World, **destination: Any) -> None:
    """The second output may not be written."""
    world.store.hooks.fail(DENIED, "copy", about=B)
    world.create(destination={**DELETE, **destination})


async def test_what_was_published_is_taken_back() -> None:
    world = World()
    half_published(world)
    await world.run()
    assert world.error() == "JOB_007/DestinationDenied"
    assert ("copy", A) in world.store.hooks.calls
    assert world.store.keys("shop/catalog/") == []
    assert world.staged() == []


async def test_it_stays_where_that_is_not_asked_for() -> None:
    world = World()
    half_published(world, onFailure="Keep")
    await world.run()
    assert world.store.keys("shop/catalog/") == [A]


async def test_what_others_have_written_stays() -> None:
    world = World()
    world.store.set(B, b"older")
    world.store.set("shop/catalog/uploads/c-web.webp", b"older")
    half_published(world)
    await world.run()
    assert world.store.keys("shop/catalog/") == [B, "shop/catalog/uploads/c-web.webp"]
    assert world.store.objects[B].data == b"older"


async def test_what_an_earlier_run_published_stays() -> None:
    world = World()
    world.create(destination=DELETE)
    await world.run()
    world.cluster.script = well(failing=["uploads/a.jpg"])
    world.cluster.edit(KEY, run={"id": "2"})
    await world.run(until=lambda: world.job.status.run.id == "2")  # type: ignore[union-attr]
    await world.run()
    assert world.error() == "JOB_005/ItemsFailed"
    assert world.store.keys("shop/catalog/") == [A, B]


async def test_a_run_that_is_superseded_by_another_spec_takes_back_its_own_keys() -> None:
    world = World()
    world.create(destination=DELETE)
    world.store.hooks.fail(StoreUnavailable("away"), "put_if_absent", about=".imagejob/", times=2)
    await world.run(until=lambda: {A, B} <= world.store.objects.keys())
    world.cluster.edit(KEY, run={"id": "2"}, destination={"prefix": "other/"})
    await world.run(until=lambda: world.job.status.run.id == "2")  # type: ignore[union-attr]
    await world.run()
    assert world.store.keys("shop/catalog/") == []
    assert len(world.store.keys("shop/other/")) == 2


async def test_a_success_that_was_not_seen_takes_nothing_back() -> None:
    world = World()
    world.create(destination=DELETE, execution={"activeDeadlineSeconds": 60})
    # The report is written and nobody hears of it, until the deadline and the cleaning budget have passed.
    world.store.hooks.fail(StoreUnavailable("away"), "put_if_absent", ".imagejob/", times=1, lost_answer=True)
    await world.run(until=lambda: bool(world.store.keys(".imagejob/")))
    world.store.hooks.fail(StoreUnavailable("away"), "get", ".imagejob/", times=12)
    await world.run()
    assert world.staged() == []
    assert world.store.keys("shop/catalog/") == [A, B], "the report says that they are published"


@pytest.mark.parametrize("operation", ["stat", "delete", "get"])
async def test_it_is_repeated_until_the_store_answers(operation: str) -> None:
    world = World()
    half_published(world)
    await world.run(until=lambda: world.job.status.phase == "Failing")
    world.store.hooks.fail(StoreUnavailable("away"), operation, times=3)
    await world.run()
    assert world.error() == "JOB_007/DestinationDenied"
    assert world.store.keys("shop/catalog/") == []


async def test_it_is_made_up_for_with_the_cleaning_that_is_owed() -> None:
    world = World()
    half_published(world)
    await world.run(until=lambda: world.job.status.phase == "Failing")
    away = world.store.hooks.fail(StoreUnavailable("away"))
    await world.run(until=lambda: world.job.status.phase == "Failed")
    assert world.store.keys("shop/catalog/") == [A]
    world.store.hooks.remove(away)
    await world.run()
    assert world.store.keys("shop/catalog/") == []
    assert world.staged() == []


async def test_a_store_that_forbids_it_does_not_keep_the_staging() -> None:
    world = World()
    half_published(world)
    world.store.hooks.fail(DENIED, "delete", about=A)
    await world.run()
    assert world.error() == "JOB_007/DestinationDenied"
    assert world.store.keys("shop/catalog/") == [A]
    assert world.staged() == []


async def test_who_suspends_a_run_takes_nothing_back() -> None:
    world = World()
    world.create(destination=DELETE)
    away = world.store.hooks.fail(StoreUnavailable("away"), "put_if_absent", about=".imagejob/")
    await world.run(until=lambda: {A, B} <= world.store.objects.keys())
    world.cluster.edit(KEY, suspend=True)
    await world.run(until=lambda: world.job.status.phase == "Suspended" and not world.staged())
    assert world.store.keys("shop/catalog/") == [A, B]
    world.store.hooks.remove(away)
    world.cluster.edit(KEY, suspend=False)
    await world.run()
    assert world.job.status.phase == "Succeeded"
