"""What a process need not ask the store about a run that it staged from nothing."""

from __future__ import annotations

from collections import Counter

import pytest

from fakes.world import World
from imagejob_operator.api.phase import Phase
from imagejob_operator.documents.staging import Manifest, ManifestItem
from imagejob_operator.operations.fresh_runs import MAX_ITEMS, MAX_RUNS, FreshRuns
from imagejob_operator.ports.object_store import StoreUnavailable

ONE_ITEM = {"source": {"keys": ["uploads/a.jpg"]}}


def manifest(items: int = 1) -> Manifest:
    return Manifest(tuple(ManifestItem(n, f"{n}.jpg", "e", 1, n) for n in range(items)), items, items, items)


async def requests(world: World) -> Counter[str]:
    """The requests of the operator from now on; those of Pods have signed URLs and are not among them."""
    begun = len(world.store.hooks.calls)
    await world.run()
    return Counter(operation for operation, _ in world.store.hooks.calls[begun:])


async def test_a_run_of_one_item_makes_eleven_requests() -> None:
    world = World()
    world.create(**ONE_ITEM)
    made = await requests(world)
    assert world.phase == "Succeeded"
    assert made == {"list": 2, "stat": 2, "copy": 2, "put": 2, "get": 1, "put_if_absent": 1, "delete": 1}


@pytest.mark.parametrize("phase", [Phase.LAUNCHING, Phase.RUNNING])
async def test_a_process_asks_about_a_run_that_another_one_staged(phase: Phase) -> None:
    world = World()
    world.create(**ONE_ITEM)
    await world.run(lambda: world.phase == phase.value)
    await world.restart()
    made = await requests(world)
    assert world.phase == "Succeeded"
    # The result of the shard if it launches it, the manifest each time, the report, and the result.
    assert made["get"] == (5 if phase is Phase.LAUNCHING else 3)


async def test_a_second_try_asks_whether_the_first_one_published() -> None:
    world = World()
    world.create(**ONE_ITEM)
    world.store.hooks.fail(StoreUnavailable("away"), "put_if_absent", times=1, lost_answer=True)
    made = await requests(world)
    assert world.phase == "Succeeded"
    assert made["put_if_absent"] == 1, "the second try finds the report"


def test_what_is_known_is_used_once() -> None:
    fresh = FreshRuns()
    assert not fresh.is_first_launch("p/", 0)
    assert not fresh.is_first_publish("p/")
    fresh.staged("p/", manifest())
    assert fresh.manifest("p/") is None, "it was begun by another process"
    fresh.begun("p/")
    assert [fresh.is_first_try("p/") for _ in range(2)] == [True, False]
    fresh.staged("p/", manifest())
    assert fresh.manifest("p/") == manifest()
    assert [fresh.is_first_launch("p/", shard) for shard in (0, 0, 1)] == [True, False, True]
    assert [fresh.is_first_publish("p/") for _ in range(2)] == [True, False]


def test_a_run_below_a_prefix_is_forgotten_with_it() -> None:
    fresh = FreshRuns()
    for prefix in ("a/1/", "a/2/", "ab/1/"):
        fresh.begun(prefix)
        fresh.staged(prefix, manifest())
    fresh.forget(["a/"])
    assert [fresh.manifest(prefix) is None for prefix in ("a/1/", "a/2/", "ab/1/")] == [True, True, False]


def test_few_and_small_runs_are_kept() -> None:
    fresh = FreshRuns()
    fresh.begun("large/")
    fresh.staged("large/", manifest(MAX_ITEMS + 1))
    assert fresh.manifest("large/") is None
    assert not fresh.is_first_launch("large/", 0)
    for n in range(MAX_RUNS + 1):
        fresh.begun(f"{n}/")
        fresh.staged(f"{n}/", manifest(MAX_ITEMS))
    assert fresh.manifest("0/") is None
    assert fresh.manifest("1/")
