"""Pods run, or have run: what becomes of their work, of the deadline, of publishing, and of a deletion."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import Any

from kubernetes import client

from demo.stack import MINIO
from e2e.faults.bench import BUDGET, Bench, Case, job
from e2e.faults.cases_pods import quota
from e2e.faults.store_proxy import (
    Rule,
    cut,
    cut_download,
    cut_upload,
    lost_answer,
    pretended,
    refused,
    silence,
    slow,
    written,
)
from e2e.world import GROUP, PLURAL, VERSION, ended, phase, process_of, until

FINAL = "media/{ns}/out/"
"""Where outputs are published: about this, only publishing asks."""


def running(pod: client.V1Pod) -> bool:
    return bool(pod.status.phase == "Running")


def slow_source(bench: Bench, seconds: float = 4) -> Rule:
    """A Pod that runs long enough to be met."""
    return bench.store(slow(seconds), "get", about="/in/", who="pod", times=1)


def corrupt(bench: Bench) -> None:
    bench.shop.upload("photos/china.jpg", b"this is no picture")


# --- what happens on the way -------------------------------------------------------------------------------


def kill(bench: Bench, name: str) -> None:
    pod = bench.await_pod(running, "a running Pod")
    until("it works", lambda: all(rule.hits for rule in bench.rules), 30)
    os.kill(process_of(pod, "imagejob_processor"), signal.SIGKILL)


def evict(bench: Bench, name: str) -> None:
    evict_pod(bench, bench.await_pod(running, "a running Pod").metadata.name)


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
    pod = bench.await_pod(running, "a running Pod").metadata.name
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


SLOT = "example.com/slot"
"""A resource of which the node has one: who has it may be preempted for it, and nobody else is."""


def one_slot(bench: Bench) -> None:
    node = bench.core.list_node(label_selector=f"!{GHOST}").items[0].metadata.name
    bench.core.patch_node_status(node, {"status": {"capacity": {SLOT: "1"}, "allocatable": {SLOT: "1"}}})
    scheduling = client.SchedulingV1Api(bench.arena.world.api)
    scheduling.create_priority_class({"metadata": {"name": bench.shop.name}, "value": 1000})
    bench.undo.callback(scheduling.delete_priority_class, bench.shop.name)
    slow_source(bench)


def preempt(bench: Bench, name: str) -> None:
    """A Pod of a higher priority takes the slot, and gives it back."""
    bench.await_pod(running, "a running Pod")
    image = bench.arena.world.pod_of(MINIO).spec.containers[0].image
    slot = {"limits": {SLOT: "1", "memory": "64Mi"}}
    secure = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {"name": "c", "image": image, "command": ["sleep", "60"], "resources": slot}
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
    """A node that no kubelet keeps: its Pods are never heard of, and its Lease lapses."""
    name = f"ghost-{bench.shop.name}"
    labels = {GHOST: "true", "kubernetes.io/hostname": name}
    bench.core.create_node({"metadata": {"name": name, "labels": labels}, "spec": {"taints": [ONLY_INVITED]}})
    bench.undo.callback(_forget_node, bench, name)
    room = {"cpu": "8", "memory": "8Gi", "pods": "10"}
    ready = [{"type": "Ready", "status": "True", "reason": "Planted", "message": ""}]
    status = {"status": {"capacity": room, "allocatable": room, "conditions": ready}}
    bench.core.patch_node_status(name, status)


def _forget_node(bench: Bench, name: str) -> None:
    with contextlib.suppress(client.ApiException):
        bench.core.delete_node(name)


def on_ghost() -> dict[str, Any]:
    """A job whose Pods would rather be on the ghost, and are given up as soon as that is known to be gone."""
    prefer = {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": ON_GHOST}]}
    tolerate = [{**UNREACHABLE, "tolerationSeconds": 0}, {**ONLY_INVITED, "operator": "Exists"}]
    template = {"affinity": {"nodeAffinity": prefer}, "tolerations": tolerate}
    return job(execution={"startDeadlineSeconds": 300, "podTemplate": template})


def forget_ghost_pods(bench: Bench, name: str) -> None:
    """What is left on the ghost is nobody's: it is live to the API server, and dead to all others."""
    pod = bench.await_pod(lambda p: str(p.spec.node_name).startswith("ghost-"), "a Pod on the ghost")
    bench.notes[pod.metadata.name] = "on the ghost"


# --- processing --------------------------------------------------------------------------------------------

