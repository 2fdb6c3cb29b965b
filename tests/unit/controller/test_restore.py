"""An object restored from a backup is a new job: with a new uid, our finalizer, and perhaps an old status."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fakes.world import KEY, World
from imagejob_operator.api.imagejob import Key, parse_job
from imagejob_operator.api.status import status_body
from imagejob_operator.naming.names import FINALIZER

OUTPUTS = ["shop/catalog/uploads/a-web.webp", "shop/catalog/uploads/b-web.webp"]
PHASES = ["Staging", "Launching", "Running", "Publishing"]


def restore(world: World, saved: dict[str, Any] | None, **spec: Any) -> None:
    """Create the job as a restore does: with another uid, all finalizers, and the status if it was saved."""
    world.cluster._uid()
    world.create(**spec)
    body = world.cluster._bodies[KEY]
    body["metadata"]["finalizers"] = [FINALIZER]
    if saved is not None:
        body["status"] = saved
    world.cluster.touch(KEY)


async def saved_in(phase: str) -> tuple[dict[str, Any], dict[str, bytes]]:
    """The status of a job in a phase, as a backup has it, and the objects in its staging."""
    world = World()
    world.create()
    await world.run(until=lambda: world.phase == phase)
    staged = {key: world.store.objects[key].data for key in world.staged()}
    return msgspec.json.decode(msgspec.json.encode(status_body(world.job.status))), staged


async def test_without_a_status_it_is_a_new_job() -> None:
    world = World()
    restore(world, None)
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert world.store.keys("shop/catalog/") == OUTPUTS
    assert world.staged() == []


@pytest.mark.parametrize("phase", [*PHASES, "Succeeded"])
async def test_with_the_status_of_another_uid_it_is_a_new_job(phase: str) -> None:
    saved, staged = await saved_in(phase)
    world = World()
    for key, data in staged.items():
        world.store.set(key, data)
    restore(world, saved)
    await world.run()
    run = world.job.status.run
    assert run
    assert (world.job.status.phase, run.number) == ("Succeeded", 2)
    assert world.job.uid[:8] in world.job.status.report
    assert world.store.keys("shop/catalog/") == OUTPUTS
    # The staging of the saved object must not be deleted: that object may still be running.
    assert world.staged() == sorted(staged)
    assert [e.reason for e in world.cluster.events.values()] == ["Succeeded"]


@pytest.mark.parametrize("phase", PHASES)
async def test_it_can_be_deleted_and_leaves_the_staging_of_the_other_alone(phase: str) -> None:
    saved, staged = await saved_in(phase)
    world = World()
    for key, data in staged.items():
        world.store.set(key, data)
    restore(world, saved)
    world.cluster.user_deletes(KEY)
    assert await world.run(until=lambda: world.cluster.job(KEY) is None, within=61) <= 61
    assert world.staged() == sorted(staged)


async def test_a_restored_job_that_failed_does_not_empty_what_it_never_staged() -> None:
    saved, staged = await saved_in("Running")
    saved["phase"] = "Failing"
    saved["error"] = {
        "code": "JOB_005",
        "reason": "Crashed",
        "message": "x",
        "fault": "Cluster",
        "retriable": True,
        "runbook": "",
    }
    world = World()
    for key, data in staged.items():
        world.store.set(key, data)
    restore(world, saved)
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert world.staged() == sorted(staged)


async def test_pods_of_the_old_uid_are_none_of_its_attempts() -> None:
    world = World()
    old = world.cluster.create("spring-2", {"source": {"keys": ["a"]}, "renditions": []})
    world.cluster.occupy(old, 0, 1)
    restore(world, None)
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert [uid for uid, _ in world.cluster.attempts()] == ["somebody else"]


def test_a_status_of_an_older_version_that_names_no_place_is_its_own() -> None:
    metadata = {"namespace": "shop", "name": "a", "uid": "u" * 36, "resourceVersion": "1"}
    status = {"phase": "Failed", "run": {"id": "1", "number": 3}}
    job = parse_job({"metadata": metadata, "spec": {}, "status": status})
    assert (job.key, job.status.phase) == (Key("shop", "a"), "Failed")
