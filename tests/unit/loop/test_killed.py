"""The operator killed at every one of its calls, before and after the call took effect.

The same world goes on with a new operator each time, and must come to the same end.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from fakes.scripts import well
from imagejob_operator.ports.object_store import StoreDenied
from unit.loop.world import KEY, World

OUTPUTS = ["shop/catalog/uploads/a-web.webp", "shop/catalog/uploads/b-web.webp"]
PARTS = 4


async def calls_of(failing: list[str]) -> int:
    world = World(script=well(failing=failing))
    world.create(execution={"itemsPerPod": 50})
    await world.run()
    return len(world.cluster.hooks.calls) + len(world.store.hooks.calls)


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
async def test_a_run_succeeds_once_wherever_the_operator_dies(after_effect: bool, part: int) -> None:
    total = await calls_of([])
    assert total > 25
    for call in range(part, total, PARTS):
        world = World()
        world.die_at(call, after_effect)
        world.create(execution={"itemsPerPod": 50})
        await world.run()
        where = f"died at call {call}"
        assert world.job.status.phase == "Succeeded", where
        assert world.store.keys("shop/catalog/") == OUTPUTS, where
        assert world.staged() == [], where
        assert world.job.status.run, where
        assert world.job.status.run.number == 1, where
        assert [e.reason for e in world.cluster.events.values()] == ["Succeeded"], where
        assert world.cluster.attempts() == [], where


@pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
async def test_a_run_fails_for_its_first_cause_wherever_the_operator_dies(after_effect: bool) -> None:
    failing = ["uploads/a.jpg"]
    for call in range(await calls_of(failing)):
        world = World(script=well(failing=failing))
        world.die_at(call, after_effect)
        world.create(execution={"itemsPerPod": 50})
        await world.run()
        where = f"died at call {call}"
        assert world.error() == "JOB_005/ItemsFailed", where
        assert world.staged() == [], where
        assert world.store.keys("shop/catalog/") == [], where
        assert len([e for e in world.cluster.events.values() if e.warning]) == 1, where


@pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
async def test_a_run_is_validated_wherever_the_operator_dies(after_effect: bool) -> None:
    whole = World()
    whole.create(run={"mode": "Validate"})
    await whole.run()
    total = len(whole.cluster.hooks.calls) + len(whole.store.hooks.calls)
    assert total > 8
    for call in range(total):
        world = World()
        world.die_at(call, after_effect)
        world.create(run={"mode": "Validate"})
        await world.run()
        where = f"died at call {call}"
        run = world.job.status.run
        assert run, where
        assert (world.job.status.phase, run.number, run.outcome) == ("Succeeded", 1, "Validated"), where
        assert world.staged() == [], where
        assert world.store.keys("shop/catalog/") == [], where
        assert [e.reason for e in world.cluster.events.values()] == ["Validated"], where
        assert world.cluster.attempts() == [], where


@pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
async def test_a_delete_finishes_wherever_the_operator_dies(after_effect: bool) -> None:
    for call in range(14):
        world = World()
        world.create(execution={"itemsPerPod": 50})
        await world.run(until=lambda world=world: world.job.status.phase == "Running")  # type: ignore[misc]
        world.cluster.user_deletes(KEY)
        world.die_at(call, after_effect)
        await world.run(until=lambda world=world: world.cluster.job(KEY) is None, within=61)  # type: ignore[misc]
        assert world.staged() == [], f"died at call {call}"


KINDS: dict[str, dict[str, Any]] = {
    "never": {"destination": {"prefix": "catalog/", "overwrite": "Never"}},
    "if-different": {"destination": {"prefix": "catalog/", "overwrite": "IfDifferent"}},
    "reference": {"staging": {"mode": "Reference"}},
}
"""Ways to stage and to publish."""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
async def test_a_run_of_each_kind_succeeds_wherever_the_operator_dies(after_effect: bool, kind: str) -> None:
    whole = World()
    whole.create(execution={"itemsPerPod": 50}, **KINDS[kind])
    await whole.run()
    for call in range(len(whole.cluster.hooks.calls) + len(whole.store.hooks.calls)):
        world = World()
        world.die_at(call, after_effect)
        world.create(execution={"itemsPerPod": 50}, **KINDS[kind])
        await world.run()
        where = f"died at call {call}"
        assert world.job.status.phase == "Succeeded", where
        assert world.store.keys("shop/catalog/") == OUTPUTS, where
        assert world.staged() == [], where


@pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
async def test_what_was_published_stays_and_is_told_wherever_the_operator_dies(after_effect: bool) -> None:
    async def fail(call: int | None) -> World:
        world = World()
        world.store.hooks.fail(StoreDenied("AccessDenied"), "copy", about=OUTPUTS[1])
        if call is not None:
            world.die_at(call, after_effect)
        world.create(execution={"itemsPerPod": 50})
        await world.run()
        return world

    whole = await fail(None)
    for call in range(len(whole.cluster.hooks.calls) + len(whole.store.hooks.calls)):
        world = await fail(call)
        where = f"died at call {call}"
        assert world.error() == "JOB_007/DestinationDenied", where
        assert world.store.keys("shop/catalog/") == OUTPUTS[:1], where
        report = json.loads(world.store.objects[world.job.status.report].data)
        assert [len(item.get("outputs", [])) for item in report["items"]] == [1, 0], where
        assert world.staged() == [], where


@pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
async def test_a_run_with_nothing_to_do_succeeds_wherever_the_operator_dies(after_effect: bool) -> None:
    async def twice(call: int | None) -> World:
        world = World()
        world.create(destination={"prefix": "catalog/", "overwrite": "IfDifferent"})
        await world.run()
        world.store.hooks.calls.clear()
        world.cluster.hooks.calls.clear()
        if call is not None:
            world.die_at(call, after_effect)
        world.cluster.edit(KEY, run={"id": "2"})
        await world.run(until=lambda: world.job.status.run is not None and world.job.status.run.id == "2")
        await world.run()
        return world

    whole = await twice(None)
    for call in range(len(whole.cluster.hooks.calls) + len(whole.store.hooks.calls)):
        world = await twice(call)
        where = f"died at call {call}"
        assert world.job.status.phase == "Succeeded", where
        assert world.job.status.items, where
        assert world.job.status.items.skipped == 2, where
        assert world.cluster.hooks.count("launch") == 0, where
        assert world.staged() == [], where


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
async def test_a_run_is_suspended_and_goes_on_wherever_the_operator_dies(
    after_effect: bool, part: int
) -> None:
    async def suspend_and_go_on(world: World) -> None:
        world.create(execution={"itemsPerPod": 50})
        await world.run(until=lambda: world.job.status.phase == "Running")
        world.cluster.edit(KEY, suspend=True)
        await world.run(until=lambda: world.job.status.phase == "Suspended" and not world.staged())
        world.cluster.edit(KEY, suspend=False)
        await world.run()

    whole = World()
    await suspend_and_go_on(whole)
    total = len(whole.cluster.hooks.calls) + len(whole.store.hooks.calls)
    assert total > 40
    for call in range(part, total, PARTS):
        world = World()
        world.die_at(call, after_effect)
        await suspend_and_go_on(world)
        where = f"died at call {call}"
        run = world.job.status.run
        assert world.job.status.phase == "Succeeded", where
        assert run, where
        assert (run.number, run.epoch) == (1, 2), where
        assert world.store.keys("shop/catalog/") == OUTPUTS, where
        assert world.staged() == [], where
        assert world.cluster.attempts() == [], where
        assert [e.reason for e in world.cluster.events.values()] == ["Succeeded"], where
