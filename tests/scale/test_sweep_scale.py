"""Whole runs against a store that is away for hours, and one sweep after it is back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from fakes.build import SPEC
from fakes.memory_cluster import idle
from fakes.memory_owners import FOLDER, ClusterOwners, GarbageCounts
from fakes.scripts import CRASHED, badly
from fakes.world import World
from imagejob_operator.api.imagejob import Key
from imagejob_operator.api.phase import Phase
from imagejob_operator.decision.garbage import clock_key
from imagejob_operator.garbage.collector import GarbageCollector, GarbagePolicy
from imagejob_operator.ports.object_store import StoreUnavailable

DELETED = 1000
KEPT = 200
AWAY = StoreUnavailable("the store cannot be reached")


def collector_of(world: World, counts: GarbageCounts) -> GarbageCollector:
    return GarbageCollector(world.store, ClusterOwners(world.cluster), counts, GarbagePolicy(FOLDER))


def staged(world: World) -> int:
    return sum(key != clock_key(FOLDER) for key in world.staged())


class Ready(dict[Key, None]):
    """A queue's ready keys, for many of them."""

    def append(self, key: Key) -> None:
        self[key] = None


async def go_on(world: World, until: Callable[[], bool]) -> None:
    """As the world's own steps, but all that is ready at once."""
    operator = world.operator
    operator.queue.ready = Ready()  # type: ignore[assignment]
    for job in operator.cache.jobs():
        operator.queue.add(job.key)
    for _ in range(1000):
        operator.queue.release_due()
        while ready := list(operator.queue.ready):
            operator.queue.ready.clear()
            for key in ready:
                await operator.reconciler.reconcile(key)
        if until():
            return
        if tasks := operator.running_operations():
            await asyncio.wait(tasks)
        elif not world.cluster.play():
            moments = [*operator.queue.due.values(), *filter(None, [world.cluster.next_event()])]
            world.clock.advance_to(min(moments))
    raise AssertionError("no end in sight")


def all_failed(world: World) -> bool:
    return all(job.status.at is Phase.FAILED for job in world.operator.cache.jobs())


def all_cleaned(world: World) -> bool:
    conditions = [job.status.condition("StagingCleaned") for job in world.operator.cache.jobs()]
    return all(c is not None and c.status == "True" for c in conditions)


def fill(world: World, count: int, **fields: Any) -> None:
    for number in range(count):
        world.cluster.create(f"job-{number}", {**SPEC, **fields})


@pytest.mark.timeout(240)
async def test_a_thousand_jobs_deleted_while_the_store_is_away(figures: list[str]) -> None:
    world, counts = World(idle), GarbageCounts()
    collector = collector_of(world, counts)
    fill(world, DELETED, execution={"itemsPerPod": 2})
    await go_on(world, lambda: len(world.cluster.attempts()) == DELETED)
    before = staged(world)
    fault = world.store.hooks.fail(AWAY)
    for job in world.cluster.jobs():
        world.cluster.user_deletes(job.key)
    await go_on(world, lambda: not world.cluster.jobs())
    left = staged(world)
    deferred = len(world.operator.telemetry.deferrals)
    world.clock.advance(1)
    await collector.sweep()
    assert counts.failures == 1
    world.store.hooks.remove(fault)
    world.clock.advance(2 * 3600)
    left_over = await collector.sweep()
    figures.append(
        f"{DELETED} ImageJobs deleted while the store was away: 0 wedged, {deferred} deferred, "
        f"{left} of {before} staged objects left behind; after one sweep: {staged(world)}"
    )
    assert (deferred, left) == (DELETED, before)
    assert before >= 4 * DELETED
    assert staged(world) == 0
    assert counts.deleted_objects == left
    assert left_over is not None
    assert left_over.objects == left_over.waiting == 0


async def test_failed_jobs_are_kept_while_their_cleaning_is_deferred(figures: list[str]) -> None:
    world, counts = World(badly(CRASHED)), GarbageCounts()
    collector = collector_of(world, counts)
    fill(world, KEPT, execution={"itemsPerPod": 2, "retriesPerShard": 0})
    fault = world.store.hooks.fail(AWAY, "delete")
    await go_on(world, lambda: all_failed(world))
    conditions = [job.status.condition("StagingCleaned") for job in world.cluster.jobs()]
    deferred = sum(c is not None and (c.status, c.reason) == ("False", "Deferred") for c in conditions)
    left = staged(world)
    world.store.hooks.remove(fault)
    world.clock.advance(2 * 3600)
    await collector.sweep()
    figures.append(
        f"{len(world.cluster.jobs())} failed jobs kept, {deferred} with their cleaning deferred, {left} "
        f"objects left; after one sweep: {staged(world)}"
    )
    assert (deferred, len(world.cluster.jobs())) == (KEPT, KEPT)
    assert left >= 3 * KEPT
    assert staged(world) == 0
    await go_on(world, lambda: all_cleaned(world))
    assert staged(world) == 0
