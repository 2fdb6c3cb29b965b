"""A cluster that is made anew does not repeat history: what was published under a name stays published."""

from __future__ import annotations

from typing import Any

import pytest

from fakes.build import SPEC
from fakes.scripts import well
from fakes.world import KEY, World
from imagejob_operator.ports.object_store import StoreUnavailable

RENDITION = SPEC["renditions"][0]
ALREADY = "AlreadyPublished"


async def made_anew(script: Any = None, **fields: Any) -> tuple[World, str]:
    """A world whose job had run and is gone with its cluster; its last report."""
    world = World(script=script)
    world.create(**fields)
    await world.run()
    assert world.job.status.phase == "Succeeded"
    report = world.job.status.report
    world.cluster.vanish(KEY)
    await world.step()
    world.store.hooks.calls.clear()
    world.cluster.hooks.calls.clear()
    world.cluster.events.clear()
    world.phases.clear()
    return world, report


def outcome(world: World) -> str:
    run = world.job.status.run
    return run.outcome if run else ""


async def test_the_same_job_ends_at_once_as_the_report_says() -> None:
    world, report = await made_anew()
    world.create()
    await world.run()
    status = world.job.status
    assert world.phases == ["Staging", "Succeeded"]
    assert outcome(world) == ALREADY
    assert status.report == report
    assert status.items
    assert (status.items.total, status.items.succeeded, status.progress) == (2, 2, "2/2")
    assert status.outputs
    assert (status.outputs.objects, status.outputs.bytes) == (2, len(b"aaawebbbweb"))
    ready = status.condition("Ready")
    assert ready
    assert (ready.status, ready.reason) == ("True", ALREADY)
    assert [e.reason for e in world.cluster.events.values()] == [ALREADY]


async def test_nothing_is_staged_launched_or_written() -> None:
    world, _ = await made_anew()
    before = dict(world.store.objects)
    world.create()
    await world.run()
    assert world.store.objects == before
    assert world.cluster.hooks.count("launch") == 0
    assert not world.job.guarded


@pytest.mark.parametrize(
    "fields",
    [
        {"execution": {"parallelism": 1, "itemsPerPod": 1}},
        {"retention": {"ttlSecondsAfterFinished": 5}},
        {"failurePolicy": {"maxFailedItems": 1}},
        {"staging": {"mode": "Reference"}},
        {"destination": {"prefix": "catalog/", "overwrite": "Never"}},
    ],
    ids=["execution", "retention", "failure-policy", "staging", "overwrite"],
)
async def test_what_says_nothing_of_the_outputs_does_not_matter(fields: dict[str, Any]) -> None:
    world, _ = await made_anew()
    world.create(**fields)
    await world.run()
    assert outcome(world) == ALREADY


@pytest.mark.parametrize(
    "fields",
    [
        {"run": {"id": "2"}},
        {"source": {"keys": ["uploads/a.jpg"]}},
        {"renditions": [{**RENDITION, "output": {"format": "JPEG"}}]},
        {"destination": {"prefix": "elsewhere/"}},
        {"destination": {"prefix": "catalog/", "headers": {"cacheControl": "no-cache"}}},
        {"limits": {"pixels": 1000}},
    ],
    ids=["run-id", "source", "renditions", "prefix", "headers", "limits"],
)
async def test_what_asks_for_other_outputs_is_another_run(fields: dict[str, Any]) -> None:
    world, _ = await made_anew()
    world.create(**fields)
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert outcome(world) == ""
    assert world.cluster.hooks.count("launch") > 0


async def test_a_run_that_failed_is_no_history() -> None:
    world = World(script=well(failing=["uploads/a.jpg"]))
    world.create()
    await world.run()
    world.cluster.vanish(KEY)
    world.cluster.script = well()
    world.create()
    await world.run()
    assert (world.job.status.phase, outcome(world)) == ("Succeeded", "")


async def test_a_validation_is_no_history() -> None:
    world = World()
    world.create(run={"id": "1", "mode": "Validate"})
    await world.run()
    world.cluster.vanish(KEY)
    world.create()
    await world.run()
    assert outcome(world) == ""
    assert world.cluster.hooks.count("launch") > 0


async def test_a_success_with_failed_items_says_so_again() -> None:
    tolerant = {"failurePolicy": {"maxFailedItems": 1}}
    world, _ = await made_anew(well(failing=["uploads/a.jpg"]), **tolerant)
    world.create(**tolerant)
    await world.run()
    items = world.job.status.items
    assert items
    assert (outcome(world), items.succeeded, items.failed) == (ALREADY, 1, 1)
    ready = world.job.status.condition("Ready")
    assert ready
    assert "1 of which failed" in ready.message


async def test_the_next_run_of_it_is_a_run() -> None:
    world, _ = await made_anew()
    world.create()
    await world.run()
    world.cluster.edit(KEY, run={"id": "2"})
    await world.run(until=lambda: world.job.status.run.id == "2")  # type: ignore[union-attr]
    await world.run()
    assert outcome(world) == ""
    assert world.cluster.hooks.count("launch") > 0


async def test_a_store_that_is_away_is_waited_for() -> None:
    world, _ = await made_anew()
    world.store.hooks.fail(StoreUnavailable("away"), "list", about=".imagejob/", times=2)
    world.create()
    await world.run()
    assert outcome(world) == ALREADY
