"""The manifest of a run in the store: written once, read as a whole or by the items that are needed.

Functions that read raise ObjectMissing if staging is not complete, DecodeError if the content is broken.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from imagejob_contract.wire import decode
from imagejob_operator.documents.report import MAX_REPORT_BYTES, ReportItem
from imagejob_operator.documents.staging import (
    ITEMS_PER_PART,
    MAX_MANIFEST_BYTES,
    MAX_PART_BYTES,
    Manifest,
    ManifestItem,
    manifest_key,
    part_key,
    read_manifest,
    skipped_key,
)
from imagejob_operator.operations.concurrency import compute, for_each
from imagejob_operator.ports.object_store import ObjectStore

JSON = "application/json"


async def write_manifest(
    store: ObjectStore, prefix: str, manifest: Manifest, skipped: Sequence[ReportItem] = ()
) -> None:
    """Write a manifest, after the report items of skipped items and, if it is large, after its parts."""
    if skipped:
        await store.put(skipped_key(prefix), await compute(_encode_items, skipped), JSON)
    if len(manifest.items) > ITEMS_PER_PART:

        async def write(part: int) -> None:
            items = manifest.items[part * ITEMS_PER_PART : (part + 1) * ITEMS_PER_PART]
            await store.put(part_key(prefix, part), msgspec.json.encode(items), JSON)

        await for_each(range(_parts(len(manifest.items))), write)
        manifest = msgspec.structs.replace(manifest, items=())
    await store.put(manifest_key(prefix), msgspec.json.encode(manifest), JSON)


async def read_skipped(store: ObjectStore, prefix: str, manifest: Manifest) -> tuple[ReportItem, ...]:
    """The report items of skipped items."""
    if not manifest.skipped:
        return ()
    return await compute(_decode_items, await store.read(skipped_key(prefix), MAX_REPORT_BYTES))


def _encode_items(items: Sequence[ReportItem]) -> bytes:
    """The items as a list; one by one, so that other threads can run meanwhile."""
    return b"[" + b",".join(msgspec.json.encode(item) for item in items) + b"]"


def _decode_items(data: bytes) -> tuple[ReportItem, ...]:
    decoder = msgspec.json.Decoder(ReportItem)
    return tuple(decoder.decode(item) for item in decode(data, list[msgspec.Raw]))


async def manifest_head(store: ObjectStore, prefix: str) -> Manifest:
    """A manifest as it was written: without its items if it is large."""
    return read_manifest(await store.read(manifest_key(prefix), MAX_MANIFEST_BYTES))


async def whole_manifest(store: ObjectStore, prefix: str) -> Manifest:
    """A manifest with all of its items."""
    head = await manifest_head(store, prefix)
    return msgspec.structs.replace(head, items=tuple(await items_of(store, prefix, head, range(head.count))))


async def items_of(store: ObjectStore, prefix: str, head: Manifest, indexes: range) -> list[ManifestItem]:
    """The items at some indexes; reads only the parts that have them."""
    if head.items or not indexes:
        return _checked(head.items[indexes.start : indexes.stop], indexes)

    async def read(part: int) -> tuple[ManifestItem, ...]:
        data = await store.read(part_key(prefix, part), MAX_PART_BYTES)
        return decode(data, tuple[ManifestItem, ...])

    first = indexes.start // ITEMS_PER_PART
    parts = await for_each(range(first, _parts(indexes.stop)), read)
    items = [item for part in parts for item in part]
    return _checked(items[indexes.start - first * ITEMS_PER_PART :][: len(indexes)], indexes)


def _checked(items: Sequence[ManifestItem], indexes: range) -> list[ManifestItem]:
    if [item.index for item in items] != list(indexes):
        raise msgspec.DecodeError(f"it does not have the items {indexes.start} to {indexes.stop - 1}")
    return list(items)


def _parts(items: int) -> int:
    return -(-items // ITEMS_PER_PART)
