"""A run whose Pods a queue holds back: its clocks stand still, but for the queue's own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import pytest

from fakes.memory_cluster import GATED, Scene, Script, idle
from fakes.scripts import in_turn, well, without_result
from fakes.world import KEY, World
from imagejob_operator.decision.attempt import State
from imagejob_operator.documents.staging import manifest_key, read_manifest

QUEUED = {"queueName": "team-a", "itemsPerPod": 50}


def admitted(after: float, then: Script | None = None) -> Script:
    """A queue lets the attempt go after a while."""
    rest = then or well()

    def script(shard: int, number: int) -> Sequence[Scene]:
        return (Scene(after, State.WAITING), *rest(shard, number))

    return script


def run_of(world: World) -> tuple[bool, int]:
    run = world.job.status.run
    assert run
    return run.queued_since is not None, run.queued_seconds


def is_queued(world: World) -> bool:
    return world.job.status.run is not None and run_of(world)[0]


async def failed(world: World) -> str:
    await world.run(until=lambda: world.job.status.phase == "Failed")
    return world.error()


async def test_time_in_a_queue_counts_for_no_other_deadline() -> None:
    world = World(script=admitted(50_000))
    deadlines = {"startDeadlineSeconds": 60, "activeDeadlineSeconds": 600}
    world.create(execution={**QUEUED, **deadlines})
    await world.run(until=lambda: is_queued(world))
    ready = world.job.status.condition("Ready")
    assert ready
    assert ready.message.startswith("the queue 'team-a' is holding back the Pods: Scheduling is blocked")
    assert await world.run() > 50_000
    assert world.job.status.phase == "Succeeded"
    queued, seconds = run_of(world)
    assert not queued
    assert seconds == pytest.approx(50_000, abs=5)
    assert world.cluster.hooks.count("launch") == 1, "its order had not expired"


async def test_a_queue_that_admits_nothing_fails_the_run_at_its_deadline() -> None:
    world = World(script=idle)
    world.create(execution={**QUEUED, "queueDeadlineSeconds": 7200, "activeDeadlineSeconds": 60})
    begun = world.clock()
    assert await failed(world) == "JOB_003/QueueDeadlineExceeded"
    error = world.job.status.error
    assert error
    assert "'team-a' has held back all Pods for 2h0m0s" in error.message
    assert GATED.message in error.message
    assert timedelta(seconds=7200) <= world.clock() - begun <= timedelta(seconds=7215)
    assert world.staged() == []


async def test_the_queue_s_deadline_is_for_the_whole_run() -> None:
    script = in_turn(admitted(60, lambda s, n: (Scene(1, State.RUNNING), Scene(1, State.FAILED))), idle)
    world = World(script=script)
    world.create(execution={**QUEUED, "queueDeadlineSeconds": 100})
    begun = world.clock()
    assert await failed(world) == "JOB_003/QueueDeadlineExceeded"
    assert world.clock() - begun <= timedelta(seconds=130)


async def test_the_start_deadline_counts_from_the_release() -> None:
    world = World(script=admitted(5000, idle))
    world.create(execution={**QUEUED, "startDeadlineSeconds": 60})
    begun = world.clock()
    assert await failed(world) == "JOB_003/StartDeadlineExceeded"
    assert timedelta(seconds=5060) <= world.clock() - begun <= timedelta(seconds=5075)


async def test_the_active_deadline_counts_from_the_release() -> None:
    world = World(script=admitted(5000, well(run=10_000)))
    world.create(execution={**QUEUED, "activeDeadlineSeconds": 600})
    begun = world.clock()
    assert await failed(world) == "JOB_006/DeadlineExceeded"
    assert timedelta(seconds=5600) <= world.clock() - begun <= timedelta(seconds=5640)


async def test_what_runs_beside_what_is_held_back_is_no_queued_run() -> None:
    def script(shard: int, number: int) -> Sequence[Scene]:
        return well()(shard, number) if shard == 0 else admitted(500)(shard, number)

    world = World(script=script)
    world.create(execution={"queueName": "team-a", "itemsPerPod": 1})
    await world.run(until=lambda: world.job.status.phase == "Running")
    assert not run_of(world)[0]
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert run_of(world)[1] == pytest.approx(500, abs=10)


async def test_a_run_that_is_suspended_in_a_queue_loses_no_time() -> None:
    world = World(script=admitted(5000))
    world.create(execution={**QUEUED, "activeDeadlineSeconds": 600})
    await world.run(until=lambda: is_queued(world))
    world.clock.advance(1000)
    world.cluster.edit(KEY, suspend=True)
    await world.run(until=lambda: world.job.status.phase == "Suspended" and not world.cluster.attempts())
    assert run_of(world) == (False, pytest.approx(1000, abs=5))
    world.cluster.edit(KEY, suspend=False)
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert run_of(world)[1] == pytest.approx(6000, abs=10)


async def test_the_operator_may_die_while_a_queue_holds_the_pods() -> None:
    world = World(script=admitted(5000))
    world.create(execution={**QUEUED, "startDeadlineSeconds": 60, "activeDeadlineSeconds": 600})
    for _ in range(3):
        await world.run(until=lambda: is_queued(world))
        world.clock.advance(1000)
        await world.restart()
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert world.cluster.hooks.count("launch") == 1


async def test_no_url_outlives_what_the_manifest_says() -> None:
    """The garbage collector rests on it: the queue's whole deadline may still pass before a Pod begins."""
    world = World(script=idle)
    world.create(execution={**QUEUED, "queueDeadlineSeconds": 7200, "activeDeadlineSeconds": 600})
    begun = world.clock()
    await world.run(until=lambda: is_queued(world))
    staging = world.job.status.staging
    assert staging
    until = read_manifest(world.store.objects[manifest_key(staging.prefix)].data).urls_until
    assert until
    assert until >= begun + timedelta(seconds=7200 + 600)


async def test_without_a_queue_the_status_has_no_queue() -> None:
    world = World(
        script=lambda s, n: (Scene(1, State.RUNNING), Scene(1, State.SUCCEEDED, work=without_result))
    )
    world.create()
    await world.run()
    assert run_of(world) == (False, 0)
    assert world.job.status.run
    assert world.job.status.run.released_at is None
