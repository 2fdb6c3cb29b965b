"""Runs in ImageStores: whose store each byte goes to, who may name which, and what outlives its namespace."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fakes.build import SPEC
from fakes.memory_owners import FOLDER
from fakes.memory_store import MemoryStore
from fakes.memory_stores import ALLOWED, MemoryStores, image_store
from fakes.world import KEY, World
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.imagejob import parse_job
from imagejob_operator.api.imagestore import ImageStore
from imagejob_operator.api.imagestore_status import StoreReason
from imagejob_operator.api.status import StagingStore
from imagejob_operator.ports.credentials import Credentials
from imagejob_operator.ports.imagejobs import Unavailable
from imagejob_operator.ports.object_store import (
    ChecksumMismatch,
    ObjectChanged,
    StoreDenied,
    StoreUnavailable,
)
from imagejob_operator.stores.allowed_endpoints import read_allowed
from imagejob_operator.stores.connector import Connector
from imagejob_operator.stores.registry import OwnStore, StoreRegistry
from imagejob_operator.stores.scoped_store import Part, ScopedStore

MEDIA = {"storeRef": {"name": "media"}}
ELSEWHERE = {**MEDIA, "destination": {"prefix": "out/", "storeRef": {"name": "archive"}}}


async def declared(world: World, name: str = "media", bucket: str = "tenant", **spec: Any) -> ImageStore:
    """An ImageStore that is ready."""
    world.stores.bucket(bucket, "key")
    world.stores.secret_of("key")
    store = image_store(name, bucket=bucket, **spec)
    readiness = await world.operator.stores.check(store)
    assert readiness.ready, readiness
    return store


def fill(world: World, bucket: str = "tenant", prefix: str = "") -> MemoryStore:
    store = world.stores.bucket(bucket).store
    store.set(f"{prefix}uploads/a.jpg", b"aaa", "image/any")
    store.set(f"{prefix}uploads/b.png", b"bb", "image/any")
    return store


# --- whole runs ------------------------------------------------------------------------------------------


async def test_a_run_in_a_store_of_its_own_leaves_the_operators_one_alone() -> None:
    world = World(sources={})
    world.store.objects.clear()
    await declared(world, prefix="media/")
    bucket = fill(world, prefix="media/")
    world.create(**MEDIA)
    await world.run()
    assert world.job.status.phase == "Succeeded", world.error()
    assert world.store.objects == {}
    assert world.job.status.run
    assert world.job.status.run.store == StagingStore("media", "uid-of-shop-media", "s3://tenant/media/")
    assert world.job.status.report.startswith(".imagejob/shop/spring/")
    assert bucket.keys("media/.imagejob-staging") == []
    reports = [key for key in bucket.objects if "/.imagejob/" in key]
    assert reports == [f"media/{world.job.status.report}"]
    assert len(bucket.keys("media/catalog/")) == 2


async def test_the_outputs_go_to_another_store_and_only_they() -> None:
    world = World(sources={})
    await declared(world)
    await declared(world, "archive", "archive", prefix="new/")
    bucket = fill(world)
    world.create(**ELSEWHERE)
    await world.run()
    assert world.job.status.phase == "Succeeded", world.error()
    archive = world.stores.bucket("archive").store
    assert len(archive.objects) == 2
    assert all(key.startswith("new/out/") for key in archive.objects)
    assert bucket.keys("out/") == []
    assert all(blob.headers.content_type for blob in archive.objects.values())


async def test_a_report_and_a_cleaning_do_not_wait_for_the_store_of_the_outputs() -> None:
    world = World(sources={})
    await declared(world)
    await declared(world, "archive", "archive")
    bucket = fill(world)
    archive = world.stores.bucket("archive").store
    archive.hooks.fail(StoreDenied("AccessDenied"), "put_from", about="b-web")
    world.create(**ELSEWHERE)
    await world.run(until=lambda: world.job.status.phase == "Failing")
    archive.hooks.fail(StoreUnavailable("away"))
    await world.run(within=10)
    assert world.error() == "JOB_007/DestinationDenied"
    assert world.job.status.report in bucket.objects
    assert bucket.keys(".imagejob-staging") == []


async def test_from_the_operators_own_store_to_a_tenants_one() -> None:
    world = World()
    await declared(world, "archive", "archive")
    world.create(destination={"prefix": "out/", "storeRef": {"name": "archive"}})
    await world.run()
    assert world.job.status.phase == "Succeeded", world.error()
    assert len(world.stores.bucket("archive").store.keys("out/")) == 2
    assert world.store.keys("shop/out/") == []


async def test_a_store_that_comes_within_its_grace_is_waited_for() -> None:
    world = World(sources={})
    fill(world)
    world.create(**MEDIA)
    await world.run(until=lambda: world.job.status.phase == "Pending" and bool(world.operator.queue.due))
    ready = world.job.status.condition("Ready")
    assert ready
    assert "there is no ImageStore 'media'" in ready.message
    world.clock.advance(200)
    await declared(world)
    await world.run()
    assert world.job.status.phase == "Succeeded", world.error()


async def test_the_grace_is_five_minutes_to_the_second() -> None:
    world = World(sources={})
    world.create(**MEDIA)
    seconds = await world.run(until=lambda: bool(world.job.status.error))
    assert world.error() == "JOB_001/StoreNotFound"
    assert seconds == pytest.approx(300, abs=1)


async def test_who_names_a_store_needs_no_leave_of_the_operators_one() -> None:
    world = World(sources={}, selector={"imagejob.dev/admitted": "true"})
    await declared(world)
    fill(world)
    world.create(**MEDIA)
    await world.run()
    assert world.job.status.phase == "Succeeded", world.error()


# --- credentials -----------------------------------------------------------------------------------------


async def rotated_in_mid_run() -> tuple[World, ImageStore]:
    """An active run, in a store whose credentials have changed since."""
    world = World(sources={})
    store = await declared(world)
    fill(world)
    world.create(**MEDIA)
    await world.run(until=lambda: world.job.status.phase == "Running")
    bucket = world.stores.bucket("tenant", "new")
    world.stores.secret_of("new")
    bucket.keys.discard(("key", "secret-of-key"))
    return world, store


async def test_rotation_in_mid_run_is_no_failure() -> None:
    world, _ = await rotated_in_mid_run()
    await world.run()
    assert world.job.status.phase == "Succeeded", world.error()


async def test_an_api_server_that_is_away_when_credentials_are_rotated_delays_and_nothing_more() -> None:
    world, _ = await rotated_in_mid_run()
    world.stores.hooks.fail(Unavailable("503"), "secret", times=3)
    await world.run()
    assert world.job.status.phase == "Succeeded", world.error()


async def test_who_was_started_after_a_rotation_waits_for_a_look_at_the_store() -> None:
    world, store = await rotated_in_mid_run()
    await world.restart()
    world.operator.stores.register(store)
    await world.run(until=lambda: says(world, "it has not been checked yet"))
    await world.operator.stores.check(store)
    await world.run()
    assert world.job.status.phase == "Succeeded", world.error()


def says(world: World, text: str) -> bool:
    reconciling = world.job.status.condition("Reconciling")
    return reconciling is not None and text in reconciling.message


async def test_credentials_that_are_revoked_in_mid_run_are_a_refusal() -> None:
    world = World(sources={})
    await declared(world)
    fill(world)
    world.create(**MEDIA)
    await world.run(until=lambda: world.job.status.phase == "Running")
    world.stores.bucket("tenant").keys.clear()
    await world.run(until=lambda: world.job.status.phase == "Failed")
    assert world.error() == "JOB_007/DestinationDenied"


async def taken_away_in_mid_run() -> tuple[World, MemoryStore]:
    """An active run whose Secret and ImageStore are gone."""
    world = World(sources={})
    store = await declared(world, prefix="here/")
    bucket = fill(world, prefix="here/")
    world.create(**MEDIA)
    await world.run(until=lambda: world.job.status.phase == "Running")
    assert bucket.keys("here/.imagejob-staging")
    world.stores.secrets.clear()
    world.operator.stores.forget(store.key)
    return world, bucket


async def test_staging_is_cleaned_when_secret_and_store_are_gone_before_the_job() -> None:
    world, bucket = await taken_away_in_mid_run()
    world.cluster.user_deletes(KEY)
    await world.run(until=lambda: world.cluster.job(KEY) is None)
    assert bucket.keys("here/.imagejob-staging") == []
    assert world.operator.telemetry.deferrals == []


PLACE = f"s3://tenant/here/.imagejob-staging/{FOLDER}/shop/"


async def test_a_deletion_is_let_go_when_the_credentials_are_gone_for_good() -> None:
    world, bucket = await taken_away_in_mid_run()
    await world.restart()
    world.cluster.user_deletes(KEY)
    assert await world.run(until=lambda: world.cluster.job(KEY) is None) == 60
    assert world.operator.telemetry.deferrals == [Reason.STORE_NOT_FOUND]
    (event,) = [e for e in world.cluster.events.values() if e.reason == "CleaningDeferred"]
    assert f"the ImageStore shop/media no longer exists, so the staged objects under {PLACE}" in event.message
    assert (
        "create one for the same bucket, or delete the objects, or rely on a lifecycle rule" in event.message
    )
    # An ImageStore of that place is all that the garbage collector needs.
    world.stores.secret_of("key")
    await world.operator.stores.check(image_store(bucket="tenant", prefix="here/", uid="another"))
    part = world.operator.stores.stores_to_sweep()["another"].store
    left = [found.key async for found in part.walk(f".imagejob-staging/{FOLDER}/shop/")]
    assert len(left) == len(bucket.keys("here/.imagejob-staging"))
    assert left


async def test_a_run_ends_when_the_credentials_of_its_staging_are_gone_for_good() -> None:
    world, _ = await taken_away_in_mid_run()
    await world.restart()
    world.cluster.edit(KEY, cancelRunID="1")
    seconds = await world.run(until=lambda: world.job.status.phase == "Cancelled")
    assert seconds == pytest.approx(60, abs=1)
    cleaned = world.job.status.condition("StagingCleaned")
    assert cleaned
    assert (cleaned.status, cleaned.reason) == ("False", "Deferred")
    assert (
        f"the ImageStore shop/media no longer exists, so the staged objects under {PLACE}" in cleaned.message
    )
    # What holds it up is something else by now, and the condition says so.
    await world.operator.stores.check(image_store(bucket="tenant", prefix="here/"))
    await world.run(until=lambda: "is not ready (SecretNotFound)" in cleaning(world))
    world.stores.secret_of("key")
    await world.operator.stores.check(image_store(bucket="tenant", prefix="here/"))
    await world.run()
    assert cleaning(world) == ""
    assert not world.job.guarded


def cleaning(world: World) -> str:
    cleaned = world.job.status.condition("StagingCleaned")
    assert cleaned
    return cleaned.message


async def test_a_secret_that_is_gone_is_named_by_the_deferral() -> None:
    world, _ = await taken_away_in_mid_run()
    await world.restart()
    await world.operator.stores.check(image_store(bucket="tenant", prefix="here/"))
    world.cluster.user_deletes(KEY)
    await world.run(until=lambda: world.cluster.job(KEY) is None)
    assert world.operator.telemetry.deferrals == [Reason.STORE_NOT_READY]
    (event,) = [e for e in world.cluster.events.values() if e.reason == "CleaningDeferred"]
    assert (
        "the ImageStore shop/media is not ready (SecretNotFound): there is no keys, so the staged objects"
        in event.message
    )
    assert "correct it, or delete the objects" in event.message


async def test_a_store_of_the_same_name_is_not_the_one_that_a_run_began_in() -> None:
    world = World(sources={})
    store = await declared(world)
    bucket = fill(world)
    world.create(**MEDIA)
    await world.run(until=lambda: world.job.status.phase == "Running")
    world.operator.stores.forget(store.key)
    other = world.stores.bucket("other", "key")
    await world.operator.stores.check(image_store(bucket="other", uid="another"))
    await world.run()
    assert world.job.status.phase == "Succeeded", world.error()
    assert other.store.keys() == []
    assert len(bucket.keys("catalog/")) == 2


# --- tenants ---------------------------------------------------------------------------------------------


def registry_of(stores: MemoryStores, allowed: Any = ALLOWED) -> StoreRegistry:
    own = OwnStore(stores.own, "PEM of the own one")
    connector = Connector(stores, stores.open, stores.exchange, allowed)
    return StoreRegistry(own, connector, FOLDER, list, lambda key: None)


def job_of(namespace: str, **spec: Any) -> Any:
    metadata = {"namespace": namespace, "name": "a", "uid": "u", "resourceVersion": "1"}
    return parse_job({"metadata": metadata, "spec": {**SPEC, **spec}})


async def test_a_name_is_looked_up_in_the_jobs_own_namespace_only() -> None:
    stores = MemoryStores(World().clock)
    registry = registry_of(stores)
    stores.bucket("shop", "key")
    stores.secret_of("key")
    assert (await registry.check(image_store())).ready
    stranger = job_of("other", **MEDIA)
    assert registry.views(stranger).failure
    with pytest.raises(StoreUnavailable, match="ImageStore other/media does not exist"):
        await registry.of(stranger)


@pytest.mark.parametrize(
    "key",
    [
        "other/secret.jpg",
        ".imagejob-staging/default/other/uid/1-1/in/000000",
        ".imagejob-staging/another/shop/uid/1-1/in/000000",
        ".imagejob/other/a/1.json",
        "shopping/a.jpg",
        "/shop/a.jpg",
        "",
    ],
)
async def test_a_run_has_no_key_of_anybody_else(key: str) -> None:
    stores = MemoryStores(World().clock)
    stores.own.set(key, b"secret")
    store = await registry_of(stores).of(job_of("shop"))
    with pytest.raises(StoreDenied, match="outside"):
        await store.read(key, 100)
    with pytest.raises(StoreDenied, match="outside"):
        await store.put(key, b"x", "text/plain")
    with pytest.raises(StoreDenied, match="outside"):
        store.sign_get(key, timedelta(minutes=1))
    with pytest.raises(StoreDenied, match="outside"):
        store.sign_post(key, 1, timedelta(minutes=1))
    with pytest.raises(StoreDenied, match="outside"):
        _ = [found async for found in store.walk(key)]


async def test_the_operators_folders_are_no_sources_of_a_store() -> None:
    stores = MemoryStores(World().clock)
    registry = registry_of(stores)
    bucket = stores.bucket("shop", "key").store
    stores.secret_of("key")
    await registry.check(image_store())
    for key in (".imagejob/a", ".imagejob-staging/b", ".images/c"):
        bucket.set(key, b"x")
    store = await registry.of(job_of("shop", **MEDIA))
    assert [found.key async for found in store.walk("shop/.im")] == ["shop/.images/c"]


# --- readiness of a store ----------------------------------------------------------------------------------


def nothing(stores: MemoryStores) -> None:
    """All is well."""


def unknown_key(stores: MemoryStores) -> None:
    stores.secret_of("stranger")


def no_permission(stores: MemoryStores) -> None:
    stores.permitted = False


def empty_secret(stores: MemoryStores) -> None:
    stores.secrets["shop", "keys"] = {"access-key": "a"}


def odd_secret(stores: MemoryStores) -> None:
    stores.secrets["shop", "keys"] = {"access-key": "a\nb", "secret-key": "s"}


def odd_token(stores: MemoryStores) -> None:
    stores.secrets["shop", "keys"] = {"access-key": "a", "secret-key": "s", "session-token": "ü"}


def away(stores: MemoryStores) -> None:
    stores.bucket("shop").store.hooks.fail(StoreUnavailable("no answer"), "folders")


IDENTITY = {"webIdentity": {"serviceAccountName": "robot", "endpoint": "store.example"}}
UNKNOWN_ACCOUNT = {"webIdentity": {"serviceAccountName": "unknown", "endpoint": "store.example"}}
BUNDLE = {"tls": {"caBundleRef": {"name": "authority"}}}


@pytest.mark.parametrize(
    ("spec", "broken", "reason"),
    [
        ({}, nothing, StoreReason.READY),
        ({"bucket": "X"}, nothing, StoreReason.INVALID_SPEC),
        ({"endpoint": "internal:9000"}, nothing, StoreReason.ENDPOINT_NOT_ALLOWED),
        ({"podEndpoint": "internal:9000"}, nothing, StoreReason.ENDPOINT_NOT_ALLOWED),
        ({"tls": {"mode": "Disabled"}}, nothing, StoreReason.ENDPOINT_NOT_ALLOWED),
        ({"auth": {"secretRef": {"name": "none"}}}, nothing, StoreReason.SECRET_NOT_FOUND),
        ({}, empty_secret, StoreReason.SECRET_INVALID),
        ({}, odd_secret, StoreReason.SECRET_INVALID),
        ({}, odd_token, StoreReason.SECRET_INVALID),
        ({}, no_permission, StoreReason.NOT_PERMITTED),
        ({}, unknown_key, StoreReason.CREDENTIALS_REFUSED),
        ({"bucket": "nowhere"}, nothing, StoreReason.BUCKET_NOT_FOUND),
        ({}, away, StoreReason.UNREACHABLE),
        (BUNDLE, nothing, StoreReason.CONFIG_MAP_NOT_FOUND),
        ({"tls": {"caBundle": "broken"}}, nothing, StoreReason.CA_BUNDLE_INVALID),
        ({"auth": IDENTITY}, nothing, StoreReason.READY),
        ({"auth": UNKNOWN_ACCOUNT}, nothing, StoreReason.SERVICE_ACCOUNT_NOT_FOUND),
    ],
)
async def test_its_readiness(spec: dict[str, Any], broken: Any, reason: StoreReason) -> None:
    stores = MemoryStores(World().clock)
    stores.bucket("shop", "key").keys.add(("temporary", "t"))
    stores.secret_of("key")
    stores.accounts.add(("shop", "robot"))
    broken(stores)
    readiness = await registry_of(stores).check(image_store(**spec))
    assert readiness.reason is reason
    assert readiness.ready or readiness.message


async def test_a_config_map_without_the_entry_is_reported() -> None:
    stores = MemoryStores(World().clock)
    stores.config_maps["shop", "authority"] = {"other": "PEM"}
    readiness = await registry_of(stores).check(image_store(**BUNDLE))
    assert readiness.reason is StoreReason.CA_BUNDLE_INVALID
    assert "no key 'ca.crt'" in readiness.message


async def test_pods_get_the_ca_bundle_of_their_store() -> None:
    stores = MemoryStores(World().clock)
    stores.bucket("shop", "key")
    stores.secret_of("key")
    stores.config_maps["shop", "authority"] = {"ca.crt": "PEM"}
    registry = registry_of(stores)
    assert (await registry.check(image_store(**BUNDLE))).ready
    assert registry.ca_bundle(job_of("shop", **MEDIA)) == "PEM"
    assert registry.ca_bundle(job_of("shop")) == "PEM of the own one"


@pytest.mark.parametrize(
    ("entry", "endpoint", "secure", "admitted"),
    [
        ("s3.example", "s3.example", True, True),
        ("s3.example", "S3.example:443", True, True),
        ("s3.example", "s3.example", False, False),
        ("s3.example", "s3.example:444", True, False),
        ("s3.example", "a.s3.example", True, False),
        ("*.s3.example", "a.s3.example", True, True),
        ("*.s3.example", "s3.example", True, False),
        ("*.s3.example", "evils3.example", True, False),
        ("http://minio:9000", "minio:9000", False, True),
        ("http://minio:9000", "minio:9000", True, False),
        ("https://s3.example:8443", "s3.example:8443", True, True),
    ],
)
def test_an_endpoint_is_allowed(entry: str, endpoint: str, secure: bool, admitted: bool) -> None:
    assert read_allowed(entry).admits(endpoint, secure) is admitted


@pytest.mark.parametrize("entry", ["", "*", "*.", "ftp://a", "a/b", "a b", "http://", "**.a"])
def test_an_entry_that_is_none_is_refused(entry: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011  (the message is the entry itself)
        read_allowed(entry)
    assert str(caught.value) == entry


# --- from one store to another ---------------------------------------------------------------------------


def across() -> tuple[ScopedStore, MemoryStore, MemoryStore]:
    one, other = MemoryStore(), MemoryStore()
    return ScopedStore([Part("a/", one, "x/"), Part("b/", other, "y/")]), one, other


async def test_what_passes_through_is_verified_by_its_hash() -> None:
    store, one, other = across()
    one.set("x/1", b"data")
    seen = await store.stat("a/1")
    copied = await store.copy(seen, "b/2")
    assert (copied.key, other.objects["y/2"].data) == ("b/2", b"data")
    with pytest.raises(ChecksumMismatch):
        await store.copy(replace(seen, sha256="0" * 64), "b/3")
    with pytest.raises(ObjectChanged):
        await store.copy(replace(seen, size=3), "b/3")
    with pytest.raises(ObjectChanged):
        await store.copy(replace(seen, etag="other"), "b/3")
    assert other.keys() == ["y/2"]


async def test_within_one_store_it_is_the_stores_own_copy() -> None:
    store, one, _ = across()
    one.set("x/1", b"data")
    await store.copy(await store.stat("a/1"), "a/2")
    assert [call for call in one.hooks.calls if call[0] in ("copy", "put_from")] == [("copy", "x/2")]


def test_a_form_is_for_the_stores_own_keys() -> None:
    store, _, _ = across()
    assert store.sign_post("a/out/", 1, timedelta(minutes=1)).key_prefix == "x/out/"


async def test_temporary_credentials_are_not_shown() -> None:
    shown = repr(Credentials("access", "hidden", "session"))
    assert not any(word in shown for word in ("access'", "hidden", "session'"))
