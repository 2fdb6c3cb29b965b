"""Events of the steps of a run: none of a short one, each reason once, counted, and at most ten in all."""

from __future__ import annotations

import pytest

from fakes.memory_cluster import Scene
from fakes.scripts import CRASHED, badly, in_turn, well
from fakes.world import KEY, World
from imagejob_operator.decision.attempt import State
from imagejob_operator.decision.run_events import MOST
from imagejob_operator.ports.imagejobs import Forbidden
from imagejob_operator.ports.object_store import StoreUnavailable

ONE_POD = {"execution": {"itemsPerPod": 50}}
CRASHES_LATE = badly(CRASHED, run=10)


def steps(world: World) -> list[tuple[str, int]]:
    return [(event.reason, event.step) for _, event in world.cluster.steps]


def message(world: World, reason: str) -> str:
    return next(event.message for _, event in world.cluster.steps if event.reason == reason)


async def test_a_short_run_has_only_the_event_of_its_end() -> None:
    world = World()
    world.create(**ONE_POD)
    await world.run()
    assert steps(world) == []
    assert [event.message for event in world.cluster.events.values()] == [
        "2 items, 2 outputs, 11 bytes published"
    ]


async def test_a_run_of_one_item_is_in_the_singular() -> None:
    world = World()
    world.create(source={"keys": ["uploads/a.jpg"]})
    await world.run()
    (event,) = world.cluster.events.values()
    assert event.message.startswith("1 item, 1 output, ")


async def test_a_run_that_lasts_records_its_steps_while_it_goes_on() -> None:
    world = World(script=well(run=30))
    world.create(**ONE_POD)
    await world.run(until=lambda: bool(steps(world)), within=20)
    assert world.job.status.phase == "Running"
    assert steps(world) == [("Staged", 1), ("Launched", 1)]
    assert message(world, "Staged") == "2 items (2 objects of 5 bytes copied)"
    assert message(world, "Launched") == "a Pod is running; the run has 1 shard"
    await world.run()
    assert steps(world) == [("Staged", 1), ("Launched", 1)]


async def test_a_pod_that_waits_long_does_not_hide_that_the_sources_are_staged() -> None:
    world = World(script=well(start=100))
    world.create(**ONE_POD)
    await world.run(until=lambda: bool(steps(world)), within=25)
    assert world.job.status.phase == "Launching"
    assert steps(world) == [("Staged", 1)]


async def test_suspending_and_resuming_is_counted() -> None:
    world = World(script=well(run=30))
    world.create(**ONE_POD)
    for _ in range(2):
        await world.run(until=lambda: world.job.status.phase == "Running")
        world.cluster.edit(KEY, suspend=True)
        await world.run(until=lambda: world.job.status.phase == "Suspended" and not world.staged())
        world.cluster.edit(KEY, suspend=False)
        await world.run(until=lambda: world.job.status.phase == "Staging")
    await world.run()
    found = [step for step in steps(world) if step[0] in ("Suspended", "Resumed")]
    assert found == [("Suspended", 1), ("Resumed", 1), ("Suspended", 2), ("Resumed", 2)]
    assert message(world, "Suspended") == "suspended in phase Running; its Pods and its staging are deleted"


async def test_another_attempt_names_the_problem_of_the_last() -> None:
    world = World(script=in_turn(badly(CRASHED), badly(CRASHED), well()))
    world.create(**ONE_POD)
    await world.run()
    assert [step for step in steps(world) if step[0] == "Retrying"] == [("Retrying", 1), ("Retrying", 2)]
    assert message(world, "Retrying") == "shard 0 is processed again: Crashed: ended with exit code 70"


async def test_a_store_that_is_away_is_recorded_as_a_step_and_does_not_hide_the_end() -> None:
    world = World()
    world.store.hooks.fail(StoreUnavailable("no answer"), "copy")
    world.create(execution={"stagingDeadlineSeconds": 60})
    await world.run()
    assert world.error() == "JOB_002/StoreUnavailable"
    assert [step for step in steps(world) if step[0] == "StoreUnavailable"] == [("StoreUnavailable", 1)]
    (end,) = world.cluster.events.values()
    assert (end.reason, end.warning) == ("StoreUnavailable", True)
    assert end.message.startswith("JOB_002 ")


async def test_there_are_at_most_ten_in_a_run() -> None:
    drained = Scene(8, State.FAILED, CRASHED)
    world = World(script=in_turn(*[lambda shard, number: (Scene(1, State.RUNNING), drained)] * 15, well()))
    world.create(execution={"itemsPerPod": 50, "retriesPerShard": 10})
    await world.run()
    assert len(steps(world)) == MOST


@pytest.mark.parametrize("error", [Forbidden("a policy denies it")])
async def test_events_that_are_refused_are_not_tried_for_ever(error: Exception) -> None:
    world = World(script=well(run=30))
    world.cluster.hooks.fail(error, "announce")
    world.create(**ONE_POD)
    await world.run(until=lambda: world.phase == "Publishing")
    assert world.cluster.hooks.count("announce") == 2