PROCESSING = (
    Case(
        "image-corrupt",
        "a source is no image",
        "JOB_005/ItemsFailed",
        within=10,
        evidence=("1 of 1 items failed", "photos/china.jpg: IMG_001"),
        broken=corrupt,
    ),
    Case(
        "out-of-memory",
        "the Pod's memory limit is too small",
        "JOB_005/OutOfMemory",
        within=10,
        evidence=("limit 20Mi", "podTemplate.resources"),
        job=job(execution={"podTemplate": {"resources": {"limits": {"memory": "20Mi"}}}}),
    ),
    Case(
        "process-killed",
        "the process in the Pod is killed; the failed Pod stays for its log",
        "JOB_005/Crashed",
        within=15,
        evidence=("exit code 137",),
        job=job(retention={"pods": "OnFailure"}),
        kept=1,
        broken=slow_source,
        then=kill,
    ),
    Case(
        "no-result",
        "the Pod ends as if all were well and leaves no result",
        "JOB_005/ResultsInvalid",
        within=10,
        evidence=("shard 0", "left no result"),
        broken=lambda b: b.command("true"),
    ),
    Case(
        "result-garbage",
        "the result that arrives is none",
        "JOB_005/ResultsInvalid",
        within=10,
        evidence=("the result of shard 0 cannot be read",),
        broken=lambda b: b.store(written(b"not a result"), "put", about="/results/", who="pod"),
    ),
    Case(
        "output-lost",
        "the store confirms an output and does not keep it",
        "JOB_005/ResultsInvalid",
        within=10,
        evidence=("the result of shard 0",),
        broken=lambda b: b.store(pretended(204), "post"),
    ),
    Case(
        "outputs-denied",
        "the store denies the Pod its outputs",
        "JOB_005/ItemsFailed",
        within=10,
        evidence=("IMG_006", "AccessDenied"),
        broken=lambda b: b.store(refused(403, "AccessDenied"), "post"),
    ),
    Case(
        "staged-source-gone",
        "somebody deletes the staged source before the Pod reads it",
        "JOB_005/ItemsFailed",
        within=10,
        evidence=("IMG_010",),
        broken=lambda b: b.store(refused(404, "NoSuchKey"), "get", about="/in/", who="pod"),
    ),
    Case(
        "staged-source-changed",
        "the staged source is not the one that was pinned",
        "JOB_005/ItemsFailed",
        within=10,
        evidence=("IMG_004",),
        broken=lambda b: b.store(refused(412, "PreconditionFailed"), "get", about="/in/", who="pod"),
    ),
    Case(
        "store-away-from-pods",
        "the store answers the operator and not the Pods",
        "JOB_005/Crashed",
        within=30,
        evidence=("a source", "503"),
        broken=lambda b: b.store(refused(503, "SlowDown"), "get", about="/in/", who="pod"),
    ),
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
        "result-refused",
        "the store takes no result",
        "JOB_005/Crashed",
        within=30,
        evidence=("exit code 74",),
        broken=lambda b: b.store(refused(503, "SlowDown"), "put", about="/results/", who="pod"),
    ),
)

