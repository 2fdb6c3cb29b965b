"""The garbage collector on real servers."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from minio import Minio

from fakes.memory_owners import FOLDER, OTHER_FOLDER, GarbageCounts, MemoryOwners
from imagejob_operator.adapters.s3.store import S3Store
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.decision import garbage as rules
from imagejob_operator.decision.garbage import clock_key
from imagejob_operator.garbage import collector as loop
from imagejob_operator.garbage.collector import GarbageCollector, GarbagePolicy
from imagejob_operator.naming.prefixes import own_staging_prefix, staging_prefix
from imagejob_operator.ports.credentials import Credentials
from localcluster.stores import ACCESS_KEY, SECRET_KEY
from s3_servers.servers import S3Server

pytestmark = pytest.mark.store

UID = "0000aaaa-1111-2222-3333-444455556666"
OTHER = "0000bbbb-1111-2222-3333-444455556666"


def now() -> datetime:
    return datetime.now(UTC)


def address_of(server: S3Server) -> StoreLocation:
    bucket = f"sweep-{uuid.uuid4().hex[:8]}"
    address = StoreLocation(server.endpoint, bucket, secure=False)
    client_of(address).make_bucket(bucket)
    return address


def credentials() -> Credentials:
    return Credentials(ACCESS_KEY, SECRET_KEY)


def client_of(address: StoreLocation) -> Minio:
    return Minio(address.endpoint, ACCESS_KEY, SECRET_KEY, secure=False, region=address.region)


@pytest.fixture
def address(s3: S3Server) -> StoreLocation:
    return address_of(s3)


@pytest.fixture
async def store(address: StoreLocation) -> AsyncIterator[S3Store]:
    opened = S3Store(address, credentials)
    yield opened
    opened.close()


def collector_of(store: S3Store, owners: MemoryOwners, counts: GarbageCounts) -> GarbageCollector:
    return GarbageCollector(store, owners, counts, GarbagePolicy(FOLDER))


async def keys_of(store: S3Store, prefix: str) -> list[str]:
    return [found.key async for found in store.walk(prefix)]


async def test_a_sweep(store: S3Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (rules, loop):
        monkeypatch.setattr(module, "SHORTEST_AGE", timedelta(seconds=1))
    owners, counts = MemoryOwners(), GarbageCounts()
    collector = collector_of(store, owners, counts)
    owners.put(OTHER)
    dead = staging_prefix(FOLDER, "shop", UID, 1, 1)
    live = staging_prefix(FOLDER, "shop", OTHER, 1, 1)
    unknown = f"{own_staging_prefix(FOLDER)}shop/precious/1-1/a"
    foreign = staging_prefix(OTHER_FOLDER, "shop", UID, 1, 1) + "in/000001"
    for index in range(1, 6):
        await store.put(f"{dead}in/{index:06d}", b"x", "image/jpeg")
        await store.put(f"{live}in/{index:06d}", b"x", "image/jpeg")
    for key in (unknown, foreign):
        await store.put(key, b"x", "text/plain")
    end = time.monotonic() + 30
    while await keys_of(store, dead):
        assert time.monotonic() < end, "it was never swept"
        await collector.sweep()
        await asyncio.sleep(0.1)
    left = await collector.sweep()
    assert left is not None
    assert len(await keys_of(store, live)) == 5
    assert await keys_of(store, unknown) == [unknown]
    assert await keys_of(store, foreign) == [foreign]
    assert counts.deleted_objects == 5
    assert counts.failures == 0
    assert (left.unknown, left.foreign, left.objects) == (1, 1, 0)


async def test_what_is_young_by_the_clock_of_the_store_is_left(store: S3Store) -> None:
    counts = GarbageCounts()
    collector = collector_of(store, MemoryOwners(), counts)
    dead = staging_prefix(FOLDER, "shop", UID, 1, 1)
    await store.put(f"{dead}in/000000", b"x", "image/jpeg")
    left = await collector.sweep()
    assert len(await keys_of(store, dead)) == 1
    assert left is not None
    assert left.waiting == 1
    age = now() - (await store.stat(clock_key(FOLDER))).modified_at
    assert abs(age) < timedelta(minutes=5)
