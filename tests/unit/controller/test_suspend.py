"""A run that is suspended leaves nothing behind, goes on elsewhere, and loses no time by it."""

from __future__ import annotations

import json

import pytest

from fakes.memory_cluster import Scene, idle
from fakes.memory_owners import FOLDER
from fakes.scripts import well
from fakes.world import KEY, World
from imagejob_operator.decision.attempt import State
from imagejob_operator.ports.imagejobs import InvalidObject
from imagejob_operator.ports.object_store import StoreUnavailable

PHASES = ["Staging", "Launching", "Running", "Publishing"]
OUTPUTS = ["shop/catalog/uploads/a-web.webp", "shop/catalog/uploads/b-web.webp"]
AWAY = StoreUnavailable("the store cannot be reached")


async def at(world: World, phase: str) -> None:
    await world.run(until=lambda: world.phase == phase)


def is_clean(world: World) -> bool:
    cleaned = world.job.status.condition("StagingCleaned")
    return cleaned is not None and cleaned.status == "True"


async def suspended_in(world: World, phase: str) -> None:
    """A job that was suspended in a phase, and whose staging is emptied."""
    await at(world, phase)
    world.cluster.edit(KEY, suspend=True)
    await at(world, "Suspended")
    await world.run(until=lambda: is_clean(world) and not world.cluster.attempts())


def place(world: World) -> tuple[int, int]:
    run = world.job.status.run
    return (run.number, run.epoch) if run else (0, 0)


@pytest.mark.parametrize("phase", PHASES)
async def test_a_suspended_run_leaves_nothing_and_goes_on_in_its_next_epoch(phase: str) -> None:
    world = World()
    world.create()
    await at(world, phase)
    before = world.job.status.staging
    await suspended_in(world, phase)
    assert world.staged() == []
    assert (world.job.status.progress, world.job.status.items) == ("", None)
    assert (world.job.status.error, world.job.status.staging) == (None, None)
    world.cluster.edit(KEY, suspend=False)
    await at(world, "Staging")
    after = world.job.status.staging
    assert before
    assert after
    assert after.prefix == before.prefix.replace("/1-1-", "/1-2-") != before.prefix
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert place(world) == (1, 2)
    assert world.store.keys("shop/catalog/") == OUTPUTS
    assert world.staged() == []
    assert [e.reason for e in world.cluster.events.values()] == ["Succeeded"]


async def test_a_run_may_be_suspended_again_and_again() -> None:
    world = World()
    world.create()
    for _ in range(3):
        await suspended_in(world, "Running")
        world.cluster.edit(KEY, suspend=False)
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert place(world) == (1, 4)


async def test_a_job_that_is_created_suspended_begins_nothing() -> None:
    world = World()
    world.create(suspend=True)
    await at(world, "Suspended")
    await world.run(until=lambda: not world.operator.queue.ready)
    assert not world.job.guarded
    assert world.store.hooks.calls == []
    ready = world.job.status.condition("Ready")
    assert ready
    assert (ready.status, ready.reason) == ("False", "Suspended")
    world.clock.advance(90000)
    world.cluster.edit(KEY, suspend=False)
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert place(world) == (1, 1)


async def test_a_job_that_is_created_suspended_may_still_be_changed() -> None:
    world = World()
    world.create(suspend=True)
    await at(world, "Suspended")
    world.cluster.edit(KEY, run={"id": "2"}, renditions=[])
    await world.run()
    assert world.error() == "JOB_001/InvalidSpec"


async def test_a_run_that_has_ended_stays_as_it_is() -> None:
    world = World()
    world.create()
    await world.run()
    world.cluster.edit(KEY, suspend=True)
    await world.run(until=lambda: not world.operator.queue.ready)
    assert world.job.status.phase == "Succeeded"
    world.cluster.edit(KEY, run={"id": "2"})
    await at(world, "Suspended")
    assert place(world) == (1, 0), "the next run has not begun"
    world.cluster.edit(KEY, suspend=False)
    await world.run(until=lambda: world.job.status.phase == "Succeeded")
    assert place(world) == (2, 1)


