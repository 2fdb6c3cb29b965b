"""Whose Pod it is: a Pod is taken for an attempt of a job only if everything that names the job agrees."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from fakes.build import KEY, UID
from fakes.world import World
from hostile.generators_identity import OWNER, changed, own_pod
from imagejob_operator.adapters.kubernetes.pod_status import read_attempt
from imagejob_operator.api.imagejob import attempt_name
from imagejob_operator.api.status import RunPlace
from imagejob_operator.controller.watch_monitor import SeenVersions
from imagejob_operator.decision.attempt import Attempt
from imagejob_operator.handlers.watch import WatchHandlers
from imagejob_operator.naming.names import LABEL_JOB

FORGED: dict[str, tuple[tuple[str | int, ...], object]] = {
    "another namespace": (("metadata", "namespace"), "other"),
    "another uid": (("metadata", "ownerReferences", 0, "uid"), "0000aaaa-1111-2222-3333-444455556667"),
    "another owner name": (("metadata", "ownerReferences", 0, "name"), "summer"),
    "another kind": (("metadata", "ownerReferences", 0, "kind"), "Job"),
    "another group": (("metadata", "ownerReferences", 0, "apiVersion"), "batch/v1"),
    "not the controller": (("metadata", "ownerReferences", 0, "controller"), False),
    "no owner": (("metadata", "ownerReferences"), None),
    "another label": (("metadata", "labels", LABEL_JOB), "summer"),
    "no label": (("metadata", "labels", LABEL_JOB), None),
    "another Pod name": (("metadata", "name"), "spring-copy"),
    "the controller is another one": (
        ("metadata", "ownerReferences"),
        [{**OWNER, "kind": "Job", "apiVersion": "batch/v1"}, {**OWNER, "controller": False}],
    ),
}


def handlers(world: World) -> WatchHandlers:
    """The handlers of watch events, on the cache of the world's operator."""
    operator = world.operator
    versions = [SeenVersions(lambda: 0.0, per_namespace=False) for _ in range(2)]
    return WatchHandlers(
        operator.cache, operator.queue, lambda store, gone: None, read_attempt, versions[0], versions[1]
    )


async def attempts_after(world: World, pod: dict[str, Any]) -> tuple[Attempt, ...]:
    """The attempts of the world's job after a watch event with a Pod."""
    event: Any = {"type": "MODIFIED", "object": pod}
    await handlers(world).on_pod(event)
    return (await world.operator.reconciler.observer.observe(world.job)).attempts


def of_this_job(world: World, pod: dict[str, Any]) -> dict[str, Any]:
    """The Pod with the uid of the world's job, and the name that follows."""
    old, new = (attempt_name(KEY, uid, RunPlace(1, 1), 0, 1) for uid in (UID, world.job.uid))
    made: dict[str, Any] = json.loads(json.dumps(pod).replace(UID, world.job.uid).replace(old, new))
    return made


async def running() -> World:
    """A world whose job has a Pod that runs."""
    world = World()
    world.create()
    await world.run(lambda: world.job.status.phase == "Running")
    return world


async def test_the_pod_of_the_job_belongs_to_it() -> None:
    """Without this, the refusals below would prove nothing."""
    world = World()
    world.create()
    (found,) = await attempts_after(world, of_this_job(world, own_pod()))
    assert found.shard == 0


@pytest.mark.parametrize("name", FORGED)
async def test_a_pod_that_only_looks_like_one_belongs_to_no_job(name: str) -> None:
    """Another tenant copies everything but one fact; the Pod must not become an attempt of the job."""
    world = World()
    world.create()
    assert await attempts_after(world, of_this_job(world, changed(*FORGED[name]))) == ()


async def test_a_pod_of_another_tenant_ends_no_run() -> None:
    """Tenant B starts a Pod with our labels, A's uid and exit code 0; A's run must not end by it."""
    world = await running()
    for phase in ("Succeeded", "Failed"):
        forged = of_this_job(world, changed(("metadata", "namespace"), "other"))
        forged["metadata"].update(name=f"zz-{phase.lower()}", uid=phase)
        forged["status"] = {"phase": phase}
        await handlers(world).on_pod({"type": "ADDED", "object": forged})  # type: ignore[typeddict-item]
    await world.run()
    assert world.job.status.phase == "Succeeded"


async def test_metadata_of_published_objects_does_not_name_the_uid() -> None:
    """A reader of an output, which may be public, must not learn the uid of its ImageJob."""
    world = World()
    world.create()
    await world.run()
    outputs = [stored for key, stored in world.store.objects.items() if key.startswith("shop/catalog/")]
    assert len(outputs) == 2
    writers = {stored.headers.metadata["imagejob-run"] for stored in outputs}
    assert len(writers) == 1, "one run wrote all of them"
    shown = str([stored.headers for stored in outputs])
    assert world.job.uid not in shown
    assert world.job.uid[:8] not in shown
    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}-", shown)


async def test_metadata_still_names_the_run() -> None:
    """Two runs of one job write different metadata, and the report of each has that of its objects."""
    world = World()
    world.create()
    await world.run()
    first = written_by(world)
    assert first in world.store.objects[world.job.status.report].data.decode()
    world.cluster.edit(KEY, run={"id": "2"})
    await world.run(lambda: bool(world.job.status.run and world.job.status.run.number == 2 and world.ended()))
    second = written_by(world)
    assert first != second
    assert second in world.store.objects[world.job.status.report].data.decode()


def written_by(world: World) -> str:
    """The run in the metadata of an output."""
    return world.store.objects["shop/catalog/uploads/a-web.webp"].headers.metadata["imagejob-run"]