SURVIVED = (
    Case(
        "order-expired",
        "the URL of the order has expired when the Pod starts: it is signed anew, and not counted",
        "Succeeded",
        within=15,
        attempts=r"0=1\+1",
        broken=lambda b: b.store(
            refused(403, "AccessDenied", "Request has expired"), "get", who="pod", times=1
        ),
    ),
    Case(
        "credentials-rotated",
        "the key that signed the Pod's URLs is unknown in mid-run: they are signed anew, and not counted",
        "Succeeded",
        within=15,
        attempts=r"0=1\+1",
        broken=lambda b: b.store(refused(403, "InvalidAccessKeyId"), "get", about="/in/", who="pod", times=1),
    ),
    Case(
        "download-cut",
        "the connection is cut while a Pod reads a source",
        "Succeeded",
        within=10,
        attempts="0=1",
        broken=lambda b: b.store(cut_download, "get", about="/in/", who="pod", times=1),
    ),
    Case(
        "output-upload-cut",
        "the connection is cut after an output was sent and before it was answered",
        "Succeeded",
        within=10,
        attempts="0=1",
        broken=lambda b: b.store(cut, "post", times=1),
    ),
    Case(
        "result-upload-cut",
        "the connection is cut in the middle of the upload of the result",
        "Succeeded",
        within=10,
        attempts="0=1",
        broken=lambda b: b.store(cut_upload, "put", about="/results/", who="pod", times=1),
    ),
    Case(
        "result-answer-lost",
        "the result is stored and the Pod does not hear of it",
        "Succeeded",
        within=10,
        attempts="0=1",
        broken=lambda b: b.store(lost_answer, "put", about="/results/", who="pod", times=1),
    ),
    Case(
        "drained",
        "the Pod is evicted, as by a drain of its node: not counted",
        "Succeeded",
        within=25,
        attempts=r"0=1(\+1)?",
        broken=slow_source,
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
        attempts=r"0=1(\+1)?",
        broken=slow_source,
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

# --- the active deadline, and publishing -------------------------------------------------------------------


def within_deadline(seconds: int, **fields: Any) -> dict[str, Any]:
    return job(execution={"activeDeadlineSeconds": seconds}, **fields)


DEADLINES = (
    Case(
        "deadline-while-staging",
        "the active deadline passes while a copy is under way",
        "JOB_006/DeadlineExceeded",
        within=8,
        evidence=("activeDeadlineSeconds 4", "in phase Staging"),
        job=within_deadline(4),
        broken=lambda b: b.store(slow(8), "copy", times=1),
    ),
    Case(
        "deadline-while-launching",
        "the active deadline passes while a quota holds the Pods back",
        "JOB_006/DeadlineExceeded",
        within=8,
        evidence=("activeDeadlineSeconds 8", "in phase Launching"),
        job=within_deadline(8),
        broken=quota(pods="0"),
    ),
    Case(
        "deadline-while-running",
        "the active deadline passes while a Pod waits for its source",
        "JOB_006/DeadlineExceeded",
        within=12 + BUDGET / 2,
        evidence=("activeDeadlineSeconds 12", "in phase Running"),
        job=within_deadline(12),
        broken=lambda b: slow_source(b, 60),
    ),
    Case(
        "deadline-while-publishing",
        "the active deadline passes while outputs are published: nothing is committed",
        "JOB_006/DeadlineExceeded",
        within=14 + BUDGET,
        evidence=("activeDeadlineSeconds 14", "in phase Publishing"),
        outputs=1,
        job=within_deadline(14),
        broken=lambda b: b.store(slow(13), "copy", about=FINAL, times=1),
    ),
)

PUBLISHING = (
    Case(
        "destination-denied",
        "the store denies writing to the destination",
        "JOB_007/DestinationDenied",
        within=10,
        evidence=("out/photos/china-thumb.jpg", "AccessDenied"),
        broken=lambda b: b.store(refused(403, "AccessDenied"), "copy", about=FINAL),
    ),
    Case(
        "destination-fails",
        "the store answers 503 to writing to the destination",
        "JOB_007/StoreUnavailable",
        within=15,
        evidence=("SlowDown", "given up after 5 s"),
        job=job(execution={"stagingDeadlineSeconds": 5}),
        broken=lambda b: b.store(refused(503, "SlowDown"), "copy", about=FINAL),
    ),
    Case(
        "report-denied",
        "the store denies writing the report: all is published, nothing is committed",
        "JOB_007/DestinationDenied",
        within=10,
        evidence=("403",),
        outputs=1,
        broken=lambda b: b.store(refused(403, "AccessDenied"), "put", about=".imagejob/{ns}/"),
    ),
    Case(
        "report-answer-lost",
        "the report is written and the operator does not hear of it",
        "Succeeded",
        within=15,
        broken=lambda b: b.store(lost_answer, "put", about=".imagejob/{ns}/", times=1),
    ),
    Case(
        "publish-burst-of-503",
        "a burst of 503 while publishing",
        "Succeeded",
        within=20,
        broken=lambda b: b.store(refused(503, "SlowDown"), "copy", about=FINAL, times=4),
    ),
)

# --- our own status, and deletions -------------------------------------------------------------------------


def refuse_status_with_failures(bench: Bench) -> None:
    """The API server refuses our status as long as it names failed items: a schema that became stricter."""
    name, admission = bench.shop.name, client.AdmissionregistrationV1Api(bench.arena.world.api)
    on_status = {
        "apiGroups": ["imagejob.dev"],
        "apiVersions": ["v1alpha1"],
        "operations": ["UPDATE"],
        "resources": ["imagejobs/status"],
    }
    rule = "!has(object.status.failures) || size(object.status.failures) == 0"
    admission.create_validating_admission_policy(
        {
            "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": [on_status]},
                "validations": [{"expression": rule, "message": "planted: no failures in a status"}],
            },
        }
    )
    bench.undo.callback(admission.delete_validating_admission_policy, name)
    here = {"matchLabels": {"kubernetes.io/metadata.name": name}}
    binding = {
        "policyName": name,
        "validationActions": ["Deny"],
        "matchResources": {"namespaceSelector": here},
    }
    admission.create_validating_admission_policy_binding({"metadata": {"name": name}, "spec": binding})
    bench.undo.callback(admission.delete_validating_admission_policy_binding, name)
    corrupt(bench)


