"""Pods that a queue holds back, with the test in Kueue's place; and a parallelism that changes on the way."""

from __future__ import annotations

from kubernetes import client

from e2e.test_suspend import wish
from e2e.world import LARGE, ROOMY, Job, Shop, image_job, until, verdict

GATE = "kueue.x-k8s.io/admission"


def is_queued(job: Job) -> bool:
    return "queuedSince" in job.get("status", {}).get("run", {})


def admit(shop: Shop) -> int:
    """Take the gate from every Pod, as Kueue does when it admits one; how many had it."""
    core, admitted = shop.world.core, 0
    for pod in core.list_namespaced_pod(shop.name).items:
        if pod.spec.scheduling_gates:
            assert [gate.name for gate in pod.spec.scheduling_gates] == [GATE]
            assert pod.metadata.labels["kueue.x-k8s.io/queue-name"] == "team-a"
            patch = {"spec": {"schedulingGates": [{"name": GATE, "$patch": "delete"}]}}
            core.patch_namespaced_pod(pod.metadata.name, shop.name, patch)
            admitted += 1
    return admitted


def test_a_queue_holds_the_pods_back_and_lets_them_go(shop: Shop) -> None:
    keys = shop.upload_photos("china.jpg", "coffee.png")
    pods = {"queueName": "team-a", "itemsPerPod": 1, "parallelism": 2, "startDeadlineSeconds": 30}
    name = shop.apply(image_job({"keys": keys}, execution=pods))
    queued = shop.await_job(name, is_queued, "held back by the queue")
    ready = next(c for c in queued["status"]["conditions"] if c["type"] == "Ready")
    assert "the queue 'team-a' is holding back the Pods" in ready["message"]
    until("both Pods are there", lambda: len(shop.pods()) == 2, 30)
    assert admit(shop) == 2
    job = shop.await_end(name)
    assert verdict(job) == ("Succeeded", "", "")
    assert not is_queued(job)
    assert "releasedAt" in job["status"]["run"]
    assert len(shop.outputs()) == 2


def test_more_pods_at_once_during_a_run(shop: Shop, large_photo: bytes) -> None:
    keys = shop.upload_copies(large_photo, 6)
    pods = {"parallelism": 1, "itemsPerPod": 1, "podTemplate": ROOMY}
    name = shop.apply(image_job({"keys": keys}, renditions=[LARGE], execution=pods))
    shop.await_phase(name, "Running")

    def live() -> list[client.V1Pod]:
        """Without Pods whose container has ended: the kubelet reports that before their phase."""
        pods = shop.world.core.list_namespaced_pod(shop.name).items
        begun = [pod for pod in pods if pod.status.phase in ("Pending", "Running")]
        return [
            pod
            for pod in begun
            if not any(c.state and c.state.terminated for c in pod.status.container_statuses or ())
        ]

    assert len(live()) <= 1
    wish(shop, name, execution={"parallelism": 4})
    until("more than one Pod at once", lambda: len(live()) > 1, 30)
    assert verdict(shop.await_end(name, seconds=120)) == ("Succeeded", "", "")
    assert len(shop.outputs()) == len(keys)
