"""The sources are staged, and the cluster does not run the Pods."""

from __future__ import annotations

from typing import Any

from kubernetes import client

from e2e.faults.arena import DENIED, FROZEN, GRACE, KEPT, START, UNREACHED
from e2e.faults.bench import Bench, Case, job
from e2e.world import Job


def starting(**execution: Any) -> dict[str, Any]:
    return job(execution={"startDeadlineSeconds": START, **execution})


def quota(**hard: str) -> Any:
    """A quota that is in force before the job comes."""
    return lambda bench: bench.shop.set_quota(**hard)


def lift_quota(bench: Bench, name: str) -> None:
    bench.shop.await_phase(name, "Launching")
    bench.core.delete_namespaced_resource_quota("none", bench.shop.name)


def limits(bench: Bench) -> None:
    body = {
        "metadata": {"name": "small"},
        "spec": {"limits": [{"type": "Container", "max": {"memory": "16Mi"}}]},
    }
    bench.core.create_namespaced_limit_range(bench.shop.name, body)


def runtime_without_handler(bench: Bench) -> None:
    name = bench.shop.name
    nodes = client.NodeV1Api(bench.arena.world.api)
    nodes.create_runtime_class({"metadata": {"name": name}, "handler": "nosuchhandler"})
    bench.cleanup.callback(nodes.delete_runtime_class, name)
    bench.patch_pods({"op": "add", "path": "/spec/runtimeClassName", "value": name})


def missing_configuration(bench: Bench) -> None:
    reference = {"name": "PLANTED", "valueFrom": {"configMapKeyRef": {"name": "no-such-map", "key": "k"}}}
    bench.patch_pods({"op": "add", "path": "/spec/containers/0/env/-", "value": reference})


def never_pulled(bench: Bench) -> None:
    bench.patch_pods(
        {"op": "replace", "path": "/spec/containers/0/image", "value": "localhost/not-here:dev"},
        {"op": "add", "path": "/spec/containers/0/imagePullPolicy", "value": "Never"},
    )


def gated(bench: Bench) -> None:
    bench.patch_pods({"op": "add", "path": "/spec/schedulingGates", "value": [{"name": "example.com/gate"}]})


def pulling(repository: str) -> Any:
    def broken(bench: Bench) -> None:
        bench.image(f"{bench.arena.registry}/{repository}/image:1")

    return broken


def pull_case(repository: str, cause: str, *evidence: str) -> Case:
    return Case(
        f"image-{repository}",
        cause,
        "JOB_003/ImagePullFailed",
        within=GRACE + 5,
        evidence=(f"/{repository}/image:1", *evidence),
        job=job(),
        broken=pulling(repository),
    )


def names_the_pod(job: Job) -> bool:
    """Whether the condition Ready says that a Pod could not be deleted."""
    conditions = job.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and "could not be deleted" in c.get("message", "") for c in conditions)


def await_named_pod(bench: Bench, name: str) -> None:
    bench.shop.await_job(name, names_the_pod, "a condition that names the Pod", 60)


HUGE = {"requests": {"memory": "900Gi"}, "limits": {"memory": "900Gi"}}

REFUSED = (
    Case(
        "quota-of-pods",
        "a ResourceQuota admits no Pod",
        "JOB_003/QuotaExceeded",
        within=START,
        evidence=("exceeded quota: none", "start deadline"),
        job=starting(),
        broken=quota(pods="0"),
    ),
    Case(
        "quota-lifted-in-time",
        "a ResourceQuota admits no Pod, and is lifted before the start deadline",
        "Succeeded",
        within=20,
        attempts="0=1",
        broken=quota(pods="0"),
        then=lift_quota,
    ),
    Case(
        "quota-of-secrets",
        "a ResourceQuota admits no Secret, so the Pod cannot have its order",
        "JOB_003/QuotaExceeded",
        within=START,
        evidence=("exceeded quota: none",),
        job=starting(),
        broken=quota(secrets="0"),
    ),
    Case(
        "limit-range",
        "a LimitRange admits less memory than the Pod wants",
        "JOB_003/PodRejected",
        evidence=("maximum memory usage per Container is 16Mi",),
        broken=limits,
    ),
    Case(
        "pod-security",
        "admission adds what breaks the Pod Security standard of the namespace",
        "JOB_003/PodRejected",
        evidence=("violates PodSecurity",),
        job=starting(),
        broken=lambda b: b.patch_pods({"op": "add", "path": "/spec/hostNetwork", "value": True}),
    ),
    Case(
        "priority-class-unknown",
        "the PriorityClass of the template does not exist",
        "JOB_003/PodRejected",
        evidence=("no-such-class",),
        job=starting(podTemplate={"priorityClassName": "no-such-class"}),
    ),
    Case(
        "runtime-class-unknown",
        "the RuntimeClass of the template does not exist",
        "JOB_003/PodRejected",
        evidence=("no-such-runtime",),
        job=starting(podTemplate={"runtimeClassName": "no-such-runtime"}),
    ),
    Case(
        "service-account-unknown",
        "the ServiceAccount of the template does not exist",
        "JOB_003/ConfigError",
        within=GRACE,
        evidence=("no-such-account", "grace"),
        job=job(execution={"podTemplate": {"serviceAccountName": "no-such-account"}}),
    ),
    Case(
        "webhook-denies",
        "an admission webhook refuses the Pod",
        "JOB_003/PodRejected",
        evidence=("this cluster takes no such thing",),
        broken=lambda b: b.label(DENIED),
    ),
    Case(
        "webhook-down",
        "an admission webhook that must be asked cannot be reached",
        "JOB_003/StartDeadlineExceeded",
        within=START,
        evidence=("failed calling webhook", "start deadline"),
        job=starting(),
        broken=lambda b: b.label(UNREACHED),
    ),
    Case(
        "finalizer-denied",
        "an admission webhook denies every update of the ImageJob, so that it gets no finalizer",
        "JOB_001/ClusterRefused",
        within=GRACE,
        evidence=("the finalizer cannot be added", "this cluster takes no such thing", "(waited "),
        broken=lambda b: b.label(FROZEN),
    ),
    Case(
        "pod-not-deletable",
        "an admission webhook denies every deletion of a Pod",
        "Succeeded",
        within=20,
        broken=lambda b: b.label(KEPT),
        then=await_named_pod,
        kept=1,
    ),
)

