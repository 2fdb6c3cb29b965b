"""The operator killed at every one of its calls, before and after the call took effect.

The same world goes on with a new operator each time, and must come to the same end.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from fakes.scripts import well
from fakes.world import KEY, World, killed_everywhere
from imagejob_operator.ports.object_store import StoreDenied

OUTPUTS = ["shop/catalog/uploads/a-web.webp", "shop/catalog/uploads/b-web.webp"]
PARTS = 4
ONE_POD = {"execution": {"itemsPerPod": 50}}

moments = pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])


async def run(world: World, **fields: Any) -> None:
    """A whole run, from its creation to its end."""
    world.create(**ONE_POD, **fields)
    await world.run()


@pytest.mark.parametrize("part", range(PARTS))
@moments
async def test_a_run_succeeds_once_wherever_the_operator_dies(after_effect: bool, part: int) -> None:
    async for world, where in killed_everywhere(after_effect, run, part=part, parts=PARTS):
        assert world.job.status.phase == "Succeeded", where
        assert world.store.keys("shop/catalog/") == OUTPUTS, where
        assert world.staged() == [], where
        assert world.job.status.run, where
        assert world.job.status.run.number == 1, where
        assert [e.reason for e in world.cluster.events.values()] == ["Succeeded"], where
        assert world.cluster.attempts() == [], where


@moments
async def test_a_run_fails_for_its_first_cause_wherever_the_operator_dies(after_effect: bool) -> None:
    failing = partial(World, script=well(failing=["uploads/a.jpg"]))
    async for world, where in killed_everywhere(after_effect, run, make=failing):
        assert world.error() == "JOB_005/ItemsFailed", where
        assert world.staged() == [], where
        assert world.store.keys("shop/catalog/") == [], where
        assert len([e for e in world.cluster.events.values() if e.warning]) == 1, where


@moments
async def test_a_run_is_validated_wherever_the_operator_dies(after_effect: bool) -> None:
    validate = partial(run, run={"mode": "Validate"})
    async for world, where in killed_everywhere(after_effect, validate):
        of = world.job.status.run
        assert of, where
        assert (world.job.status.phase, of.number, of.outcome) == ("Succeeded", 1, "Validated"), where
        assert world.staged() == [], where
        assert world.store.keys("shop/catalog/") == [], where
        # Without a finalizer, an operator that dies right after the status takes the Event with it.
        assert [e.reason for e in world.cluster.events.values()] in ([], ["Validated"]), where
        assert world.cluster.attempts() == [], where


@moments
async def test_a_delete_finishes_wherever_the_operator_dies(after_effect: bool) -> None:
    async def running(world: World) -> None:
        world.create(**ONE_POD)
        await world.run(until=lambda: world.job.status.phase == "Running")

    async def delete(world: World) -> None:
        world.cluster.user_deletes(KEY)
        await world.run(until=lambda: world.cluster.job(KEY) is None, within=61)

    async for world, where in killed_everywhere(after_effect, delete, running):
        assert world.staged() == [], where


KINDS: dict[str, dict[str, Any]] = {
    "never": {"destination": {"prefix": "catalog/", "overwrite": "Never"}},
    "if-different": {"destination": {"prefix": "catalog/", "overwrite": "IfDifferent"}},
    "reference": {"staging": {"mode": "Reference"}},
}
"""Ways to stage and to publish."""


@pytest.mark.parametrize("kind", KINDS)
@moments
async def test_a_run_of_each_kind_succeeds_wherever_the_operator_dies(after_effect: bool, kind: str) -> None:
    async for world, where in killed_everywhere(after_effect, partial(run, **KINDS[kind])):
        assert world.job.status.phase == "Succeeded", where
        assert world.store.keys("shop/catalog/") == OUTPUTS, where
        assert world.staged() == [], where


@moments
async def test_what_was_published_stays_and_is_reported_wherever_the_operator_dies(
    after_effect: bool,
) -> None:
    async def deny_the_second(world: World) -> None:
        world.store.hooks.fail(StoreDenied("AccessDenied"), "copy", about=OUTPUTS[1])

    async for world, where in killed_everywhere(after_effect, run, deny_the_second):
        assert world.error() == "JOB_007/DestinationDenied", where
        assert world.store.keys("shop/catalog/") == OUTPUTS[:1], where
        report = json.loads(world.store.objects[world.job.status.report].data)
        assert [len(item.get("outputs", [])) for item in report["items"]] == [1, 0], where
        assert world.staged() == [], where


@moments
async def test_a_run_with_nothing_to_do_succeeds_wherever_the_operator_dies(after_effect: bool) -> None:
    first = partial(run, destination={"prefix": "catalog/", "overwrite": "IfDifferent"})

    async def again(world: World) -> None:
        world.cluster.edit(KEY, run={"id": "2"})
        await world.run(until=lambda: world.job.status.run is not None and world.job.status.run.id == "2")
        await world.run()

    async for world, where in killed_everywhere(after_effect, again, first):
        assert world.job.status.phase == "Succeeded", where
        assert world.job.status.items, where
        assert world.job.status.items.skipped == 2, where
        assert world.cluster.hooks.count("launch") == 1, where
        assert world.staged() == [], where


@pytest.mark.parametrize("part", range(PARTS))
@moments
async def test_a_run_is_suspended_and_goes_on_wherever_the_operator_dies(
    after_effect: bool, part: int
) -> None:
    async def suspend_and_go_on(world: World) -> None:
        world.create(**ONE_POD)
        await world.run(until=lambda: world.job.status.phase == "Running")
        world.cluster.edit(KEY, suspend=True)
        await world.run(until=lambda: world.job.status.phase == "Suspended" and not world.staged())
        world.cluster.edit(KEY, suspend=False)
        await world.run()

    async for world, where in killed_everywhere(after_effect, suspend_and_go_on, part=part, parts=PARTS):
        of = world.job.status.run
        assert world.job.status.phase == "Succeeded", where
        assert of, where
        assert (of.number, of.epoch) == (1, 2), where
        assert world.store.keys("shop/catalog/") == OUTPUTS, where
        assert world.staged() == [], where
        assert world.cluster.attempts() == [], where
        assert [e.reason for e in world.cluster.events.values()] == ["Succeeded"], where
