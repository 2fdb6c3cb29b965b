"""The sweeper and the bucket's own expiry on real servers."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from minio import Minio
from minio.commonconfig import ENABLED, Filter
from minio.lifecycleconfig import Expiration, LifecycleConfig, Rule

from contract.conftest import ACCESS_KEY, SECRET_KEY, S3Server
from fakes.memory_owners import MemoryOwners, SweepCounts
from imagejob_operator.adapters.minio_client import StoreAddress
from imagejob_operator.adapters.minio_lifecycle import NotOffered, expiry_days, keep_expiry_rule, merged
from imagejob_operator.adapters.minio_store import MinioStore
from imagejob_operator.core import sweep as rules
from imagejob_operator.core.keys import staging_prefix
from imagejob_operator.core.ownership import owner_key
from imagejob_operator.loop import sweep as loop
from imagejob_operator.loop.sweep import Sweeper, SweepPolicy
from imagejob_operator.ports.credentials import Credentials
from imagejob_operator.ports.object_store import StoreDenied, StoreUnavailable

pytestmark = pytest.mark.store

UID = "0000aaaa-1111-2222-3333-444455556666"
OTHER = "0000bbbb-1111-2222-3333-444455556666"


def now() -> datetime:
    return datetime.now(UTC)


def address_of(server: S3Server) -> StoreAddress:
    bucket = f"sweep-{uuid.uuid4().hex[:8]}"
    address = StoreAddress(server.endpoint, bucket, secure=False)
    client_of(address).make_bucket(bucket)
    return address


def credentials() -> Credentials:
    return Credentials(ACCESS_KEY, SECRET_KEY)


def client_of(address: StoreAddress) -> Minio:
    return Minio(address.endpoint, ACCESS_KEY, SECRET_KEY, secure=False, region=address.region)


@pytest.fixture
def address(s3: S3Server) -> StoreAddress:
    return address_of(s3)


@pytest.fixture
async def store(address: StoreAddress) -> AsyncIterator[MinioStore]:
    opened = MinioStore(address, credentials)
    yield opened
    opened.close()


def sweeper_of(
    store: MinioStore, owners: MemoryOwners, counts: SweepCounts, instance: str = "one"
) -> Sweeper:
    return Sweeper(store, owners, counts, now, SweepPolicy("default", instance))


async def keys_of(store: MinioStore, prefix: str) -> list[str]:
    return [found.key async for found in store.walk(prefix)]


async def test_a_sweep(store: MinioStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (rules, loop):
        monkeypatch.setattr(module, "SHORTEST_AGE", timedelta(seconds=1))
    owners, counts = MemoryOwners(), SweepCounts()
    sweeper = sweeper_of(store, owners, counts)
    await sweeper.sweep()
    owners.put(OTHER)
    dead = staging_prefix("default", "shop", UID, 1, 1)
    live = staging_prefix("default", "shop", OTHER, 1, 1)
    foreign = ".imagejob-staging/default/shop/precious/1-1/a"
    for index in range(1, 6):
        await store.put(f"{dead}in/{index:06d}", b"x", "image/jpeg")
        await store.put(f"{live}in/{index:06d}", b"x", "image/jpeg")
    await store.put(foreign, b"x", "text/plain")
    end = time.monotonic() + 30
    while await keys_of(store, dead):
        assert time.monotonic() < end, "it was never swept"
        await sweeper.sweep()
        await asyncio.sleep(0.1)
    await sweeper.sweep()
    assert len(await keys_of(store, live)) == 5
    assert await keys_of(store, foreign) == [foreign]
    assert counts.swept_objects == 5
    assert counts.failures == 0
    assert counts.left[-1].foreign == 1
    assert counts.left[-1].objects == 0


async def test_what_is_young_by_the_clock_of_the_store_is_left(store: MinioStore) -> None:
    counts = SweepCounts()
    sweeper = sweeper_of(store, MemoryOwners(), counts)
    await sweeper.sweep()
    dead = staging_prefix("default", "shop", UID, 1, 1)
    await store.put(f"{dead}in/000000", b"x", "image/jpeg")
    await sweeper.sweep()
    assert len(await keys_of(store, dead)) == 1
    assert counts.left[-1].waiting == 1
    age = now() - (await store.stat(owner_key("default"))).modified_at
    assert abs(age) < timedelta(minutes=5)


async def test_a_clone_is_noticed_on_both_sides(store: MinioStore) -> None:
    counts, others = SweepCounts(), SweepCounts()
    original = sweeper_of(store, MemoryOwners("cluster-a"), counts)
    clone = sweeper_of(store, MemoryOwners("cluster-b"), others, "two")
    await original.sweep()
    await clone.sweep()
    await original.sweep()
    assert (counts.shared, others.shared) == ([False, True], [True])
    assert counts.failures == others.failures == 0


# --- the bucket's own expiry ---------------------------------------------------------------------------


def rules_of(address: StoreAddress) -> dict[str, tuple[str, int]]:
    found = client_of(address).get_bucket_lifecycle(address.bucket)
    return {
        rule.rule_id or "": (
            (rule.rule_filter.prefix or "") if rule.rule_filter else "",
            (rule.expiration.days or 0) if rule.expiration else 0,
        )
        for rule in (found.rules if found else ())
    }


OURS = {"imagejob-staging-default": (".imagejob-staging/default/", expiry_days())}


async def test_the_rule_is_set_once_and_only_where_it_is_offered(s3: S3Server, address: StoreAddress) -> None:
    if s3.kind == "versitygw":
        with pytest.raises(NotOffered):
            await asyncio.to_thread(keep_expiry_rule, address, credentials, "default")
        return
    assert await asyncio.to_thread(keep_expiry_rule, address, credentials, "default")
    assert rules_of(address) == OURS
    assert not await asyncio.to_thread(keep_expiry_rule, address, credentials, "default")
    assert await asyncio.to_thread(keep_expiry_rule, address, credentials, "second")
    assert len(rules_of(address)) == 2


async def test_the_rules_of_others_stay(s3: S3Server, address: StoreAddress) -> None:
    if s3.kind == "versitygw":
        with pytest.raises(NotOffered):
            await asyncio.to_thread(keep_expiry_rule, address, credentials, "default")
        return
    theirs = Rule(
        ENABLED, rule_filter=Filter(prefix="logs/"), rule_id="theirs", expiration=Expiration(days=3)
    )
    outdated = Rule(
        ENABLED,
        rule_filter=Filter(prefix=".imagejob-staging/default/"),
        rule_id="imagejob-staging-default",
        expiration=Expiration(days=1),
    )
    client_of(address).set_bucket_lifecycle(address.bucket, LifecycleConfig([theirs, outdated]))
    assert await asyncio.to_thread(keep_expiry_rule, address, credentials, "default")
    assert rules_of(address) == {"theirs": ("logs/", 3), **OURS}


async def test_a_store_that_refuses_or_is_away_is_an_error_of_the_port(s3: S3Server) -> None:
    wrong = StoreAddress(s3.endpoint, "no-such-bucket", secure=False)
    with pytest.raises((StoreDenied, NotOffered)):
        await asyncio.to_thread(keep_expiry_rule, wrong, credentials, "default")
    away = StoreAddress("127.0.0.1:9", "bucket", secure=False)
    with pytest.raises(StoreUnavailable):
        await asyncio.to_thread(keep_expiry_rule, away, credentials, "default")


def test_what_we_do_not_know_of_a_rule_is_kept_word_for_word() -> None:
    theirs = (
        b'<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule><ID>a</ID>'
        b"<Filter><And><Prefix>x/</Prefix><ObjectSizeGreaterThan>5</ObjectSizeGreaterThan></And></Filter>"
        b"<Status>Disabled</Status><New><Thing>1</Thing></New></Rule></LifecycleConfiguration>"
    )
    after = merged(theirs, "default", 8)
    assert after is not None
    before_rule, after_rule = (ElementTree.fromstring(text)[0] for text in (theirs, after))
    assert ElementTree.canonicalize(ElementTree.tostring(before_rule)) == ElementTree.canonicalize(
        ElementTree.tostring(after_rule)
    )
    assert merged(after, "default", 8) is None
    assert merged(after, "default", 9) is not None


def test_staging_expires_after_every_deadline() -> None:
    assert expiry_days(timedelta(days=1)) == 7
    assert expiry_days() == 8
    assert expiry_days(timedelta(days=20)) == 21
