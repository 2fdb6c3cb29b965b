"""Disruptions of Pods: drains, preemptions, deletions, nodes that reject Pods or are lost."""

from __future__ import annotations

import contextlib
import time
from typing import Any

from kubernetes import client

from e2e.faults.bench import Bench, Case, job, running
from e2e.faults.cases_runs import held_source
from e2e.faults.store_faults import slow
from e2e.world import ended
from localcluster.images import TARGETS


def evict(bench: Bench, name: str) -> None:
    evict_pod(bench, bench.await_working_pod().metadata.name)


def evict_pod(bench: Bench, pod: str) -> None:
    bench.core.create_namespaced_pod_eviction(pod, bench.shop.name, {"metadata": {"name": pod}})


def evict_for_ever(bench: Bench, name: str) -> None:
    while not ended(bench.shop.get(name)):
        for pod in bench.core.list_namespaced_pod(bench.shop.name).items:
            if running(pod) and not pod.metadata.deletion_timestamp:
                with contextlib.suppress(client.ApiException):
                    evict_pod(bench, pod.metadata.name)
        time.sleep(0.2)


def delete_pod(bench: Bench, name: str) -> None:
    pod = bench.await_working_pod().metadata.name
    bench.core.delete_namespaced_pod(pod, bench.shop.name, grace_period_seconds=0)


def refuse_on_node(bench: Bench) -> None:
    """Bind the Pod to the node behind the scheduler's back, with more memory than the node has."""
    nodes = bench.core.list_node(label_selector=f"!{GHOST}").items
    node = nodes[0].metadata.name
    bench.patch_pods(
        {"op": "add", "path": "/spec/nodeName", "value": node},
        {"op": "replace", "path": "/spec/containers/0/resources/requests/memory", "value": "900Gi"},
        {"op": "replace", "path": "/spec/containers/0/resources/limits/memory", "value": "900Gi"},
    )


def relent(bench: Bench, name: str) -> None:
    bench.await_pod(lambda pod: pod.status.phase == "Failed", "a Pod that its node refuses")
    bench.arena.webhook.patches.pop(bench.shop.name)


PROCESSOR_IMAGE = TARGETS["processor"].tag
SLEEPS = ["python", "-c", "import time; time.sleep(60)"]

SLOT = "example.com/slot"
"""A resource of which the node has one: its holder may be preempted for it, and no other Pod is."""


def one_slot(bench: Bench) -> None:
    node = bench.core.list_node(label_selector=f"!{GHOST}").items[0].metadata.name
    bench.core.patch_node_status(node, {"status": {"capacity": {SLOT: "1"}, "allocatable": {SLOT: "1"}}})
    scheduling = client.SchedulingV1Api(bench.arena.world.api)
    scheduling.create_priority_class({"metadata": {"name": bench.shop.name}, "value": 1000})
    bench.cleanup.callback(scheduling.delete_priority_class, bench.shop.name)
    held_source(bench)


def preempt(bench: Bench, name: str) -> None:
    """A Pod of a higher priority preempts the Pod, and ends."""
    bench.await_working_pod()
    slot = {"limits": {SLOT: "1", "memory": "64Mi"}}
    secure = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {"name": "c", "image": PROCESSOR_IMAGE, "command": SLEEPS, "resources": slot}
    spec = {
        "priorityClassName": bench.shop.name,
        "terminationGracePeriodSeconds": 0,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [{**container, "securityContext": secure}],
    }
    bench.core.create_namespaced_pod(bench.shop.name, {"metadata": {"name": "vip"}, "spec": spec})
    bench.await_pod(lambda pod: pod.metadata.name == "vip" and running(pod), "the other Pod has the slot")
    bench.core.delete_namespaced_pod("vip", bench.shop.name)


GHOST = "imagejob.dev/e2e-ghost"
ON_GHOST = {"matchExpressions": [{"key": GHOST, "operator": "Exists"}]}
ONLY_INVITED = {"key": GHOST, "effect": "NoSchedule"}
UNREACHABLE = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"}


def ghost_node(bench: Bench) -> None:
    """A node without kubelet: its Pods have no status, and its Lease expires."""
    name = f"ghost-{bench.shop.name}"
    labels = {GHOST: "true", "kubernetes.io/hostname": name}
    bench.core.create_node({"metadata": {"name": name, "labels": labels}, "spec": {"taints": [ONLY_INVITED]}})
    bench.cleanup.callback(_forget_node, bench, name)
    room = {"cpu": "8", "memory": "8Gi", "pods": "10"}
    ready = [{"type": "Ready", "status": "True", "reason": "Planted", "message": ""}]
    status = {"status": {"capacity": room, "allocatable": room, "conditions": ready}}
    bench.core.patch_node_status(name, status)


def _forget_node(bench: Bench, name: str) -> None:
    with contextlib.suppress(client.ApiException):
        bench.core.delete_node(name)


def on_ghost() -> dict[str, Any]:
    """A job whose Pods prefer the ghost node, and are replaced as soon as it is known to be lost."""
    prefer = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": ON_GHOST}]}
    tolerate = [{**UNREACHABLE, "tolerationSeconds": 0}, {**ONLY_INVITED, "operator": "Exists"}]
    template = {"affinity": {"nodeAffinity": prefer}, "tolerations": tolerate}
    return job(execution={"startDeadlineSeconds": 300, "podTemplate": template})


def forget_ghost_pods(bench: Bench, name: str) -> None:
    """Delete the Pods of the ghost node, which no kubelet removes."""
    pod = bench.await_pod(lambda p: str(p.spec.node_name).startswith("ghost-"), "a Pod on the ghost")
    bench.ghosts.add(pod.metadata.name)


CASES = (
    Case(
        "drained-again-and-again",
        "every Pod is evicted: ten times a shard is launched again, then the cluster is no place for it",
        "JOB_005/NodeLost",
        within=130,
        evidence=("disrupted 11 times",),
        broken=lambda b: b.store(slow(4), "get", about="/in/", who="pod"),
        then=evict_for_ever,
    ),
    Case(
        "drained",
        "the Pod is evicted, as by a drain of its node: not counted",
        "Succeeded",
        within=25,
        attempts=r"0=1\+1",
        broken=held_source,
        then=evict,
    ),
    Case(
        "preempted",
        "a Pod of a higher priority takes the place of ours: not counted",
        "Succeeded",
        within=30,
        attempts=r"0=1\+1",
        job=job(execution={"podTemplate": {"resources": {"limits": {SLOT: "1", "memory": "512Mi"}}}}),
        broken=one_slot,
        then=preempt,
    ),
    Case(
        "pod-deleted",
        "somebody deletes the Pod",
        "Succeeded",
        within=20,
        attempts=r"0=1\+1",
        broken=held_source,
        then=delete_pod,
    ),
    Case(
        "refused-by-its-node",
        "the kubelet refuses a Pod that was given to its node: not counted",
        "Succeeded",
        within=15,
        attempts=r"0=1\+\d",
        broken=refuse_on_node,
        then=relent,
    ),
    Case(
        "node-gone",
        "the node is gone and its Pod never ends: replaced a minute after it should have been gone",
        "Succeeded",
        within=20 + 30 + 10 + 60,
        attempts=r"0=1\+1",
        job=on_ghost(),
        broken=ghost_node,
        then=forget_ghost_pods,
    ),
)
