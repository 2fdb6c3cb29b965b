"""The store, or the credentials for it, are away: jobs wait, fail by their deadline, or are let go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from demo import photos, stack
from e2e.tenants import Tenant
from e2e.world import LARGE, OperatorProcess, Shop, World, image_job, phase, reason, until, verdict

BUDGET = 8


@pytest.fixture(scope="module", autouse=True)
def operator(world: World) -> Iterator[None]:
    with world.operator_environment(IMAGEJOB_CLEANING_BUDGET_SECONDS=str(BUDGET)):
        yield


def test_down_at_start(shop: Shop) -> None:
    keys = shop.upload_photos("china.jpg")
    with shop.world.store_outage():
        hurried = {"destination": {"prefix": "hurried/"}, "execution": {"stagingDeadlineSeconds": 5}}
        shop.apply(image_job({"keys": keys}, name="hurried", **hurried))
        shop.apply(image_job({"keys": keys}, name="patient", destination={"prefix": "patient/"}))
        hurried_job = shop.await_end("hurried", seconds=3 * (5 + BUDGET))
        assert verdict(hurried_job) == ("Failed", "JOB_002", "StoreUnavailable")
        waiting = shop.get("patient")
        assert phase(waiting) == "Staging"
        reconciling = next(c for c in waiting["status"]["conditions"] if c["type"] == "Reconciling")
        assert "the store cannot be reached" in reconciling["message"]

    assert verdict(shop.await_end("patient", seconds=90)) == ("Succeeded", "", "")
    assert shop.outputs("patient/") == ["patient/photos/china-thumb.jpg"]
    assert shop.outputs("hurried/") == []


def test_down_when_a_job_is_deleted(shop: Shop, large_photo: bytes) -> None:
    keys = shop.upload_copies(large_photo, 8)
    name = shop.apply(image_job({"keys": keys}, renditions=[LARGE], execution={"parallelism": 1}))
    shop.await_phase(name, "Running")
    assert shop.staging()
    with shop.world.store_outage():
        asked = shop.world.audit.mark()
        shop.start_deletion(name)
        shop.await_job(name, lambda job: phase(job) == "Deleting", "the deletion is a phase", 5)
        named = shop.await_job(
            name, lambda job: reason(job) == "StoreUnavailable", "what it waits for is named", 2 * BUDGET
        )
        assert phase(named) == "Deleting"
        shop.await_gone(name, 3 * BUDGET)
        until("Pods and Secrets are gone", lambda: not shop.pods() + shop.secrets(), 30)
        assert [(e.type, e.reason) for e in shop.events(name)] == [("Warning", "CleaningDeferred")]
        released = [
            w for w in shop.world.audit.writes(asked, namespace=shop.name) if w.resource == "imagejobs"
        ]
        assert [w.verb for w in released] == ["patch"]
        shown = [w for w in shop.world.audit.writes(asked, namespace=shop.name) if "status" in w.resource]
        assert len(shown) <= 6, "a status is written when something new is known"
    # The staged objects are still there; the garbage collector deletes them, here the test does.
    store = shop.world.store
    for key in shop.staging():
        store.client.remove_object(store.bucket, key)


def test_the_credentials_are_gone_when_a_job_is_deleted(shop: Shop) -> None:
    """Secret and ImageStore are deleted, and so is the operator that had the credentials in memory."""
    with closing(Tenant(shop)) as tenant:
        tenant.upload("photos/china.jpg", photos.photo("china.jpg"))
        tenant.declare()
        tenant.await_reason("Ready")
        shop.set_quota(pods="0")
        name = shop.apply(image_job({"keys": ["photos/china.jpg"]}, storeRef={"name": "media"}))
        shop.await_phase(name, "Launching")
        shop.world.core.delete_namespaced_secret("keys", shop.name)
        shop.delete_store("media")
        operator = OperatorProcess(shop.world)
        operator.kill()
        operator.replace()
        shop.world.await_operator()
        shop.delete(name, seconds=3 * BUDGET)
        (event,) = shop.events(name)
        assert (event.type, event.reason) == ("Warning", "CleaningDeferred")
        assert f"the ImageStore {shop.name}/media no longer exists" in event.message
        assert f"s3://{tenant.bucket}/.imagejob-staging/" in event.message
        assert tenant.keys(".imagejob-staging/"), "nothing could delete it"


def test_the_store_keeps_its_objects_when_its_pod_is_replaced(shop: Shop) -> None:
    (key,) = shop.upload_photos("china.jpg")
    before = shop.world.pod_of(stack.STORE).metadata
    shop.world.core.delete_namespaced_pod(before.name, before.namespace)
    stack.await_rollout(shop.world.kubectl, stack.STORE)
    assert shop.world.pod_of(stack.STORE).metadata.uid != before.uid
    shop.world.await_store()
    assert shop.read(f"{shop.name}/{key}") == photos.photo("china.jpg")
