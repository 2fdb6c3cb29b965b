"""Flux applies, keeps, reports and prunes ImageJobs: its own controllers, on a real cluster (`make flux`)."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from e2e.flux import judgement
from e2e.flux.controllers import ACCOUNT
from e2e.flux.judgement import message, readiness
from e2e.flux.repository import Repository
from e2e.tenants import Tenant
from e2e.world import GROUP, LARGE, PLURAL, VERSION, Job, image_job, phase, until, verdict

BLUR = {"name": "thumb", "steps": [{"blur": {"radiusPixels": 12}}], "output": {"format": "JPEG"}}
"""Another rendition than the one of image_job()."""
FOREIGN = "test.imagejob.dev/never-released"


def by_hand(fleet: Repository, **spec: Any) -> None:
    """Change a job as a client does that is not Flux."""
    objects = fleet.shop.world.objects
    objects.patch_namespaced_custom_object(GROUP, VERSION, fleet.shop.name, PLURAL, "job", {"spec": spec})


def small(fleet: Repository, **spec: Any) -> Job:
    """A job over one photo."""
    return image_job({"keys": fleet.shop.upload_photos("china.jpg")}, **spec)


def long(fleet: Repository, photo: bytes, **spec: Any) -> Job:
    """A job that runs for some seconds."""
    pods = {"parallelism": 1, "itemsPerPod": 3}
    return image_job(
        {"keys": fleet.shop.upload_copies(photo, 12)}, renditions=[LARGE], execution=pods, **spec
    )


def applied(fleet: Repository, since: int) -> list[str]:
    """Writes of Flux to ImageJobs of the namespace, beyond the first."""
    writes = fleet.shop.world.audit.writes(since, user=ACCOUNT, namespace=fleet.shop.name)
    return judgement.applied_again(writes)


def run_id(job: Job) -> str:
    return str(job.get("status", {}).get("run", {}).get("id", ""))


def exists(fleet: Repository) -> bool:
    found = fleet.shop.world.objects.list_namespaced_custom_object(GROUP, VERSION, fleet.shop.name, PLURAL)
    return bool(found["items"])


# --- apply -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(itertools.permutations(["job", "store", "rights"])), ids="-".join)
def test_a_job_its_store_and_its_secret_are_committed_in_any_order(
    fleet: Repository, order: tuple[str, ...]
) -> None:
    tenant = Tenant(fleet.shop)
    try:
        (key,) = fleet.shop.upload_photos("china.jpg")
        tenant.upload(key, fleet.shop.read(f"{fleet.shop.name}/{key}"))
        files = {
            "job": [image_job({"keys": [key]}, storeRef={"name": "media"})],
            "store": [tenant.manifest()],
            "rights": [tenant.credentials(), *tenant.permission()],
        }
        fleet.follow(wait=False)
        for name in order:
            fleet.commit(**{name: files[name]})
            assert readiness(fleet.sync())[0] == "True", message(fleet.state())
        assert verdict(fleet.shop.await_end("job", 100)) == ("Succeeded", "", "")
        fleet.change(wait=True)
        fleet.await_ready()
        fleet.remove()
    finally:
        tenant.close()


# --- sync again ------------------------------------------------------------------------------------------


def test_syncs_of_a_job_that_has_ended_write_nothing(fleet: Repository) -> None:
    fleet.commit(job=small(fleet))
    since = fleet.shop.world.audit.mark()
    fleet.follow()
    fleet.await_ready()
    before = fleet.shop.get("job")
    assert verdict(before) == ("Succeeded", "", "")
    for _ in range(3):
        assert readiness(fleet.sync())[0] == "True"
    after = fleet.shop.get("job")
    assert judgement.changes(before, after) == []
    assert judgement.reverted(after) == []
    assert applied(fleet, since) == []


def test_syncs_of_a_job_that_runs_take_nothing_back(fleet: Repository, large_photo: bytes) -> None:
    fleet.commit(job=long(fleet, large_photo))
    since = fleet.shop.world.audit.mark()
    fleet.follow(wait=False)
    fleet.shop.await_phase("job", "Running")
    for _ in range(3):
        assert readiness(fleet.sync())[0] == "True"
    assert judgement.reverted(fleet.shop.get("job")) == []
    ended = fleet.shop.await_end("job", 100)
    assert verdict(ended) == ("Succeeded", "", "")
    assert ended["status"]["run"]["number"] == 1
    assert applied(fleet, since) == []


# --- changes by hand -------------------------------------------------------------------------------------


def test_a_field_of_the_repository_that_was_changed_by_hand_is_put_back(fleet: Repository) -> None:
    fleet.commit(job=small(fleet, execution={"parallelism": 2}))
    fleet.follow()
    fleet.await_ready()
    by_hand(fleet, execution={"parallelism": 1})
    assert readiness(fleet.sync())[0] == "True"
    job = fleet.shop.get("job")
    assert job["spec"]["execution"]["parallelism"] == 2
    assert job["status"]["run"]["number"] == 1, "no other run for it"


def test_a_run_that_was_started_by_hand_is_followed_by_one_of_the_repository(fleet: Repository) -> None:
    fleet.commit(job=small(fleet, run={"id": "first"}))
    fleet.follow()
    fleet.await_ready()
    by_hand(fleet, run={"id": "by-hand"}, renditions=[BLUR])
    fleet.shop.await_job("job", lambda job: run_id(job) == "by-hand", "a run by hand")
    fleet.sync()
    fleet.await_ready()
    job = fleet.shop.await_job("job", lambda job: run_id(job) == "first", "the old run id")
    assert job["spec"]["renditions"] == small(fleet)["spec"]["renditions"]


def test_a_change_without_a_new_run_is_reported_and_the_job_stays(fleet: Repository) -> None:
    fleet.commit(job=small(fleet))
    fleet.follow()
    fleet.await_ready()
    before = fleet.shop.get("job")
    fleet.commit(job=small(fleet, renditions=[BLUR]))
    refused = fleet.sync()
    assert readiness(refused) == ("False", "ReconciliationFailed")
    assert "to change the spec, give spec.run.id a new value" in message(refused)
    assert judgement.changes(before, fleet.shop.get("job")) == []
    fleet.commit(job=small(fleet, renditions=[BLUR], run={"id": "2"}))
    fleet.sync()
    fleet.await_ready()
    assert fleet.shop.get("job")["status"]["run"]["number"] == 2


def test_a_change_of_an_immutable_field_is_reported_and_the_job_stays(fleet: Repository) -> None:
    fleet.commit(job=small(fleet))
    fleet.follow()
    fleet.await_ready()
    before = fleet.shop.get("job")
    fleet.commit(job=small(fleet, **{"class": "another"}))
    refused = fleet.sync()
    assert readiness(refused) == ("False", "ReconciliationFailed")
    assert "spec.class is immutable" in message(refused)
    assert judgement.changes(before, fleet.shop.get("job")) == []


# --- health ----------------------------------------------------------------------------------------------


def test_a_job_that_fails_is_reported_at_once_and_a_new_run_makes_it_ready(fleet: Repository) -> None:
    fleet.shop.upload("photos/china.jpg", b"this is no picture")
    bad = image_job({"keys": ["photos/china.jpg"]})
    fleet.commit(job=bad)
    fleet.follow(timeout="30m")
    fleet.await_state(
        lambda found: readiness(found) == ("False", "HealthCheckFailed"), "the failure is reported", 90
    )
    assert phase(fleet.shop.get("job")) == "Failed"
    assert f"ImageJob/{fleet.shop.name}/job status: 'Failed'" in message(fleet.state())
    fleet.commit(job=small(fleet, run={"id": "2"}))
    fleet.await_ready()
    assert verdict(fleet.shop.get("job")) == ("Succeeded", "", "")


def test_a_commit_waits_until_the_check_of_the_last_one_has_failed(fleet: Repository) -> None:
    """test_waiting.py has the setting with which it does not wait."""
    job = small(fleet, suspend=True)
    fleet.commit(job=job)
    fleet.follow(timeout="20s")
    fleet.shop.await_phase("job", "Suspended")
    job["spec"]["suspend"] = False
    fleet.commit(job=job)
    fleet.await_ready()
    resumed = fleet.shop.get("job")
    assert phase(resumed) == "Succeeded"
    assert judgement.waited(resumed) >= 20, "the timeout of the Kustomization"


# --- prune -----------------------------------------------------------------------------------------------


def test_a_running_job_that_is_removed_leaves_nothing(fleet: Repository, large_photo: bytes) -> None:
    fleet.commit(job=long(fleet, large_photo))
    fleet.follow(wait=False)
    fleet.shop.await_phase("job", "Running")
    assert fleet.shop.staging()
    assert fleet.shop.pods()
    fleet.commit("job")
    assert readiness(fleet.sync())[0] == "True"
    until("the prune leaves nothing", lambda: not fleet.left(), 60, lambda: str(fleet.left()))
    assert fleet.shop.outputs() == []


def test_outputs_outlive_a_job_that_is_removed(fleet: Repository) -> None:
    fleet.commit(job=small(fleet))
    fleet.follow()
    fleet.await_ready()
    outputs, report = fleet.shop.outputs(), fleet.shop.get("job")["status"]["report"]
    assert len(outputs) == 1
    fleet.commit("job")
    assert readiness(fleet.sync())[0] == "True"
    until("the prune leaves nothing", lambda: not fleet.left(), 60, lambda: str(fleet.left()))
    assert fleet.shop.outputs() == outputs
    assert fleet.shop.read(report)


def test_a_kustomization_that_is_deleted_waits_for_the_finalizer(
    fleet: Repository, large_photo: bytes
) -> None:
    fleet.commit(job=long(fleet, large_photo))
    fleet.follow(wait=False, deletionPolicy="WaitForTermination")
    fleet.shop.await_phase("job", "Running")
    fleet.remove(100)
    assert not exists(fleet), "the Kustomization has gone before its ImageJob"
    fleet.shop.await_clean()


def test_a_finalizer_that_is_never_released_is_found(fleet: Repository) -> None:
    """A planted fault: the check of the tests above must not pass."""
    fleet.commit(job=small(fleet))
    fleet.follow()
    fleet.await_ready()
    where = (GROUP, VERSION, fleet.shop.name, PLURAL, "job")
    objects = fleet.shop.world.objects
    kept = fleet.shop.get("job")["metadata"].get("finalizers", [])
    objects.patch_namespaced_custom_object(*where, {"metadata": {"finalizers": [*kept, FOREIGN]}})
    try:
        fleet.commit("job")
        assert readiness(fleet.sync())[0] == "True", "Flux does not wait for what it prunes"
        until("the operator has released its own", lambda: _finalizers(fleet) == [FOREIGN], 60)
        assert fleet.left() == [f"the ImageJob exists: deleted, finalizers {[FOREIGN]}"]
    finally:
        objects.patch_namespaced_custom_object(*where, {"metadata": {"finalizers": None}})
    until("the prune leaves nothing", lambda: not fleet.left(), 30, lambda: str(fleet.left()))


def _finalizers(fleet: Repository) -> list[str]:
    found: list[str] = fleet.shop.get("job")["metadata"].get("finalizers", [])
    return found
