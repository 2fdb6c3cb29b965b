"""The manifest: one object for a small run, parts for a large one, and never more read than is asked for."""

from __future__ import annotations

import pytest

from fakes.build import NOW, PREFIX
from fakes.memory_store import MemoryStore
from imagejob_operator.documents.staging import (
    ITEMS_PER_PART,
    MAX_PART_BYTES,
    Manifest,
    ManifestItem,
    manifest_key,
    part_key,
)
from imagejob_operator.operations.manifest import items_of, manifest_head, whole_manifest, write_manifest
from imagejob_operator.ports.object_store import ObjectMissing, StoreUnavailable


def manifest(count: int, name: str = "uploads/{}.jpg") -> Manifest:
    items = tuple(ManifestItem(n, name.format(n), f"etag-{n}", n) for n in range(count))
    return Manifest(items, count, count, sum(range(count)), NOW)


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2000, 2500])
async def test_it_comes_back_as_it_was(count: int) -> None:
    store = MemoryStore()
    await write_manifest(store, PREFIX, manifest(count))
    assert await whole_manifest(store, PREFIX) == manifest(count)
    head = await manifest_head(store, PREFIX)
    assert (head.count, head.bytes) == (count, sum(range(count)))
    parts = 0 if count <= ITEMS_PER_PART else -(-count // ITEMS_PER_PART)
    assert len(store.keys(f"{PREFIX}items/")) == parts


@pytest.mark.parametrize(
    ("indexes", "parts"),
    [
        (range(1), [0]),
        (range(999, 1000), [0]),
        (range(1000, 1001), [1]),
        (range(990, 1010), [0, 1]),
        (range(500, 2500), [0, 1, 2]),
        (range(2400, 2500), [2]),
        (range(7, 7), []),
    ],
    ids=str,
)
async def test_only_the_parts_are_read_that_have_the_items(indexes: range, parts: list[int]) -> None:
    store = MemoryStore()
    await write_manifest(store, PREFIX, manifest(2500))
    head = await manifest_head(store, PREFIX)
    before = len(store.hooks.calls)
    items = await items_of(store, PREFIX, head, indexes)
    assert [item.index for item in items] == list(indexes)
    assert sorted(key for _, key in store.hooks.calls[before:]) == [part_key(PREFIX, part) for part in parts]


async def test_of_a_small_run_nothing_more_is_read() -> None:
    store = MemoryStore()
    await write_manifest(store, PREFIX, manifest(1000))
    head = await manifest_head(store, PREFIX)
    before = len(store.hooks.calls)
    assert [item.index for item in await items_of(store, PREFIX, head, range(5, 8))] == [5, 6, 7]
    assert len(store.hooks.calls) == before


async def test_the_parts_come_before_the_manifest() -> None:
    store = MemoryStore()
    store.hooks.fail(StoreUnavailable("away"), "put", about=part_key(PREFIX, 2))
    with pytest.raises(StoreUnavailable):
        await write_manifest(store, PREFIX, manifest(2500))
    with pytest.raises(ObjectMissing):
        await manifest_head(store, PREFIX)
    assert manifest_key(PREFIX) not in store.objects


async def test_the_longest_keys_fit_a_part() -> None:
    store = MemoryStore()
    await write_manifest(store, PREFIX, manifest(1001, "{}" + "\U0001f5bc" * 506))
    assert len(store.objects[part_key(PREFIX, 0)].data) < MAX_PART_BYTES / 3
    assert (await whole_manifest(store, PREFIX)).count == 1001
