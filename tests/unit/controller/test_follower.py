"""Who is not in charge sees all and does nothing."""

from __future__ import annotations

import pytest

from fakes.world import KEY, World


async def test_a_follower_asks_nothing_and_writes_nothing_and_goes_on_when_it_leads() -> None:
    world = World()
    operator = world.operator
    operator.is_leader = False
    world.create()
    await world.run(until=lambda: not operator.queue.ready)
    assert operator.cache.job(KEY) is not None, "it is warm"
    assert (world.cluster.hooks.calls, world.store.hooks.calls, operator.telemetry.reconciles) == ([], [], [])
    assert operator.running_operations() == []

    operator.is_leader = True
    for job in operator.cache.jobs():
        operator.queue.add(job.key)
    await world.run()
    assert world.job.status.phase == "Succeeded"


@pytest.mark.parametrize("wanted", ["Staging", "Launching", "Running", "Publishing"])
async def test_a_gate_that_closes_ends_all_turns(wanted: str) -> None:
    world = World()
    world.create()
    await world.run(until=lambda: world.cluster.job(KEY) is not None and world.phase == wanted)
    calls = len(world.cluster.hooks.calls)
    world.operator.is_leader = False
    world.operator.queue.add(KEY)
    await world.run(until=lambda: not world.operator.queue.ready)
    assert len(world.cluster.hooks.calls) == calls


async def test_a_reconcile_does_not_act_if_leadership_is_lost_while_it_observes() -> None:
    world = World()

    async def close(operation: str, about: str, done: bool) -> None:
        if operation == "namespace":
            world.operator.is_leader = False

    world.cluster.hooks.install(close)
    world.create()
    await world.run(until=lambda: not world.operator.is_leader)
    assert [operation for operation, _ in world.cluster.hooks.calls] == ["namespace"]


async def test_a_status_that_is_held_back_is_not_flushed_without_the_lease() -> None:
    world = World()
    world.create()
    await world.run(until=lambda: world.phase == "Running")
    assert world.job.status.phase == "Launching"
    calls = len(world.cluster.hooks.calls)
    world.operator.is_leader = False
    world.clock.advance(15)
    assert world.operator.queue.release_due()
    await world.run(until=lambda: not world.operator.queue.ready)
    assert len(world.cluster.hooks.calls) == calls
    await world.restart()
    await world.run(until=lambda: world.job.status.phase == "Running")
    await world.run()
    assert world.job.status.phase == "Succeeded"
