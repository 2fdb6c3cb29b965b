"""A large run again, with nothing changed: what is counted is what it costs."""

from __future__ import annotations

import pytest

from fakes.hooks import Hooks
from fakes.world import KEY, World

ITEMS = 500
RENDITIONS = [{"name": name, "output": {"format": "WebP"}} for name in ("large", "web", "thumb")]


def forget_calls(world: World) -> None:
    world.store.hooks.calls.clear()
    world.cluster.hooks.calls.clear()


def calls(hooks: Hooks, *operations: str) -> list[str]:
    return [about for operation, about in hooks.calls if operation in operations]


@pytest.mark.timeout(60)
async def test_five_hundred_unchanged_items_cost_a_handful_of_requests() -> None:
    sources = {f"uploads/{number:04d}.jpg": f"photo {number}".encode() for number in range(ITEMS)}
    world = World(sources=sources)
    world.create(
        source={"match": {"prefix": "uploads/"}},
        renditions=RENDITIONS,
        destination={"prefix": "catalog/", "overwrite": "IfDifferent"},
        execution={"itemsPerPod": 50},
    )
    await world.run()
    published = [key for key in calls(world.store.hooks, "copy") if key.startswith("shop/")]
    assert len(published) == ITEMS * len(RENDITIONS)
    before = {key: world.store.objects[key] for key in world.store.keys("shop/")}
    forget_calls(world)

    world.cluster.edit(KEY, run={"id": "2"})
    await world.run(until=lambda: world.job.status.run is not None and world.job.status.run.id == "2")
    await world.run()

    status = world.job.status
    assert status.phase == "Succeeded"
    assert status.items
    assert (status.items.total, status.items.skipped) == (ITEMS, ITEMS)
    assert calls(world.cluster.hooks, "launch") == [], "no Pod, so nothing is decoded"
    assert calls(world.store.hooks, "copy") == [], "nothing is staged and nothing is published"
    # What was skipped, the manifest and the report.
    assert len(calls(world.store.hooks, "put", "put_if_absent")) == 3
    assert {key: world.store.objects[key] for key in world.store.keys("shop/")} == before
    reads = calls(world.store.hooks, "stat", "get", "list", "folders")
    assert len(reads) <= 12, reads
