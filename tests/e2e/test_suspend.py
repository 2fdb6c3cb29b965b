"""A run rests and goes on, or is cancelled by its id, on a real cluster."""

from __future__ import annotations

from pathlib import Path

import yaml

from e2e.world import LARGE, Job, Shop, condition, image_job, phase, until, verdict

EXAMPLE = Path(__file__).parents[2] / "examples" / "suspended.yaml"


def wish(shop: Shop, name: str, **spec: object) -> None:
    """Change a job as a user does."""
    shop.world.objects.patch_namespaced_custom_object(
        "imagejob.dev", "v1alpha1", shop.name, "imagejobs", name, {"spec": spec}
    )


def rests(job: Job) -> bool:
    return phase(job) == "Suspended" and condition(job, "StagingCleaned") == "True"


def test_a_running_job_is_suspended_and_goes_on(shop: Shop, large_photo: bytes) -> None:
    keys = shop.upload_copies(large_photo, 8)
    pods = {"parallelism": 2, "itemsPerPod": 2}
    name = shop.apply(image_job({"keys": keys}, renditions=[LARGE], execution=pods))
    shop.await_phase(name, "Running")
    wish(shop, name, suspend=True)
    resting = shop.await_job(name, rests, "suspended and cleaned", seconds=90)
    shop.await_clean()
    assert (condition(resting, "Ready"), condition(resting, "Finished")) == ("False", "False")
    assert condition(resting, "Reconciling") == ""
    assert resting["status"]["run"]["epoch"] == 1
    assert shop.outputs() == []

    wish(shop, name, suspend=False)
    job = shop.await_end(name, seconds=120)
    assert verdict(job) == ("Succeeded", "", "")
    assert (job["status"]["run"]["number"], job["status"]["run"]["epoch"]) == (1, 2)
    assert len(shop.outputs()) == len(keys)
    shop.await_clean()
    assert [(e.type, e.reason) for e in shop.await_events(name)] == [("Normal", "Succeeded")]


def test_the_example_rests_until_it_is_let_go_on(shop: Shop) -> None:
    since = shop.world.audit.mark()
    name = shop.apply(yaml.safe_load(EXAMPLE.read_text()))
    shop.await_phase(name, "Suspended")
    assert shop.leaks() == []
    created = [w for w in shop.world.audit.writes(since, namespace=shop.name) if w.verb == "create"]
    assert created == []
    wish(shop, name, suspend=False)
    assert verdict(shop.await_end(name)) == ("Succeeded", "", "")
    assert shop.outputs("icons/") == ["icons/logo-64px.png"]


def test_a_delete_while_suspended(shop: Shop) -> None:
    name = shop.apply(image_job({"keys": shop.upload_photos("china.jpg")}, suspend=True))
    shop.await_phase(name, "Suspended")
    shop.delete(name, seconds=60)
    shop.await_clean()


def test_exactly_the_named_run_is_cancelled(shop: Shop, large_photo: bytes) -> None:
    keys = shop.upload_copies(large_photo, 8)
    name = shop.apply(image_job({"keys": keys}, renditions=[LARGE], execution={"parallelism": 1}))
    shop.await_phase(name, "Running")
    wish(shop, name, cancelRunID="1")
    job = shop.await_end(name, seconds=90)
    assert verdict(job) == ("Cancelled", "JOB_008", "Cancelled")
    assert condition(job, "StagingCleaned") == "True"
    assert shop.outputs() == []
    until("its Pods are gone", lambda: not shop.pods(), 30)
    assert shop.report(job)["outcome"] == "Cancelled"

    wish(shop, name, run={"id": "2"})
    again = shop.await_job(name, lambda j: verdict(j)[0] == "Succeeded", "the success of run 2", seconds=120)
    assert again["status"]["run"]["number"] == 2
    assert again["spec"]["cancelRunID"] == "1"
    assert len(shop.outputs()) == len(keys)