def delete_in(wanted: str) -> Any:
    """Delete the job as soon as it is in a phase; then the store breaks, if the case says so."""

    def then(bench: Bench, name: str) -> None:
        bench.shop.await_job(name, lambda j: phase(j) == wanted, f"phase {wanted}")
        until("the faults strike", lambda: all(rule.hits for rule in bench.rules), 30)
        for fault in bench.faults_on_delete:
            bench.store(fault)
        bench.shop.world.kubectl("delete", "imagejob", name, "-n", bench.shop.name, "--wait=false")

    return then


def change(bench: Bench, name: str, **spec: Any) -> None:
    """Change the job as soon as a Pod of it runs."""
    bench.shop.await_job(name, lambda j: phase(j) == "Running", "phase Running")
    where = (GROUP, VERSION, bench.shop.name, PLURAL, name)
    bench.arena.world.objects.patch_namespaced_custom_object(*where, {"spec": spec})


def suspend_and_delete(bench: Bench, name: str) -> None:
    change(bench, name, suspend=True)
    delete_in("Suspended")(bench, name)


def delete_namespace(bench: Bench, name: str) -> None:
    bench.shop.await_job(name, lambda j: phase(j) == "Running", "phase Running")
    bench.core.delete_namespace(bench.shop.name)


def struck(fault: Any, also: Any = None) -> Any:
    def broken(bench: Bench) -> None:
        bench.faults_on_delete.append(fault)
        if also:
            also(bench)

    return broken


OWN = (
    Case(
        "cancelled",
        "`spec.cancelRunID` names the run while a Pod of it works",
        "JOB_008/Cancelled",
        within=5 + BUDGET,
        evidence=("cancelRunID",),
        broken=lambda b: slow_source(b, 60),
        then=lambda b, name: change(b, name, cancelRunID="1"),
    ),
    Case(
        "own-status-refused",
        "the API server refuses the operator's status: the fault is the operator's, and it says less",
        "Succeeded",
        within=10,
        outputs=0,
        job=job(failurePolicy={"maxFailedItems": 1}),
        broken=refuse_status_with_failures,
    ),
)

DELETIONS = (
    Case(
        "delete-staging-store-silent",
        "deleted in Staging, while the store answers nothing",
        "Deleted",
        within=BUDGET,
        deferred=True,
        broken=lambda b: b.store(silence, "copy"),
        then=delete_in("Staging"),
    ),
    Case(
        "delete-launching-store-unreachable",
        "deleted in Launching, while every connection to the store is reset",
        "Deleted",
        within=BUDGET,
        deferred=True,
        broken=struck(cut, quota(pods="0")),
        then=delete_in("Launching"),
    ),
    Case(
        "delete-running-credentials-gone",
        "deleted in Running, while the store does not know the credentials",
        "Deleted",
        within=BUDGET,
        deferred=True,
        broken=struck(refused(403, "InvalidAccessKeyId"), lambda b: slow_source(b, 60)),
        then=delete_in("Running"),
    ),
    Case(
        "delete-running-bucket-gone",
        "deleted in Running, while there is no bucket",
        "Deleted",
        within=BUDGET,
        deferred=True,
        broken=struck(refused(404, "NoSuchBucket"), lambda b: slow_source(b, 60)),
        then=delete_in("Running"),
    ),
    Case(
        "delete-publishing",
        "deleted in Publishing, while a copy is under way",
        "Deleted",
        within=BUDGET,
        outputs=1,
        broken=lambda b: b.store(slow(4), "copy", about=FINAL),
        then=delete_in("Publishing"),
    ),
    Case(
        "delete-failing-store-silent",
        "deleted in Failing, while the store answers no delete",
        "Deleted",
        within=2 * BUDGET,
        deferred=True,
        job=job(("photos/china.jpg", "photos/none.jpg")),
        broken=lambda b: b.store(silence, "list", "delete"),
        then=delete_in("Failing"),
    ),
    Case(
        "delete-suspended-store-unreachable",
        "deleted in Suspended, while every connection to the store is reset",
        "Deleted",
        within=5 + 2 * BUDGET,
        deferred=True,
        broken=struck(cut, lambda b: slow_source(b, 60)),
        then=suspend_and_delete,
    ),
    Case(
        "namespace-deleted",
        "the namespace is deleted while a Pod runs",
        "Deleted",
        within=2 * BUDGET,
        broken=lambda b: slow_source(b, 60),
        then=delete_namespace,
    ),
)

CASES = (*PROCESSING, *SURVIVED, *DEADLINES, *PUBLISHING, *OWN, *DELETIONS)
