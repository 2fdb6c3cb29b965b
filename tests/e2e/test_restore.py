"""Restored backups: an ImageJob with a new uid and the old status, and an etcd that takes a status back."""

from __future__ import annotations

import io
import uuid

from e2e.world import GROUP, PLURAL, VERSION, Job, Shop, image_job, until, verdict


def test_a_restored_job_is_a_new_one(shop: Shop) -> None:
    keys = shop.upload_photos("china.jpg")
    old = str(uuid.uuid4())
    prefix = f"{shop.world.own_staging()}{shop.name}/{old}/4-1/"
    store = shop.world.store
    store.client.put_object(store.bucket, f"{prefix}in/000000", io.BytesIO(b"theirs"), 6)
    body = image_job({"keys": keys})
    body["metadata"]["finalizers"] = ["imagejob.dev/staging"]
    body["spec"]["suspend"] = True  # so that the old status is there before anything begins
    where = (GROUP, VERSION, shop.name, PLURAL)
    shop.world.objects.create_namespaced_custom_object(*where, body)
    shop.await_phase("job", "Suspended")
    status = {
        "observedGeneration": 1,
        "phase": "Failing",
        "run": {"id": "1", "number": 4, "epoch": 1},
        "staging": {"prefix": prefix, "objects": 1, "bytes": 6},
        "error": {"code": "JOB_005", "reason": "Crashed", "message": "of before"},
    }
    shop.world.objects.patch_namespaced_custom_object_status(*where, "job", {"status": status})
    until(
        "the old status is taken back",
        lambda: verdict(shop.get("job")) == ("Suspended", "", ""),
        30,
        lambda: str(shop.get("job").get("status")),
    )
    shop.world.objects.patch_namespaced_custom_object(*where, "job", {"spec": {"suspend": False}})
    job = shop.await_end("job")
    assert verdict(job) == ("Succeeded", "", "")
    assert job["status"]["run"]["number"] == 5
    assert len(shop.outputs()) == 1
    assert shop.staging() == [f"{prefix}in/000000"], "another uid's staging is not ours to delete"
    store.client.remove_object(store.bucket, f"{prefix}in/000000")


def test_a_run_whose_number_was_taken_back_runs_again(shop: Shop) -> None:
    """After a restore of etcd, the report of the old run 2 is there when another run 2 starts."""
    keys = shop.upload_photos("china.jpg")
    shop.apply(image_job({"keys": keys}))
    before = shop.await_end("job")["status"]
    where = (GROUP, VERSION, shop.name, PLURAL, "job")
    shop.world.objects.patch_namespaced_custom_object(*where, {"spec": {"run": {"id": "2"}}})
    second = shop.await_job("job", lambda job: succeeded_as(job, 2), "success of run 2")
    old = second["status"]["run"]["uid"]
    assert old != before["run"]["uid"]
    for key in shop.outputs():
        shop.remove(key)
    shop.world.objects.patch_namespaced_custom_object_status(*where, {"status": before})
    again = shop.await_job(
        "job", lambda job: succeeded_as(job, 2) and job["status"]["run"]["uid"] != old, "another run 2"
    )
    assert again["status"]["report"] != second["status"]["report"]
    assert len(shop.outputs()) == 1, "its success is its own"


def succeeded_as(job: Job, number: int) -> bool:
    """Whether the run with a number has succeeded."""
    return verdict(job) == ("Succeeded", "", "") and job["status"]["run"]["number"] == number
