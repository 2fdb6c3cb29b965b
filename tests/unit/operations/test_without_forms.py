"""Runs in a store without POST Object: outputs are staged by PUTs of signed lengths, published exactly."""

from __future__ import annotations

import json

from fakes.memory_cluster import Scene
from fakes.memory_store import MemoryStore
from fakes.scripts import do_order
from fakes.world import World
from imagejob_contract.order import Order, padded_length
from imagejob_contract.result import Summary
from imagejob_operator.decision.attempt import State


def published(world: World) -> dict[str, bytes]:
    return {key: world.store.objects[key].data for key in world.store.keys("shop/catalog/")}


async def test_what_is_published_is_the_same_as_in_a_store_with_forms() -> None:
    found = []
    for forms in (True, False):
        world = World()
        world.store.forms = forms
        world.create()
        await world.run()
        assert world.job.status.phase == "Succeeded", world.error()
        report = json.loads(world.store.objects[world.job.status.report].data)
        found.append((published(world), [item["outputs"] for item in report["items"]]))
        assert world.staged() == []
    assert found[0] == found[1]
    assert all(found[0][0].values())


async def test_outputs_are_padded_in_the_staging() -> None:
    sizes: list[int] = []

    def work(store: MemoryStore, order: Order) -> Summary:
        summary = do_order(store, order)
        sizes.extend(len(store.objects[key].data) for key in store.keys(order.upload.key_prefix))
        return summary

    world = World(lambda shard, number: (Scene(1, State.RUNNING), Scene(2, State.SUCCEEDED, work=work)))
    world.store.forms = False
    world.create()
    await world.run()
    assert set(sizes) == {padded_length(1)}
    assert {len(data) for data in published(world).values()} < set(range(1, 20))


async def test_padding_that_is_no_output_is_refused() -> None:
    """A Pod cannot have published what follows an output: its hash is that of the output alone."""

    def work(store: MemoryStore, order: Order) -> Summary:
        summary = do_order(store, order)
        key = store.keys(order.upload.key_prefix)[0]
        store.set(key, b"#" * len(store.objects[key].data))
        return summary

    world = World(lambda shard, number: (Scene(1, State.RUNNING), Scene(2, State.SUCCEEDED, work=work)))
    world.store.forms = False
    world.create()
    await world.run()
    assert world.error() == "JOB_005/ResultsInvalid"
