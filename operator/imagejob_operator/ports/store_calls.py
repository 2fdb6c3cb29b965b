"""What an object store must support: a check of each call with its conditions, by small objects.

A permission that is missing is another thing than a call that is: StoreDenied says so, and is raised.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable

from imagejob_operator.ports.object_store import (
    CallNotSupported,
    ObjectChanged,
    ObjectHeaders,
    ObjectStore,
    StoreDenied,
    StoredObject,
    StoreError,
)

ODD_NAME = "a b+c%20é&.txt"
"""Part of a name that a store lists unchanged only if it encodes listings, and takes keys as they are."""
NO_ETAG = "0" * 32
"""The ETag of no object."""
TEXT = "text/plain"

_Check = Callable[[ObjectStore, str], Awaitable[str]]
"""Checks a call below a prefix; what the store does wrong, empty if nothing."""
CALLS: dict[str, _Check] = {}
"""The checks by the names of the calls, in their order: later ones use objects of earlier ones."""


async def check_calls(store: ObjectStore, prefix: str) -> str:
    """Check all calls by objects below `prefix`, which are deleted again; how Pods upload outputs.

    Raises CallNotSupported, which names the call.
    """
    below = f"{prefix}probe/"
    try:
        for name, check in CALLS.items():
            await _check(name, check(store, below))
        if await store.takes_forms(below):
            return "Pods upload outputs by POST Object"
        return "Pods upload outputs by presigned PUTs with signed lengths, as the store has no POST Object"
    except StoreDenied:
        with contextlib.suppress(StoreError):
            await store.delete_prefix(below)
        raise


async def _check(name: str, checking: Awaitable[str]) -> None:
    try:
        wrong = await checking
    except CallNotSupported as error:
        wrong = str(error)
    if wrong:
        raise CallNotSupported(f"the store does not support {name}: {wrong}")


def _call(name: str) -> Callable[[_Check], _Check]:
    def add(check: _Check) -> _Check:
        CALLS[name] = check
        return check

    return add


@_call("PutObject")
async def _put(store: ObjectStore, below: str) -> str:
    await store.put(f"{below}{ODD_NAME}", b"0123456789", TEXT)
    await store.put(f"{below}b", b"b", TEXT)
    return ""


@_call("HeadObject")
async def _head(store: ObjectStore, below: str) -> str:
    found = await store.stat(f"{below}{ODD_NAME}")
    return "" if found.size == 10 and found.etag else f"it returned {found.size} bytes for 10, or no ETag"


@_call("GetObject")
async def _get(store: ObjectStore, below: str) -> str:
    data = await store.read(f"{below}{ODD_NAME}", 100)
    return "" if data == b"0123456789" else f"it returned {len(data)} other bytes"


@_call("ListObjectsV2 with encoding-type=url")
async def _list(store: ObjectStore, below: str) -> str:
    found = [stored.key.removeprefix(below) async for stored in store.walk(below)]
    missing = [name for name in (ODD_NAME, "b") if name not in found]
    return f"it lists {found[:3]} without {missing[0]!r}" if missing else ""


@_call("GetObject with If-Match and Range")
async def _get_part(store: ObjectStore, below: str) -> str:
    found = await store.stat(f"{below}{ODD_NAME}")
    await store.copy(StoredObject(found.key, 4, found.etag, padded=True), f"{below}part")
    if await store.read(f"{below}part", 100) != b"0123":
        return "it returned other bytes"
    try:
        await store.copy(StoredObject(found.key, 4, NO_ETAG, padded=True), f"{below}part")
    except ObjectChanged:
        return ""
    return "it ignored If-Match"


@_call("CopyObject with x-amz-copy-source-if-match")
async def _copy(store: ObjectStore, below: str) -> str:
    found = await store.stat(f"{below}{ODD_NAME}")
    await store.copy(found, f"{below}copy")
    if await store.read(f"{below}copy", 100) != b"0123456789":
        return "the copy is another object"
    try:
        await store.copy(StoredObject(found.key, found.size, NO_ETAG), f"{below}copy")
    except ObjectChanged:
        return ""
    return "it ignored the condition"


@_call("CopyObject with x-amz-metadata-directive: REPLACE")
async def _copy_with_headers(store: ObjectStore, below: str) -> str:
    found = await store.stat(f"{below}b")
    await store.copy(found, f"{below}copy", ObjectHeaders("image/png", metadata={"probe": "1"}))
    there = (await store.stat(f"{below}copy")).metadata.get("probe")
    return "" if there == "1" else "the copy does not have the metadata of the request"


@_call("PutObject with If-None-Match: *")
async def _put_once(store: ObjectStore, below: str) -> str:
    written = await store.put_if_absent(f"{below}b", b"another", TEXT)
    return "it replaced an object" if written or await store.read(f"{below}b", 100) != b"b" else ""


@_call("POST Object, or PutObject with a signed Content-Length")
async def _upload(store: ObjectStore, below: str) -> str:
    await store.takes_forms(below)
    return ""


@_call("DeleteObjects")
async def _delete(store: ObjectStore, below: str) -> str:
    await store.delete_prefix(below)
    left = [stored.key async for stored in store.walk(below)]
    return f"{left[0]!r} is still listed" if left else ""
