"""The cluster does not let the Pods run: each case ends with its own code and reason."""

from __future__ import annotations

from e2e.world import Job, Shop, image_job, until, verdict


def refused(shop: Shop, job: Job, seconds: float = 60) -> Job:
    """Apply, wait for the end, and hold what is left against nothing."""
    shop.upload_photos("china.jpg")
    name = shop.apply(job)
    ended = shop.await_end(name, seconds)
    assert shop.staging() == []
    assert shop.outputs() == []
    assert [e.type for e in shop.events(name)] == ["Warning"]
    return ended


def china(**execution: object) -> Job:
    return image_job({"keys": ["photos/china.jpg"]}, execution={"retriesPerShard": 0, **execution})


def admit_no_pods(shop: Shop) -> None:
    core = shop.world.core
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    core.create_namespaced_resource_quota(shop.name, quota)

    def in_force() -> object:
        return core.read_namespaced_resource_quota("none", shop.name).status.hard

    until("the quota is in force", in_force, 30)


def test_quota(shop: Shop) -> None:
    admit_no_pods(shop)
    job = refused(shop, china(startDeadlineSeconds=5))
    assert verdict(job) == ("Failed", "JOB_003", "QuotaExceeded")
    assert "exceeded quota: none" in job["status"]["error"]["message"]


def test_a_quota_that_is_lifted_in_time(shop: Shop) -> None:
    admit_no_pods(shop)
    shop.upload_photos("china.jpg")
    name = shop.apply(china())
    shop.await_phase(name, "Launching")
    shop.world.core.delete_namespaced_resource_quota("none", shop.name)
    job = shop.await_end(name)
    assert verdict(job) == ("Succeeded", "", "")
    assert job["status"]["run"]["shards"]["attempts"] == "0=1"


def test_a_pod_that_admission_refuses(shop: Shop) -> None:
    job = refused(shop, china(podTemplate={"priorityClassName": "no-such-class"}))
    assert verdict(job) == ("Failed", "JOB_003", "PodRejected")
    assert "no-such-class" in job["status"]["error"]["message"]


def test_unschedulable(shop: Shop) -> None:
    job = refused(shop, china(startDeadlineSeconds=5, podTemplate={"nodeSelector": {"no": "such-node"}}))
    assert verdict(job) == ("Failed", "JOB_003", "Unschedulable")


def test_too_little_memory(shop: Shop) -> None:
    little = {"requests": {"cpu": "100m", "memory": "20Mi"}, "limits": {"memory": "20Mi"}}
    job = refused(shop, china(podTemplate={"resources": little}))
    assert verdict(job) == ("Failed", "JOB_005", "OutOfMemory")


def test_image_that_cannot_be_pulled(shop: Shop) -> None:
    image = {"IMAGEJOB_PROCESSOR_IMAGE": "localhost/no-such:dev", "IMAGEJOB_START_GRACE_SECONDS": "10"}
    with shop.world.operator_environment(**image):
        job = refused(shop, china())
    assert verdict(job) == ("Failed", "JOB_003", "ImagePullFailed")
    assert "localhost/no-such:dev" in job["status"]["error"]["message"]


def test_image_name_that_is_none(shop: Shop) -> None:
    with shop.world.operator_environment(IMAGEJOB_PROCESSOR_IMAGE="UPPER CASE"):
        job = refused(shop, china())
    assert verdict(job) == ("Failed", "JOB_003", "InvalidImageName")
