"""A user moves the destination to another store: "unchanged" must be true of the objects that are there."""

from __future__ import annotations

from typing import Any

from fakes.build import KEY
from fakes.memory_store import MemoryStore
from fakes.memory_stores import image_store
from fakes.world import World
from imagejob_operator.ports.object_store import ObjectHeaders

HEADERS = {"cacheControl": "public, max-age=60"}


async def declared(world: World, name: str, bucket: str, uid: str) -> None:
    """An ImageStore that is ready."""
    world.stores.bucket(bucket, "key")
    world.stores.secret_of("key")
    readiness = await world.operator.stores.check(image_store(name, uid=uid, bucket=bucket))
    assert readiness.ready, readiness


def destination(name: str, overwrite: str = "IfDifferent") -> dict[str, Any]:
    return {"prefix": "out/", "storeRef": {"name": name}, "overwrite": overwrite, "headers": HEADERS}


async def published_in_eu() -> tuple[World, MemoryStore, MemoryStore]:
    """A job has published to the store `eu`; there is another store, `us`."""
    world = World()
    for name in ("eu", "us"):
        await declared(world, name, f"bucket-{name}", f"uid-of-{name}")
    world.create(destination=destination("eu"))
    await world.run()
    assert world.job.status.phase == "Succeeded", world.error()
    stores = world.stores.buckets
    return world, stores["bucket-eu"].store, stores["bucket-us"].store


async def test_a_job_that_is_created_again_for_another_store_publishes_there() -> None:
    """Delete, and create with another `destination.storeRef`: Succeeded means that the outputs are in it."""
    world, _, there = await published_in_eu()
    world.cluster.user_deletes(KEY)
    await world.run()
    world.create(destination=destination("us"))
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert len(there.keys("out/")) == 2
    assert world.job.status.outputs
    assert world.job.status.outputs.objects == 2


async def test_copies_without_the_headers_are_not_taken_for_outputs() -> None:
    """A tool has copied the bytes to the other store: same keys, sizes and ETags, but no headers."""
    world, here, there = await published_in_eu()
    for key in here.keys("out/"):
        there.set(key, here.objects[key].data, headers=ObjectHeaders("image/webp"))
    world.cluster.edit(KEY, run={"id": "2"}, destination=destination("us"))
    await world.run(lambda: bool(world.job.status.run and world.job.status.run.id == "2" and world.ended()))
    assert world.job.status.phase == "Succeeded"
    assert {there.objects[key].headers.cache_control for key in there.keys("out/")} == {
        HEADERS["cacheControl"]
    }


async def test_the_same_name_for_another_bucket_is_another_place() -> None:
    """The ImageStore is deleted and created again for another bucket."""
    world, here, there = await published_in_eu()
    for key in here.keys("out/"):
        there.set(key, here.objects[key].data, headers=ObjectHeaders("image/webp"))
    await declared(world, "eu", "bucket-us", "another-uid")
    world.cluster.edit(KEY, run={"id": "2"})
    await world.run(lambda: bool(world.job.status.run and world.job.status.run.id == "2" and world.ended()))
    assert {there.objects[key].headers.cache_control for key in there.keys("out/")} == {
        HEADERS["cacheControl"]
    }


async def test_where_the_outputs_are_they_are_still_skipped() -> None:
    """The check must not make every run start from nothing."""
    world, _, _ = await published_in_eu()
    world.cluster.edit(KEY, run={"id": "2"})
    await world.run(lambda: bool(world.job.status.run and world.job.status.run.id == "2" and world.ended()))
    assert world.job.status.items
    assert world.job.status.items.skipped == 2
