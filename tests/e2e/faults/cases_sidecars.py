"""A webhook adds containers to the Pods, as a service mesh does."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from kubernetes import client

from e2e.faults.arena import GRACE, START
from e2e.faults.bench import Bench, Case, job
from e2e.faults.cases_pods import starting
from e2e.world import ended, until

PROCESSOR = "processor"
PROXY = "istio-proxy"
SOON = 5
"""Seconds from the end of the processor to the end of the run."""
NEVER_ENDS = "import time; time.sleep(100000)"
"""As the first process of its container, it ignores SIGTERM as well."""
FAILS = "raise SystemExit('no configuration')"


def container(name: str, program: str, image: str = "localhost/imagejob-processor:dev") -> dict[str, Any]:
    """A container that the Pod Security standard admits; it writes nothing but its last words."""
    return {
        "name": name,
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python", "-c", program],
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "resources": {"requests": {"cpu": "1m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def sidecar(program: str, *more: dict[str, Any]) -> Any:
    """A classic sidecar, which Istio puts before the other containers so that they start after it."""
    added = {"op": "add", "path": "/spec/containers/0", "value": container(PROXY, program)}
    return lambda bench: bench.patch_pods(added, *more)


def init(value: dict[str, Any], *more: dict[str, Any]) -> Any:
    """An init container; with the restart policy Always, it is a native sidecar."""
    added = {"op": "add", "path": "/spec/initContainers", "value": [value]}
    return lambda bench: bench.patch_pods(added, *more)


def ends_with_its_processor(bench: Bench, name: str) -> None:
    """The run succeeds within seconds of the end of its processor, while the sidecar still runs."""
    pod = bench.await_pod(lambda one: _ended(one, PROCESSOR), "a processor that has ended")
    assert pod.status.phase not in ("Succeeded", "Failed"), "the sidecar does not hold the Pod"
    job = bench.shop.await_job(name, ended, "condition Finished", 60)
    done = datetime.fromisoformat(job["status"]["run"]["finishedAt"])
    seconds = (done - _ended(pod, PROCESSOR).finished_at).total_seconds()
    assert seconds <= SOON, f"the run ended {seconds:.0f} s after its processor"


def kept_pod_is_ended(bench: Bench, name: str) -> None:
    """A Pod that the retention keeps is deleted when its sidecar outlasts the processor."""
    bench.shop.await_job(name, ended, "condition Finished", 60)
    until("the Pod with the sidecar is deleted", lambda: not bench.shop.pods(), 60)


def _ended(pod: client.V1Pod, name: str) -> Any:
    found = [one for one in pod.status.container_statuses or () if one.name == name]
    return found[0].state.terminated if found else None


CRASHES = {
    "op": "add",
    "path": "/spec/containers/1/command",
    "value": ["python", "-c", "raise SystemExit(70)"],
}
NATIVE = {**container(PROXY, NEVER_ENDS), "restartPolicy": "Always"}

CASES = (
    Case(
        "sidecar-never-ends",
        "an injected sidecar never ends",
        "Succeeded",
        within=15,
        attempts="0=1",
        broken=sidecar(NEVER_ENDS),
        then=ends_with_its_processor,
    ),
    Case(
        "sidecar-never-ends-and-pod-is-kept",
        "an injected sidecar never ends, and finished Pods are kept",
        "Succeeded",
        within=45,
        job=job(retention={"pods": "Always"}),
        broken=sidecar(NEVER_ENDS),
        then=kept_pod_is_ended,
    ),
    Case(
        "sidecar-never-ends-after-a-crash",
        "the processor crashes, and an injected sidecar never ends",
        "JOB_005/Crashed",
        within=10,
        evidence=("exit code 70",),
        broken=sidecar(NEVER_ENDS, CRASHES),
    ),
    Case(
        "sidecar-fails",
        "an injected sidecar fails at once",
        "Succeeded",
        within=15,
        attempts="0=1",
        broken=sidecar(FAILS),
    ),
    Case(
        "sidecar-native",
        "an injected native sidecar ends only when it is killed",
        "Succeeded",
        within=15,
        attempts="0=1",
        broken=init(NATIVE),
        then=ends_with_its_processor,
    ),
    Case(
        "sidecar-native-without-image",
        "the image of an injected sidecar does not exist",
        "JOB_003/ImagePullFailed",
        within=GRACE + 5,
        evidence=(f"container {PROXY}: ", "connection refused"),
        broken=init({**container(PROXY, NEVER_ENDS, "127.0.0.1:1/x/proxy:1"), "restartPolicy": "Always"}),
    ),
    Case(
        "sidecar-native-crashes",
        "an injected native sidecar crashes again and again",
        "JOB_003/ConfigError",
        within=GRACE + 15,
        evidence=(PROXY, "restarted"),
        broken=init(
            {
                **container(PROXY, FAILS),
                "restartPolicy": "Always",
                "startupProbe": {"exec": {"command": ["python", "-V"]}, "initialDelaySeconds": 60},
            }
        ),
    ),
    Case(
        "init-container-fails",
        "an injected init container fails",
        "JOB_003/ConfigError",
        within=10,
        evidence=("init container istio-init", "exit code 1: no configuration"),
        broken=init(container("istio-init", FAILS)),
    ),
    Case(
        "init-container-never-ends",
        "an injected init container never ends",
        "JOB_003/StartDeadlineExceeded",
        within=START,
        evidence=("the processor waits for init container istio-init",),
        job=starting(),
        broken=init(container("istio-init", NEVER_ENDS)),
    ),
)
