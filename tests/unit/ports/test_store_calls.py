"""What a store must support is checked call by call: each check finds a store that lacks it, and names it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.memory_store import MemoryStore
from imagejob_operator.ports.object_store import (
    CallNotSupported,
    Gate,
    ObjectHeaders,
    StoreDenied,
    StoredObject,
    StoreUnavailable,
    always_open,
)
from imagejob_operator.ports.store_calls import CALLS, check_calls

PAGE = Path(__file__).parents[3] / "docs" / "administrators" / "stores.md"


class NoSizes(MemoryStore):
    async def stat(self, key: str) -> StoredObject:
        return replace(await super().stat(key), size=0)


class OtherBytes(MemoryStore):
    async def read(self, key: str, max_bytes: int) -> bytes:
        return (await super().read(key, max_bytes)).upper() + b"\n"


class PlusIsSpace(MemoryStore):
    async def walk(self, prefix: str) -> AsyncIterator[StoredObject]:
        async for stored in super().walk(prefix):
            yield replace(stored, key=stored.key.replace("+", " "))


class WholeObjects(MemoryStore):
    async def copy(
        self, source: StoredObject, key: str, headers: ObjectHeaders | None = None
    ) -> StoredObject:
        size = len(self.objects[source.key].data)
        return await super().copy(replace(source, size=size), key, headers)


class NoConditions(MemoryStore):
    async def copy(
        self, source: StoredObject, key: str, headers: ObjectHeaders | None = None
    ) -> StoredObject:
        now = source if source.padded else replace(source, etag=self.objects[source.key].etag)
        return await super().copy(now, key, headers)


class NoConditionalReads(MemoryStore):
    async def copy(
        self, source: StoredObject, key: str, headers: ObjectHeaders | None = None
    ) -> StoredObject:
        now = replace(source, etag=self.objects[source.key].etag) if source.padded else source
        return await super().copy(now, key, headers)


class KeepsHeaders(MemoryStore):
    async def copy(
        self, source: StoredObject, key: str, headers: ObjectHeaders | None = None
    ) -> StoredObject:
        return await super().copy(source, key)


class Overwrites(MemoryStore):
    async def put_if_absent(self, key: str, data: bytes, content_type: str) -> bool:
        await self.put(key, data, content_type)
        return True


class SaysItOverwrote(MemoryStore):
    async def put_if_absent(self, key: str, data: bytes, content_type: str) -> bool:
        await self.put(key, data, content_type)
        return False


class NoUploads(MemoryStore):
    async def takes_forms(self, prefix: str) -> bool:
        raise CallNotSupported("neither")


class KeepsAll(MemoryStore):
    async def delete_prefix(self, prefix: str, gate: Gate = always_open) -> int:
        return 0


class NoPut(MemoryStore):
    async def put(self, key: str, data: bytes, content_type: str) -> StoredObject:
        raise CallNotSupported("HTTP 501")


PLANTED: list[tuple[type[MemoryStore], str, str]] = [
    (NoPut, "PutObject", "HTTP 501"),
    (NoSizes, "HeadObject", "it returned 0 bytes for 10"),
    (OtherBytes, "GetObject", "it returned 11 other bytes"),
    (PlusIsSpace, "ListObjectsV2 with encoding-type=url", "without 'a b"),
    (WholeObjects, "GetObject with If-Match and Range", "other bytes"),
    (NoConditionalReads, "GetObject with If-Match and Range", "ignored If-Match"),
    (NoConditions, "CopyObject with x-amz-copy-source-if-match", "ignored the condition"),
    (KeepsHeaders, "CopyObject with x-amz-metadata-directive: REPLACE", "metadata"),
    (Overwrites, "PutObject with If-None-Match: *", "it replaced an object"),
    (SaysItOverwrote, "PutObject with If-None-Match: *", "it replaced an object"),
    (NoUploads, "POST Object, or PutObject with a signed Content-Length", "neither"),
    (KeepsAll, "DeleteObjects", "is still listed"),
]


@pytest.mark.parametrize(("kind", "name", "wrong"), PLANTED, ids=[kind.__name__ for kind, _, _ in PLANTED])
async def test_a_call_that_is_missing_is_named(
    kind: Callable[[], MemoryStore], name: str, wrong: str
) -> None:
    store = kind()
    with pytest.raises(CallNotSupported) as error:
        await check_calls(store, "p/")
    assert str(error.value).startswith(f"the store does not support {name}: ")
    assert wrong in str(error.value)
    assert kind is KeepsAll or not store.keys()


def test_each_call_has_a_store_that_lacks_it() -> None:
    assert [*CALLS] == [*dict.fromkeys(name for _, name, _ in PLANTED)]


@pytest.mark.parametrize("forms", [True, False])
async def test_it_says_how_pods_upload_and_leaves_nothing(forms: bool) -> None:
    store = MemoryStore()
    store.forms = forms
    before = store.set("other", b"x")
    assert ("by POST Object" in await check_calls(store, "p/")) is forms
    assert store.keys() == [before.key]


@pytest.mark.parametrize("error", [StoreDenied("AccessDenied"), StoreUnavailable("away")])
async def test_a_denial_and_an_outage_are_no_missing_calls(error: Exception) -> None:
    store = MemoryStore()
    store.hooks.fail(error, "put")
    with pytest.raises(type(error)) as raised:
        await check_calls(store, "p/")
    assert raised.value is error


def test_the_page_lists_every_call() -> None:
    text = PAGE.read_text()
    assert [name for name in CALLS if f"| `{name}` |" not in text] == []
