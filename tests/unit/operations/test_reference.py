"""Sources in mode Reference: never copied, read by their ETags."""

from __future__ import annotations

import pytest

from fakes.memory_store import key_of
from fakes.world import KEY, World
from imagejob_operator.documents.staging import manifest_key, read_manifest

REFERENCE = {"mode": "Reference"}
OUTPUTS = ["shop/catalog/uploads/a-web.webp", "shop/catalog/uploads/b-web.webp"]


async def running() -> World:
    world = World()
    world.create(staging=REFERENCE)
    await world.run(until=lambda: world.job.status.phase == "Running")
    return world


async def test_nothing_is_copied_before_the_pods_run() -> None:
    world = await running()
    assert world.store.hooks.count("copy") == 0
    staging = world.job.status.staging
    assert staging
    assert (staging.objects, staging.bytes) == (0, 0)
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert world.store.keys("shop/catalog/") == OUTPUTS


async def test_the_manifest_names_the_sources_and_pins_them() -> None:
    world = await running()
    staging = world.job.status.staging
    assert staging
    manifest = read_manifest(world.store.objects[manifest_key(staging.prefix)].data)
    assert [item.key for item in manifest.items] == ["shop/uploads/a.jpg", "shop/uploads/b.png"]
    assert [item.etag for item in manifest.items] == [world.store.objects[i.key].etag for i in manifest.items]


@pytest.mark.parametrize("gone", [False, True], ids=["changed", "gone"])
async def test_a_source_that_does_not_hold_still_fails_its_item(gone: bool) -> None:
    world = await running()
    if gone:
        world.store.objects.pop("shop/uploads/a.jpg")
    else:
        world.store.set("shop/uploads/a.jpg", b"another one")
    await world.run()
    assert world.error() == "JOB_005/ItemsFailed"
    error = world.job.status.error
    assert error
    assert ("IMG_010" if gone else "IMG_004") in error.message
    assert world.store.keys("shop/catalog/") == []


async def test_sources_are_never_deleted_with_the_staging() -> None:
    world = await running()
    world.cluster.user_deletes(KEY)
    await world.run()
    assert world.staged() == []
    assert world.store.keys("shop/uploads/") == ["shop/uploads/a.jpg", "shop/uploads/b.png"]


async def test_a_resumed_run_pins_the_sources_again() -> None:
    world = await running()
    world.cluster.edit(KEY, suspend=True)
    await world.run(until=lambda: world.job.status.phase == "Suspended")
    world.store.set("shop/uploads/a.jpg", b"another one")
    world.cluster.edit(KEY, suspend=False)
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert world.store.objects[OUTPUTS[0]].data == b"another oneweb"


async def test_a_copy_of_an_order_reads_the_source_itself() -> None:
    world = await running()
    uid = world.job.uid
    orders = [world.store.objects[key_of(url)].data for url in world.cluster.orders(uid).values()]
    assert orders
    assert all(b"/uploads/" in order for order in orders)