async def test_suspended_time_does_not_count() -> None:
    world = World(script=well(run=20))
    world.create(execution={"activeDeadlineSeconds": 60, "itemsPerPod": 50})
    await suspended_in(world, "Running")
    world.clock.advance(5000)
    world.cluster.edit(KEY, suspend=False)
    await world.run()
    assert world.job.status.phase == "Succeeded"
    run = world.job.status.run
    assert run
    assert run.suspended_seconds >= 5000


async def test_what_was_used_up_before_stays_used_up() -> None:
    world = World(script=idle)
    world.create(execution={"activeDeadlineSeconds": 100, "itemsPerPod": 50})
    await at(world, "Launching")
    world.clock.advance(80)
    await suspended_in(world, "Launching")
    world.clock.advance(5000)
    world.cluster.edit(KEY, suspend=False)
    waited = await world.run(until=lambda: bool(world.job.status.error))
    assert world.error() == "JOB_006/DeadlineExceeded"
    assert 15 <= waited <= 21


async def test_a_store_that_is_away_does_not_keep_a_run_suspended() -> None:
    world = World()
    world.create()
    await at(world, "Running")
    fault = world.store.hooks.fail(AWAY)
    world.cluster.edit(KEY, suspend=True)
    await at(world, "Suspended")
    world.clock.advance(200)
    await world.run(until=lambda: world.job.status.condition("StagingCleaned").reason == "Deferred")  # type: ignore[union-attr]
    world.store.hooks.remove(fault)
    await world.run(until=lambda: is_clean(world))
    assert world.staged() == [], "the deferred cleaning is completed while it is suspended"
    world.cluster.edit(KEY, suspend=False)
    await world.run()
    assert world.job.status.phase == "Succeeded"


async def test_a_run_that_goes_on_at_once_waits_for_the_cleaning_and_not_for_ever() -> None:
    world = World()
    world.create()
    await at(world, "Running")
    fault = world.store.hooks.fail(AWAY, "delete", "/1-1-")
    world.cluster.edit(KEY, suspend=True)
    await at(world, "Suspended")
    world.cluster.edit(KEY, suspend=False)
    assert await world.run(until=lambda: world.job.status.phase == "Staging") == 60
    world.store.hooks.remove(fault)
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert all("/1-1-" in key for key in world.staged()), "the garbage collector's: nothing else is left"


async def test_a_pod_that_will_not_end_is_not_taken_for_one_of_the_next_epoch() -> None:
    lives = iter([(Scene(1, State.RUNNING),), well()(0, 1)])
    world = World(script=lambda shard, number: next(lives))
    world.cluster.stop_seconds = 1000
    world.create(execution={"itemsPerPod": 50})
    await at(world, "Running")
    world.cluster.edit(KEY, suspend=True)
    await at(world, "Suspended")
    await world.run(until=lambda: is_clean(world))
    world.cluster.edit(KEY, suspend=False)
    await at(world, "Running")
    running = {(a.epoch, a.deleting) for _, a in world.cluster.attempts() if a.state is State.RUNNING}
    assert running == {(1, True), (2, False)}
    await at(world, "Succeeded")
    assert world.store.keys("shop/catalog/") == OUTPUTS


@pytest.mark.parametrize("phase", PHASES[1:])
async def test_nothing_is_written_where_a_deletion_has_begun(phase: str) -> None:
    world = World()
    world.create()
    await at(world, phase)
    staging = world.job.status.staging
    assert staging
    await suspended_in(world, phase)
    world.cluster.edit(KEY, suspend=False)
    await world.run()
    about = [operation for operation, key in world.store.hooks.calls if key.startswith(staging.prefix)]
    assert set(about[about.index("delete") :]) <= {"delete", "list"}


