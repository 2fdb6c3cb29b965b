"""Failures of running Pods and of their results."""

from __future__ import annotations

import os
import signal

from e2e.faults.bench import Bench, Case, job
from e2e.faults.store_faults import cut, cut_download, held, lost_answer, pretended, refused, written
from e2e.faults.store_proxy import Rule, cut_upload
from e2e.world import process_of


def held_source(bench: Bench) -> Rule:
    """A Pod that runs until it is killed; its replacement does not wait."""
    return bench.store(held(bench.released), "get", about="/in/", who="pod", times=1)


def corrupt(bench: Bench) -> None:
    bench.shop.upload("photos/china.jpg", b"this is no picture")


def starved(bench: Bench) -> None:
    """Let admission give every Pod less memory than its program needs."""
    where = "/spec/containers/0/resources"
    bench.patch_pods(
        {"op": "replace", "path": f"{where}/requests/memory", "value": "20Mi"},
        {"op": "replace", "path": f"{where}/limits/memory", "value": "20Mi"},
    )


def kill(bench: Bench, name: str) -> None:
    os.kill(process_of(bench.await_working_pod(), "imagejob_processor"), signal.SIGKILL)


ASK = "administrator to add it to IMAGEJOB_POD_ALLOWED_"
FORBIDDEN = (
    ("label", "a label", {"labels": {"app": "web"}}, ("'app' is not allowed", f"{ASK}LABELS")),
    (
        "annotation",
        "an annotation",
        {"annotations": {"vault.hashicorp.com/agent-inject": "true"}},
        ("'vault.hashicorp.com/agent-inject' is not allowed", f"{ASK}ANNOTATIONS"),
    ),
    (
        "profile",
        "a security profile",
        {"annotations": {"container.apparmor.security.beta.kubernetes.io/processor": "unconfined"}},
        ("is never allowed",),
    ),
    (
        "account",
        "a service account",
        {"serviceAccountName": "robot"},
        ("'robot' is not allowed", f"{ASK}SERVICE_ACCOUNTS"),
    ),
    (
        "priority",
        "a priority of the cluster itself",
        {"priorityClassName": "system-node-critical"},
        ("'system-node-critical' is never allowed",),
    ),
    (
        "runtime",
        "a runtime class",
        {"runtimeClassName": "host"},
        ("'host' is not allowed", f"{ASK}RUNTIME_CLASSES"),
    ),
)
"""Templates that are refused: the end of the case's name, words, and the evidence."""

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
        broken=starved,
    ),
    Case(
        "too-little-memory-for-the-limits",
        "the template gives Pods less memory than an image at spec.limits may need",
        "JOB_001/InvalidSpec",
        within=10,
        evidence=("podTemplate.resources.limits.memory: 20Mi is not enough", "may need"),
        job=job(execution={"podTemplate": {"resources": {"limits": {"memory": "20Mi"}}}}),
    ),
    *(
        Case(
            f"template-{name}",
            f"the template has {words} that the administrator does not allow",
            "JOB_001/InvalidSpec",
            within=10,
            evidence=("spec.execution.podTemplate.", *evidence),
            job=job(execution={"podTemplate": template}),
        )
        for name, words, template, evidence in FORBIDDEN
    ),
    Case(
        "process-killed",
        "the process in the Pod is killed; the failed Pod stays for its log",
        "JOB_005/Crashed",
        within=15,
        evidence=("exit code 137",),
        job=job(retention={"pods": "OnFailure"}),
        kept=1,
        broken=held_source,
        then=kill,
    ),
    Case(
        "no-result",
        "the Pod ends as if all were well and leaves no result",
        "JOB_005/ResultsInvalid",
        within=10,
        evidence=("shard 0", "left no result"),
        broken=lambda b: b.command("python", "-c", "pass"),
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
        broken=lambda b: b.store(pretended(204), "post", who="pod"),
    ),
    Case(
        "outputs-denied",
        "the store denies the Pod its outputs",
        "JOB_005/ItemsFailed",
        within=10,
        evidence=("IMG_006", "AccessDenied"),
        broken=lambda b: b.store(refused(403, "AccessDenied"), "post", who="pod"),
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
        "JOB_005/StoreUnreachable",
        within=30,
        evidence=("a source", "503"),
        broken=lambda b: b.store(refused(503, "SlowDown"), "get", about="/in/", who="pod"),
    ),
    Case(
        "result-refused",
        "the store takes no result",
        "JOB_005/StoreUnreachable",
        within=30,
        evidence=("could not use the store: the request for the result failed", "HTTP 503"),
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
        broken=lambda b: b.store(cut, "post", who="pod", times=1),
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
)

CASES = (*PROCESSING, *SURVIVED)
