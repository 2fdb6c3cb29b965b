"""Whole runs whose Pods have a sidecar that never ends."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.scripts import CRASHED, badly, in_turn, lingering, well
from fakes.world import World
from imagejob_operator.decision.attempt import State

ONE_POD = {"execution": {"itemsPerPod": 50}}


async def run(world: World, **fields: Any) -> None:
    world.create(**{**ONE_POD, **fields})
    await world.run()


async def test_a_run_does_not_wait_for_the_sidecar() -> None:
    plain, injected = World(script=well()), World(script=lingering(well()))
    for world in (plain, injected):
        await run(world)
        assert world.job.status.phase == "Succeeded"
        assert world.cluster.attempts() == []
    assert injected.job.status.run
    assert plain.job.status.run
    assert injected.job.status.run.duration == plain.job.status.run.duration


async def test_a_crashed_processor_is_replaced_beside_its_sidecar() -> None:
    world = World(script=lingering(in_turn(badly(CRASHED), well(run=60))))
    await run(world)
    assert world.job.status.phase == "Succeeded"
    assert world.job.status.run
    assert world.job.status.run.shards
    assert world.job.status.run.shards.attempts == "0=2"


@pytest.mark.parametrize("pods", ["Always", "OnFailure"])
async def test_the_retention_keeps_no_pod_whose_sidecar_runs_on(pods: str) -> None:
    world = World(script=lingering(badly(CRASHED)))
    await run(world, execution={"itemsPerPod": 50, "retriesPerShard": 0}, retention={"pods": pods})
    assert world.job.status.phase == "Failed"
    kept = [attempt for _, attempt in world.cluster.attempts()]
    assert [(a.state, a.lingers) for a in kept] == [(State.FAILED, True)], "a native sidecar may still end"
    await world.run(lambda: not world.cluster.attempts())
    assert world.cluster.attempts() == []