IMAGES = (
    pull_case("missing", "the registry does not know the image (404)", "not found"),
    pull_case("private", "the registry wants credentials (401)", "authoriz"),
    pull_case("limited", "the registry limits the rate (429)", "429"),
    pull_case("broken", "the registry fails (500)", "500"),
    Case(
        "image-registry-unreachable",
        "nobody listens where the registry should be",
        "JOB_003/ImagePullFailed",
        within=GRACE + 5,
        evidence=("connection refused",),
        broken=lambda b: b.image("127.0.0.1:1/x/image:1"),
    ),
    Case(
        "image-pull-secret-unknown",
        "the pull Secret of the template does not exist, and the registry wants one",
        "JOB_003/ImagePullFailed",
        within=GRACE + 5,
        evidence=("/private/image:1", "authoriz"),
        job=job(execution={"podTemplate": {"imagePullSecrets": [{"name": "no-such-secret"}]}}),
        broken=pulling("private"),
    ),
    Case(
        "image-never-pulled",
        "the image is not on the node and must not be pulled",
        "JOB_003/ImagePullFailed",
        within=GRACE,
        evidence=("localhost/not-here:dev",),
        broken=never_pulled,
    ),
    Case(
        "image-registry-silent",
        "the registry takes the question and never answers",
        "JOB_003/StartDeadlineExceeded",
        within=14,
        evidence=("Pulling", "/silent/image:1"),
        job=starting(startDeadlineSeconds=14),
        broken=pulling("silent"),
    ),
    Case(
        "image-name-invalid",
        "the name of the image is none",
        "JOB_003/InvalidImageName",
        evidence=("UPPER",),
        broken=lambda b: b.image("UPPER/CASE:1"),
    ),
)

STARTING = (
    Case(
        "runtime-without-handler",
        "no node has the runtime that the RuntimeClass names",
        "JOB_003/StartDeadlineExceeded",
        within=14,
        evidence=("FailedCreatePodSandBox", "nosuchhandler"),
        job=starting(startDeadlineSeconds=14),
        broken=runtime_without_handler,
    ),
    Case(
        "configuration-missing",
        "the container wants a ConfigMap that is not there",
        "JOB_003/ConfigError",
        within=GRACE,
        evidence=('configmap "no-such-map" not found', "grace"),
        broken=missing_configuration,
    ),
    Case(
        "program-missing",
        "the program of the container is not in the image",
        "JOB_003/ConfigError",
        within=10,
        evidence=("cannot be started", "/no/such/program"),
        broken=lambda b: b.command("/no/such/program"),
    ),
    Case(
        "no-such-node",
        "no node has the labels of the node selector",
        "JOB_003/Unschedulable",
        within=START,
        evidence=("node affinity/selector",),
        job=starting(podTemplate={"nodeSelector": {"no": "such-node"}}),
    ),
    Case(
        "too-little-memory-anywhere",
        "no node has as much memory as the Pod requests",
        "JOB_003/Unschedulable",
        within=START,
        evidence=("Insufficient memory",),
        job=starting(podTemplate={"resources": HUGE}),
    ),
    Case(
        "scheduler-unknown",
        "nobody schedules for the scheduler's name of the template",
        "JOB_003/StartDeadlineExceeded",
        within=START,
        evidence=("startDeadlineSeconds",),
        job=starting(podTemplate={"schedulerName": "no-such-scheduler"}),
    ),
    Case(
        "queue-holds-on",
        "a queue admits no Pod",
        "JOB_003/QueueDeadlineExceeded",
        within=5,
        evidence=(
            "the queue 'team-a' has held back all Pods",
            "scheduling gates",
            "queueDeadlineSeconds (4 s)",
        ),
        job=job(execution={"queueName": "team-a", "queueDeadlineSeconds": 4}),
    ),
    Case(
        "scheduling-gate",
        "a gate that nobody opens holds the Pod back",
        "JOB_003/StartDeadlineExceeded",
        within=START,
        evidence=("scheduling gates",),
        job=starting(),
        broken=gated,
    ),
)

CASES = (*REFUSED, *IMAGES, *STARTING)