async def test_a_run_that_was_committed_unseen_has_succeeded_when_it_goes_on() -> None:
    world = World()
    world.create()
    await world.run(until=lambda: any(key.startswith(".imagejob/") for key in world.store.objects))
    assert world.phase == "Publishing"
    world.cluster.edit(KEY, suspend=True)
    await world.restart()
    await at(world, "Suspended")
    world.cluster.edit(KEY, suspend=False)
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert world.staged() == []


async def test_a_delete_while_suspended_finishes() -> None:
    world = World()
    world.create()
    await suspended_in(world, "Running")
    world.cluster.user_deletes(KEY)
    assert await world.run(until=lambda: world.cluster.job(KEY) is None, within=60) <= 60


async def test_a_new_run_takes_over_from_a_suspended_one() -> None:
    world = World()
    world.create()
    await suspended_in(world, "Running")
    world.cluster.edit(KEY, run={"id": "2"}, suspend=False)
    await world.run(until=lambda: world.job.status.phase == "Succeeded" and not world.job.guarded)
    assert place(world) == (2, 1)
    assert {e.reason for e in world.cluster.events.values()} == {"Superseded", "Succeeded"}


async def test_a_job_without_its_finalizer_reports_why_it_cannot_be_resumed() -> None:
    world = World()
    world.create()
    await suspended_in(world, "Running")
    world.cluster.take_finalizers(KEY)
    world.cluster.hooks.fail(InvalidObject("spec.renditions: Too many: 33"), "add_finalizer")
    world.cluster.edit(KEY, suspend=False)
    await world.run(until=lambda: world.job.status.phase == "Failed")
    assert world.error() == "JOB_001/InvalidSpec"


# --- cancelling by id ------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", PHASES)
async def test_a_run_is_cancelled_by_its_id(phase: str) -> None:
    world = World()
    world.create()
    await at(world, phase)
    world.cluster.edit(KEY, cancelRunID="1")
    await world.run()
    assert world.job.status.phase == "Cancelled"
    assert world.error() == "JOB_008/Cancelled"
    assert world.staged() == []
    assert world.cluster.attempts() == []
    assert [(e.warning, e.reason) for e in world.cluster.events.values()] == [(False, "Cancelled")]


async def test_a_suspended_run_is_cancelled_by_its_id() -> None:
    world = World()
    world.create()
    await suspended_in(world, "Running")
    world.cluster.edit(KEY, cancelRunID="1")
    await world.run()
    assert world.error() == "JOB_008/Cancelled"
    assert is_clean(world), "nothing was staged when it was cancelled"
    report = json.loads(world.store.objects[world.job.status.report].data)
    assert (report["outcome"], report["operator"]) == ("Cancelled", FOLDER)


@pytest.mark.parametrize("suspend", [False, True])
async def test_a_run_that_is_cancelled_before_it_begins_begins_nothing(suspend: bool) -> None:
    world = World()
    world.create(cancelRunID="1", suspend=suspend)
    await world.run()
    assert world.job.status.phase == "Cancelled"
    assert world.error() == "JOB_008/Cancelled"
    assert world.store.hooks.calls == []
    assert not world.job.guarded


async def test_cancelling_another_run_changes_nothing() -> None:
    world = World()
    world.create(cancelRunID="0")
    await world.run()
    assert world.job.status.phase == "Succeeded"


async def test_the_id_may_stay_for_ever() -> None:
    world = World()
    world.create(cancelRunID="1")
    await world.run()
    world.cluster.edit(KEY, run={"id": "2"})
    await world.run(until=lambda: world.job.status.phase == "Succeeded")
    assert place(world) == (2, 1)


async def test_a_run_that_has_ended_is_not_cancelled() -> None:
    world = World()
    world.create()
    await world.run()
    world.cluster.edit(KEY, cancelRunID="1")
    await world.run(until=lambda: not world.operator.queue.ready)
    assert world.job.status.phase == "Succeeded"
