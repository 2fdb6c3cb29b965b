"""The port ObjectStore: the fake and two real servers keep the same promises."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import timedelta

import minio
import pytest

from contract.benches import MemoryBench, ServerBench
from contract.store_checks import CHECKS, NEEDS, Check
from fakes.memory_store import MemoryStore
from imagejob_operator.adapters.s3.store import S3Store
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.ports.object_store import Gate, ObjectHeaders, PostForm, StoredObject, always_open
from s3_servers.servers import fits

numbers = itertools.count()
checks = pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)


@pytest.fixture(scope="module")
def server(s3) -> Iterator[ServerBench]:
    bucket = f"contract-{next(numbers)}"
    client = minio.Minio(s3.endpoint, s3.access_key, s3.secret_key, secure=False, region="us-east-1")
    client.make_bucket(bucket)
    bench = ServerBench(
        S3Store(StoreLocation(s3.endpoint, bucket, secure=False), s3.credentials),
        client,
        bucket,
    )
    yield bench
    bench.close()


@pytest.mark.parametrize("check", [CHECKS[name] for name in CHECKS if fits(NEEDS.get(name, ""), "")])
async def test_the_fake(check: Check) -> None:
    await check(MemoryBench())


@pytest.mark.store
@pytest.mark.timeout(120)
@checks
async def test_a_server(check: Check, server: ServerBench) -> None:
    await check(server)


# --- the checks find what is broken ------------------------------------------------------------------------


class OverwritesWhatIsThere(MemoryStore):
    async def put_if_absent(self, key: str, data: bytes, content_type: str) -> bool:
        self.set(key, data, content_type)
        return True


class SaysItWroteAndDidNot(MemoryStore):
    async def put_if_absent(self, key: str, data: bytes, content_type: str) -> bool:
        await super().put_if_absent(key, data, content_type)
        return True


class CopiesWhatever(MemoryStore):
    async def copy(
        self,
        source: StoredObject,
        key: str,
        headers: ObjectHeaders | None = None,
    ) -> StoredObject:
        return await super().copy(await self.stat(source.key), key, headers)


class ForgetsTypes(MemoryStore):
    async def copy(
        self,
        source: StoredObject,
        key: str,
        headers: ObjectHeaders | None = None,
    ) -> StoredObject:
        return await super().copy(source, key)


class ForgetsTags(MemoryStore):
    async def copy(
        self,
        source: StoredObject,
        key: str,
        headers: ObjectHeaders | None = None,
    ) -> StoredObject:
        return await super().copy(source, key, headers and replace(headers, tags={}))


class KeepsOldHeaders(MemoryStore):
    async def copy(
        self,
        source: StoredObject,
        key: str,
        headers: ObjectHeaders | None = None,
    ) -> StoredObject:
        old = self.objects[source.key].headers.metadata
        kept = headers and replace(headers, metadata={**old, **headers.metadata})
        return await super().copy(source, key, kept)


class ListsOnePage(MemoryStore):
    async def walk(self, prefix: str) -> AsyncIterator[StoredObject]:
        for key in self.keys(prefix)[:1000]:
            yield await self.stat(key)


class ListsInAnyOrder(MemoryStore):
    async def walk(self, prefix: str) -> AsyncIterator[StoredObject]:
        for key in reversed(self.keys(prefix)):
            yield await self.stat(key)


class DeletesOnePage(MemoryStore):
    async def delete_prefix(self, prefix: str, gate: Gate = always_open) -> int:
        keys = self.keys(prefix)[:1000]
        for key in keys:
            del self.objects[key]
        return len(keys)


class DeletesNeighbours(MemoryStore):
    async def delete_prefix(self, prefix: str, gate: Gate = always_open) -> int:
        return await super().delete_prefix(prefix.rpartition("/")[0].rpartition("/")[0] + "/", gate)


class HasNoGate(MemoryStore):
    async def delete_prefix(self, prefix: str, gate: Gate = always_open) -> int:
        return await super().delete_prefix(prefix)


class SignsFormsForAll(MemoryStore):
    def sign_post(self, prefix: str, max_bytes: int, lifetime: timedelta) -> PostForm:
        return super().sign_post("", 10**9, lifetime)


class SignsForEver(MemoryStore):
    def sign_get(self, key: str, lifetime: timedelta) -> str:
        return super().sign_get(key, timedelta(days=999))


BROKEN = {
    OverwritesWhatIsThere: "put_if_absent_writes_once",
    SaysItWroteAndDidNot: "put_if_absent_has_one_winner_of_many",
    CopiesWhatever: "a_copy_of_what_has_changed_is_refused",
    ForgetsTypes: "a_copy_may_get_headers",
    ForgetsTags: "a_copy_may_get_tags",
    KeepsOldHeaders: "a_copy_with_headers_keeps_none_of_the_old",
    ListsOnePage: "a_walk_goes_over_pages_and_says_sizes",
    ListsInAnyOrder: "a_walk_is_in_the_order_of_keys",
    DeletesOnePage: "delete_prefix_deletes_all_of_it_and_nothing_else",
    DeletesNeighbours: "delete_prefix_deletes_all_of_it_and_nothing_else",
    HasNoGate: "delete_prefix_stops_at_a_closed_gate",
    SignsFormsForAll: "a_signed_form_refuses_all_else",
    SignsForEver: "signatures_end",
}


@pytest.mark.parametrize(
    ("broken", "finds"), BROKEN.items(), ids=lambda value: getattr(value, "__name__", value)
)
async def test_a_broken_store_is_found(
    broken: type[MemoryStore], finds: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("asyncio.sleep", _no_sleep)
    with pytest.raises((AssertionError, TimeoutError, pytest.fail.Exception)):
        await CHECKS[finds](MemoryBench(broken))


_turns = itertools.count(1)


async def _no_sleep(seconds: float) -> None:
    if seconds and next(_turns) > 100:
        raise TimeoutError
