"""Two jobs that write the same keys: the second one says whose output it replaced."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fakes.build import spec
from fakes.world import KEY, World, killed_everywhere
from imagejob_operator.api.imagejob import Key
from imagejob_operator.operations.object_metadata import JOB, job_hash
from imagejob_operator.ports.object_store import ObjectHeaders, StoreDenied, StoreUnavailable

A, B = "shop/catalog/uploads/a-web.webp", "shop/catalog/uploads/b-web.webp"
OTHER = Key("shop", "summer")


def plant(world: World, key: str = A, writer: Key = OTHER) -> None:
    """An output of another job, and the report of its run."""
    metadata = {"imagejob-run": "0123", JOB: job_hash(writer)}
    world.store.set(key, b"theirs", headers=ObjectHeaders("image/webp", metadata=metadata))
    world.store.set(f".imagejob/{writer.namespace}/{writer.name}/0000aaaa/1-0123.json", b"{}")


async def ended(world: World, **fields: Any) -> str:
    """The message of the condition Overwrote after a run; empty without the condition."""
    world.create(**fields)
    await world.run()
    assert world.job.status.phase == "Succeeded"
    return message(world)


def message(world: World) -> str:
    found = world.job.status.condition("Overwrote")
    assert found is None or (found.status, found.reason) == ("True", "OtherImageJob")
    return found.message if found else ""


@pytest.mark.parametrize("overwrite", ["Always", "IfDifferent"])
async def test_the_first_key_and_the_other_job_are_named(overwrite: str) -> None:
    world = World()
    plant(world, B)
    plant(world, A)
    text = await ended(world, destination={"prefix": "catalog/", "overwrite": overwrite})
    assert text.startswith(
        "'catalog/uploads/a-web.webp' replaced an output of the ImageJob 'summer'; if that is not intended"
    )
    report = json.loads(world.store.objects[world.job.status.report].data)
    assert (report["overwrote"]["key"], report["overwrote"]["job"]) == (
        "catalog/uploads/a-web.webp",
        "summer",
    )
    assert world.store.objects[A].headers.metadata[JOB] == job_hash(world.job.key)


async def test_a_job_without_a_report_is_another_one() -> None:
    world = World()
    plant(world, writer=Key("elsewhere", "summer"))
    assert "replaced an output of another ImageJob, which has no report here" in await ended(world)


async def test_a_name_that_cannot_be_found_out_fails_nothing() -> None:
    world = World()
    plant(world)
    world.store.hooks.fail(StoreDenied("AccessDenied"), "folders")
    assert "another ImageJob" in await ended(world)


async def test_other_objects_and_earlier_runs_of_the_name_are_no_other_job() -> None:
    world = World()
    world.store.set(A, b"of another program")
    plant(world, B, writer=KEY)
    assert await ended(world) == ""


async def test_it_stays_until_the_next_run() -> None:
    world = World()
    plant(world)
    assert await ended(world)
    world.cluster.edit(world.job.key, run={"id": "2"})
    await world.run(
        until=lambda: bool(world.job.status.run and world.job.status.run.number == 2 and world.ended())
    )
    assert message(world) == ""


async def test_a_second_try_to_publish_remembers_it() -> None:
    world = World()
    plant(world)
    away = StoreUnavailable("away")
    world.store.hooks.fail(away, "put_if_absent", about=".imagejob/", times=1)
    assert "'catalog/uploads/a-web.webp' replaced" in await ended(world)


@pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
async def test_it_is_reported_wherever_the_operator_dies(after_effect: bool) -> None:
    async def run(world: World) -> None:
        plant(world)
        world.create(**spec())
        await world.run()

    async for world, where in killed_everywhere(after_effect, run):
        assert "of the ImageJob 'summer'" in message(world), where
