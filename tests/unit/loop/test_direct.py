"""`publish: Direct`: Pods write the final keys; what is published is what the store's listing has."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from fakes.memory_cluster import Scene
from fakes.memory_store import MemoryStore
from fakes.scripts import CRASHED, by_shard, do_order, in_turn, well
from fakes.world import KEY, World
from imagejob_operator.core.attempt import State
from imagejob_processor.contract import Order, Summary

A, B = "shop/catalog/uploads/a-web.webp", "shop/catalog/uploads/b-web.webp"
DIRECT = {"prefix": "catalog/", "publish": "Direct"}
NEVER_DELETE = {**DIRECT, "overwrite": "Never", "onFailure": "Delete"}
FAILING_A = well(failing=["uploads/a.jpg"])


def report(world: World) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(world.store.objects[world.job.status.report].data)
    return found


async def ended(script: Any = None, **destination: Any) -> World:
    world = World(script=script)
    world.create(destination={**DIRECT, **destination})
    await world.run()
    return world


async def again(world: World, **run: Any) -> None:
    wanted = {"id": "2", **run}
    world.store.hooks.calls.clear()
    world.cluster.hooks.calls.clear()
    world.cluster.edit(KEY, run=wanted)
    await world.run(until=lambda: bool(world.job.status.run and world.job.status.run.id == wanted["id"]))
    await world.run()


async def test_outputs_are_where_they_belong_and_nothing_is_copied_there() -> None:
    world = await ended()
    status = world.job.status
    assert status.phase == "Succeeded"
    assert world.store.keys("shop/catalog/") == [A, B]
    assert not [key for op, key in world.store.hooks.calls if op == "copy" and key.startswith("shop/")]
    assert status.outputs
    assert (status.outputs.objects, status.outputs.bytes) == (2, len(b"aaawebbbweb"))
    assert world.staged() == []


async def test_what_is_stored_with_them_is_as_if_they_were_copied() -> None:
    wanted = {"cacheControl": "no-cache", "metadata": {"owner": "me"}, "tags": {"team": "a"}}
    direct = await ended(headers=wanted)
    staged = World()
    staged.create(destination={"prefix": "catalog/", "headers": wanted})
    await staged.run()

    def told(world: World) -> Any:
        headers = world.store.objects[A].headers
        rest = {name: value for name, value in headers.metadata.items() if name != "imagejob-run"}
        return headers.content_type, headers.cache_control, headers.tags, rest

    assert told(direct) == told(staged)
    assert direct.store.objects[A].headers.metadata["imagejob-run"] == f"{direct.job.uid}/1"
    assert staged.job.status.report
    assert [i["outputs"] for i in report(direct)["items"]] == [i["outputs"] for i in report(staged)["items"]]


async def test_they_are_seen_before_the_run_has_succeeded() -> None:
    world = World(script=by_shard({1: well(run=500)}, well()))
    world.create(destination=DIRECT, execution={"itemsPerPod": 1})
    await world.run(until=lambda: A in world.store.objects)
    assert world.job.status.phase == "Running"


async def test_an_output_that_the_store_does_not_have_is_not_believed() -> None:
    def lying(store: MemoryStore, order: Order) -> Summary:
        summary = do_order(store, order)
        store.objects.pop(A)
        return summary

    def script(shard: int, number: int) -> Sequence[Scene]:
        return (Scene(1, State.RUNNING), Scene(1, State.SUCCEEDED, work=lying))

    world = World(script=script)
    world.create(destination=DIRECT, execution={"itemsPerPod": 50})
    await world.run()
    assert world.error() == "JOB_005/ResultsInvalid"
    assert world.staged() == []


async def test_a_pod_that_died_half_way_is_made_up_for_by_the_next_one() -> None:
    def half(store: MemoryStore, order: Order) -> Summary:
        do_order(store, order)
        store.objects.pop(B)
        return Summary()

    def dying(shard: int, number: int) -> Sequence[Scene]:
        return (Scene(1, State.RUNNING), Scene(1, State.FAILED, CRASHED, work=half_without_result))

    def half_without_result(store: MemoryStore, order: Order) -> Summary:
        before = set(store.keys(".imagejob-staging/"))
        half(store, order)
        for key in set(store.keys(".imagejob-staging/")) - before:
            store.objects.pop(key)
        return Summary()

    world = World(script=in_turn(dying, well()))
    world.create(destination={**DIRECT, "overwrite": "Never"}, execution={"itemsPerPod": 50})
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert world.store.keys("shop/catalog/") == [A, B]


async def test_what_has_not_changed_is_skipped() -> None:
    world = await ended(overwrite="IfDifferent")
    await again(world)
    items = world.job.status.items
    assert items
    assert (world.job.status.phase, items.skipped) == ("Succeeded", 2)
    assert world.cluster.hooks.count("launch") == 0


async def test_a_key_that_is_taken_is_refused_before_anything_is_launched() -> None:
    world = World()
    world.store.set(B, b"older")
    world.create(destination={**DIRECT, "overwrite": "Never"})
    await world.run()
    assert world.error() == "JOB_007/OverwriteRefused"
    assert world.cluster.hooks.count("launch") == 0


async def test_a_run_that_goes_on_knows_its_own_outputs() -> None:
    world = World(script=by_shard({1: well(run=50)}, well()))
    world.create(destination={**DIRECT, "overwrite": "Never"}, execution={"itemsPerPod": 1})
    await world.run(until=lambda: A in world.store.objects)
    world.cluster.edit(KEY, suspend=True)
    await world.run(until=lambda: world.job.status.phase == "Suspended" and not world.staged())
    world.cluster.edit(KEY, suspend=False)
    await world.run()
    assert world.job.status.phase == "Succeeded"


async def test_what_a_run_that_failed_has_written_stays_and_is_told() -> None:
    world = await ended(FAILING_A)
    assert world.error() == "JOB_005/ItemsFailed"
    assert world.store.keys("shop/catalog/") == [B]
    written = {i["source"]: [o["key"] for o in i.get("outputs", [])] for i in report(world)["items"]}
    assert written == {"uploads/a.jpg": [], "uploads/b.png": ["catalog/uploads/b-web.webp"]}
    world.cluster.script = well()
    await again(world, items="Failed")
    assert [item["source"] for item in report(world)["items"]] == ["uploads/a.jpg"]
    assert world.store.keys("shop/catalog/") == [A, B]


async def test_what_a_run_that_failed_has_written_is_taken_back_if_that_is_asked_for() -> None:
    world = World(script=FAILING_A)
    world.store.set("shop/catalog/uploads/c-web.webp", b"older")
    world.create(destination=NEVER_DELETE)
    await world.run()
    assert world.error() == "JOB_005/ItemsFailed"
    assert world.store.keys("shop/catalog/") == ["shop/catalog/uploads/c-web.webp"]
    assert world.staged() == []


async def test_who_cancels_takes_it_back_as_well() -> None:
    world = World(script=by_shard({1: well(run=500)}, well()))
    world.create(destination=NEVER_DELETE, execution={"itemsPerPod": 1})
    await world.run(until=lambda: A in world.store.objects)
    world.cluster.edit(KEY, cancelRunID="1")
    await world.run()
    assert world.error() == "JOB_008/Cancelled"
    assert world.store.keys("shop/catalog/") == []


@pytest.mark.parametrize("sort", ["keys", "match"])
async def test_a_form_admits_nothing_outside_of_the_destination(sort: str) -> None:
    source = {"keys": ["uploads/a.jpg"]} if sort == "keys" else {"match": {"prefix": "uploads/"}}
    world = World()
    job = world.create(destination=DIRECT, source=source)
    await world.run(until=lambda: world.job.status.phase == "Running")
    for url in world.cluster.orders(job.uid).values():
        order = json.loads(world.store.visit("GET", url)[1])
        assert order["upload"]["keyPrefix"] == "shop/catalog/"
