"""Of a job that is gone nothing stays in memory, whatever way it went: else memory would grow with time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from fakes.build import SPEC
from fakes.memory_cluster import Script
from fakes.scripts import CRASHED, badly, in_turn, well
from fakes.world import KEY, World
from imagejob_operator.api.imagejob import Key
from imagejob_operator.api.phase import TERMINAL
from imagejob_operator.controller.store_access import LIFETIMES
from imagejob_operator.decision.attempt import Attempt
from unit.controller.traces import traces

PHASES = ["Pending", "Staging", "Launching", "Running", "Publishing"]
Life = Callable[[World], Awaitable[object]]


class Watched(World):
    """A world that notes the uids of everything that there was."""

    def __init__(self, script: Script | None = None) -> None:
        super().__init__(script)
        self.words = {KEY.name}
        deliver = self.cluster.on_attempt

        def noted(kind: str, uid: str, key: Key, attempt: Attempt) -> None:
            self.words |= {uid, attempt.uid}
            deliver(kind, uid, key, attempt)

        self.cluster.on_attempt = noted

    async def end(self) -> None:
        """The job is deleted, and the operator has reconciled it."""
        if self.cluster.job(KEY):
            self.words.add(self.job.uid)
            self.cluster.user_deletes(KEY)
        await self.run(until=lambda: self.cluster.job(KEY) is None)
        for _, attempt in self.cluster.attempts():
            self.cluster.take_away(KEY.namespace, attempt.name)  # as garbage collection does
        while self.operator.queue.release_due():
            await self.step()

    def left(self) -> list[str]:
        """Where the operator still speaks of the job or its attempts."""
        return traces(self.operator.reconciler, self.words)


async def whole(world: World) -> None:
    await world.run()


def deleted_when(phase: str) -> Life:
    async def life(world: World) -> None:
        await world.run(until=lambda: world.phase == phase)

    return life


def cancelled_when(phase: str) -> Life:
    async def life(world: World) -> None:
        await world.run(until=lambda: world.phase == phase)
        world.cluster.edit(KEY, cancelRunID="1")
        await world.run()

    return life


async def run_again(world: World) -> None:
    await world.run()
    world.cluster.edit(KEY, run={"id": "2"})
    await world.run(until=lambda: bool(world.job.status.run and world.job.status.run.number == 2))
    await world.run()


async def expires(world: World) -> None:
    await world.run(until=lambda: world.cluster.job(KEY) is None)


async def suspended(world: World) -> None:
    await world.run(until=lambda: world.job.status.phase == "Running")
    world.cluster.edit(KEY, suspend=True)
    await world.run(until=lambda: world.job.status.phase == "Suspended")


LIVES: dict[str, tuple[Script, Life]] = {
    "succeeds": (well(), whole),
    "is-retried": (in_turn(badly(CRASHED), well()), whole),
    "fails": (badly(CRASHED), whole),
    "expires": (badly(CRASHED), expires),
    "runs-again": (well(), run_again),
    "is-suspended": (well(), suspended),
    **{f"is-deleted-when-{phase}": (well(), deleted_when(phase)) for phase in PHASES},
    **{f"is-cancelled-when-{phase}": (well(), cancelled_when(phase)) for phase in PHASES[1:]},
}


@pytest.mark.parametrize("stop_seconds", [0.0, 5.0], ids=["deliver-before-the-answer", "with-grace"])
@pytest.mark.parametrize("name", LIVES)
async def test_nothing_stays_of_a_job_that(name: str, stop_seconds: float) -> None:
    script, life = LIVES[name]
    world = Watched(script)
    # Without grace a watch delivers the end of an attempt before the call that ends it has been answered.
    world.cluster.stop_seconds = stop_seconds
    world.create(retention={"ttlSecondsAfterFinished": 60, "policy": "Delete"})
    await life(world)
    await world.end()
    assert world.left() == []


async def test_a_namespace_is_remembered_for_seconds_only() -> None:
    world = World()
    world.cluster.namespaces["other"] = {}
    world.create()
    await whole(world)
    world.clock.advance(2 * LIFETIMES[True].total_seconds())
    late = world.cluster.create("late", SPEC, "other")
    await world.run(until=lambda: getattr(world.cluster.job(late.key), "status", late.status).at in TERMINAL)
    assert set(world.operator.access._known) == {"other"}


async def test_what_stays_is_found() -> None:
    world = Watched()
    job = world.create()
    await whole(world)
    await world.end()
    world.operator.cache.ignore_job(job.uid)
    assert [place.rpartition(".")[2] for place in world.left()] == ["_foreign[]"]
