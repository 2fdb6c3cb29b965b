"""An administrator restores etcd: uids stay, run numbers are taken back, and the bucket has later reports.

No status may say that a run has succeeded because of what an earlier run with the same number left behind.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from fakes.build import KEY
from fakes.memory_cluster import Script
from fakes.scripts import CRASHED, badly, well
from fakes.world import World
from imagejob_operator.api.phase import Phase
from imagejob_operator.decision.attempt import Attempt
from imagejob_operator.naming.names import STAGING_ROOT

Change = Callable[[World], object]


class Etcd:
    """Backup and restore of the objects of the in-memory cluster."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._saved: Any = None

    def back_up(self) -> None:
        self._saved = copy.deepcopy(self._world.cluster._bodies)

    async def restore(self, change: Change | None = None) -> None:
        """Bring the objects back as they were, and start the operator.

        The Pods of later runs are gone; or with a `change`, which is made at once, they are still there.
        """
        cluster = self._world.cluster
        cluster._bodies = copy.deepcopy(self._saved)
        if change is None:
            cluster._running.clear()
        else:
            change(self._world)
        await self._world.restart()


async def second_run(world: World, **fields: Any) -> None:
    """Start a second run, and let it end."""
    world.clock.advance(60)
    world.cluster.edit(KEY, **{"run": {"id": "2"}, **fields})
    await ended(world, 2)


async def ended(world: World, number: int) -> None:
    def done() -> bool:
        run = world.job.status.run
        return world.ended() and run is not None and run.number == number

    await world.run(done)


async def restored(script: Script | None = None) -> World:
    """A backup after run 1; then run 2 succeeds, the outputs are lost, and etcd is restored."""
    world = World()
    etcd = Etcd(world)
    world.create()
    await ended(world, 1)
    etcd.back_up()
    await second_run(world)
    assert world.job.status.phase == "Succeeded"
    for key in world.store.keys("shop/catalog/"):
        del world.store.objects[key]
    await etcd.restore()
    world.cluster.script = script or well()
    assert world.job.status.run
    assert world.job.status.run.number == 1
    return world


def changed_id(world: World) -> object:
    return world.cluster.edit(KEY, run={"id": "3"})


def changed_spec(world: World) -> object:
    """GitOps had already moved on under the same id."""
    renditions = [{"name": "web", "steps": [{"resize": {"width": 200}}], "output": {"format": "WebP"}}]
    return world.cluster.edit(KEY, run={"id": "2"}, renditions=renditions)


def same_again(world: World) -> object:
    return world.cluster.edit(KEY, run={"id": "2"})


CHANGES: tuple[Change, ...] = (changed_id, changed_spec, same_again)


@pytest.mark.parametrize("change", CHANGES)
async def test_a_success_was_published_by_its_own_run(change: Change) -> None:
    """Run 2 starts again: if its status says Succeeded, its outputs are there."""
    world = await restored()
    world.clock.advance(60)
    change(world)
    await ended(world, 2)
    assert world.job.status.phase == "Succeeded"
    assert len(world.store.keys("shop/catalog/")) == 2


@pytest.mark.parametrize("change", CHANGES)
async def test_pods_that_crash_end_as_failed(change: Change) -> None:
    """The old report of run 2 does not turn a failure of the new run 2 into a success."""
    world = await restored(badly(CRASHED))
    world.clock.advance(60)
    change(world)
    await ended(world, 2)
    assert world.error() == "JOB_005/Crashed"
    assert world.job.status.phase == "Failed"
    report = world.store.objects[world.job.status.report].data.decode()
    assert '"Failed"' in report, "the status names the report of this run"


@pytest.mark.parametrize("change", CHANGES)
async def test_a_pod_of_the_run_that_was_taken_back_does_no_work_of_the_new_run(
    change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status alone was taken back: the Pods of the old run 2, which succeeded, take long to go."""
    world = World()
    etcd = Etcd(world)
    world.create()
    await ended(world, 1)
    etcd.back_up()
    world.clock.advance(60)
    world.cluster.edit(KEY, run={"id": "2"})
    await world.run(lambda: world.phase == Phase.PUBLISHING)
    old = {attempt.uid for _, attempt in world.cluster.attempts()}
    assert old
    world.clock.advance(60)
    stop = world.cluster.stop

    async def stop_others(attempt: Attempt, namespace: str) -> None:
        if attempt.uid not in old:
            await stop(attempt, namespace)

    monkeypatch.setattr(world.cluster, "stop", stop_others)
    await etcd.restore(change)
    await ended(world, 2)
    assert world.job.status.phase == "Succeeded"
    assert len(world.store.keys("shop/catalog/")) == 2


@pytest.mark.parametrize("change", CHANGES)
async def test_staging_of_the_run_that_was_taken_back_is_not_used(change: Change) -> None:
    """Etcd was lost in the middle of run 2: its manifest and results are still in the bucket."""
    world = World()
    etcd = Etcd(world)
    world.create()
    await ended(world, 1)
    etcd.back_up()
    world.clock.advance(60)
    world.cluster.edit(KEY, run={"id": "2"})
    await world.run(lambda: world.phase == Phase.PUBLISHING)
    old = dict(world.store.objects)
    assert any(key.startswith(STAGING_ROOT) and "/results/" in key for key in old)
    await etcd.restore()
    world.store.objects.update(old)
    world.store.set("shop/uploads/a.jpg", b"other bytes")
    world.clock.advance(60)
    change(world)
    await ended(world, 2)
    assert world.job.status.phase == "Succeeded"
    assert world.store.objects["shop/catalog/uploads/a-web.webp"].data == b"other bytesweb"


async def test_never_overwrites_what_the_run_that_was_taken_back_wrote() -> None:
    """`overwrite: Never`: outputs of the old run 2 are not those of the new run 2."""
    world = World()
    etcd = Etcd(world)
    world.create(destination={"prefix": "catalog/", "overwrite": "Never"})
    await ended(world, 1)
    for key in world.store.keys("shop/catalog/"):
        del world.store.objects[key]
    etcd.back_up()
    await second_run(world)
    assert len(world.store.keys("shop/catalog/")) == 2
    await etcd.restore()
    world.clock.advance(60)
    world.cluster.edit(KEY, run={"id": "3"})
    await ended(world, 2)
    assert world.error() == "JOB_007/OverwriteRefused"


async def test_a_backup_of_a_run_under_way_goes_on_with_it() -> None:
    """The restored status is that of the run that wrote the report: it has succeeded."""
    world = World()
    etcd = Etcd(world)
    world.create()
    await world.run(lambda: world.phase == Phase.PUBLISHING)
    etcd.back_up()
    await ended(world, 1)
    await etcd.restore()
    await ended(world, 1)
    assert world.job.status.phase == "Succeeded"
    assert len(world.store.keys("shop/catalog/")) == 2
