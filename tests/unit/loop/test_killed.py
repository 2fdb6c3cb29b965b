"""The operator killed at every one of its calls, before and after the call took effect.

The same world goes on with a new operator each time, and must come to the same end.
"""

from __future__ import annotations

import pytest

from fakes.scripts import well
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
async def test_a_delete_finishes_wherever_the_operator_dies(after_effect: bool) -> None:
    for call in range(14):
        world = World()
        world.create(execution={"itemsPerPod": 50})
        await world.run(until=lambda world=world: world.job.status.phase == "Running")  # type: ignore[misc]
        world.cluster.user_deletes(KEY)
        world.die_at(call, after_effect)
        await world.run(until=lambda world=world: world.cluster.job(KEY) is None, within=61)  # type: ignore[misc]
        assert world.staged() == [], f"died at call {call}"
