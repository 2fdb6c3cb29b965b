"""The speed of Pods is learned from runs that have ended, and decides how the next ones are cut."""

from __future__ import annotations

import pytest

from fakes.scripts import badly, in_turn, well
from imagejob_operator.core.attempt import Problem
from imagejob_operator.core.failure import Reason
from imagejob_operator.core.sizing import DEFAULT_SPEED, work_of
from unit.loop.world import KEY, World

MIB = 1024 * 1024
SOURCES = {f"uploads/{number:03d}.jpg": b"x" * MIB for number in range(40)}
MATCH = {"source": {"match": {"prefix": "uploads/"}}}


async def cut(world: World, run: str, **execution: int) -> int:
    """Items of a Pod in the next run."""
    world.cluster.edit(KEY, run={"id": run}, execution=execution)
    await world.run(until=lambda: world.job.status.run.id == run and world.ended())  # type: ignore[union-attr]
    assert world.job.status.phase == "Succeeded"
    return world.job.status.items_per_shard


@pytest.mark.parametrize(("seconds", "wanted"), [(1.0, 40), (400.0, 1)], ids=["fast", "slow"])
async def test_pods_are_cut_by_how_fast_they_were(seconds: float, wanted: int) -> None:
    """40 MiB in one Pod: less than a minute of work if they take as long as is believed at first."""
    world = World(script=well(run=seconds), sources=SOURCES)
    world.create(**MATCH, execution={"parallelism": 1, "itemsPerPod": 5})
    await world.run()
    assert await cut(world, "2", parallelism=1, activeDeadlineSeconds=80_000) == wanted


async def test_a_new_process_begins_with_what_is_believed() -> None:
    world = World(script=well(run=400), sources=SOURCES)
    world.create(**MATCH, execution={"parallelism": 1, "itemsPerPod": 5})
    await world.run()
    await world.restart()
    assert await cut(world, "2", parallelism=1) == 40


async def test_pods_that_failed_teach_nothing() -> None:
    crashed = Problem(Reason.CRASHED, "exit 70")
    world = World(script=in_turn(badly(crashed, run=5000), well(run=2)), sources=SOURCES)
    world.create(**MATCH, execution={"itemsPerPod": 40, "activeDeadlineSeconds": 80000})
    await world.run()
    observer = world.operator.reconciler._observer
    assert observer._speed.now > DEFAULT_SPEED / 2
    learned = work_of(40, 40 * MIB) + DEFAULT_SPEED * 60
    assert observer._speed.now == pytest.approx(learned / 62, rel=0.02)
