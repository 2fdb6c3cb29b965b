"""Every command of the runbook is run as it is written there, each block on a failed ImageJob of its own.

A block that says in its first line that it waits for the operator, or needs it, is checked by its flags only.
What would change things outside of the test's own namespaces is tried out (`--dry-run`).
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from architecture.runbook import ROOT, RUNBOOK, Block, blocks
from cluster.crd_cases import KEYS, changed

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(180)]

BLOCKS = [block for block in blocks(RUNBOOK.read_text()) if any("kubectl" in c for c in block.commands)]
CHANGING = {"apply", "create", "delete", "patch", "label", "annotate", "scale", "rollout", "drain", "cordon"}
FINISHED = {
    "type": "Finished",
    "status": "True",
    "reason": "Failed",
    "message": "",
    "lastTransitionTime": "2026-01-01T00:00:00Z",
    "observedGeneration": 1,
}
STATUS = {
    "observedGeneration": 1,
    "phase": "Failed",
    "phaseSince": "2026-01-01T00:00:00Z",
    "progress": "3/4",
    "error": {
        "code": "JOB_005",
        "reason": "ItemsFailed",
        "message": "1 of 4 items failed",
        "fault": "Image",
        "retriable": False,
        "runbook": "https://imagejob.dev/docs/administrators/runbook#job_005-itemsfailed",
    },
    "run": {"id": "1", "number": 1, "epoch": 1, "startedAt": "2026-01-01T00:00:00Z", "duration": "1m3s"},
    "conditions": [FINISHED],
    "staging": {"prefix": ".imagejob-staging/test/n/u/1-1/", "objects": 4, "bytes": 400},
    "failures": [{"item": "a.jpg", "code": "IMG_001", "message": "not an image"}],
    "report": ".imagejob/n/j/12345678/1.json",
}


def pause_image(core: client.CoreV1Api) -> str:
    """An image that is on the node already: that of the Pods' sandboxes."""
    names = [n for node in core.list_node().items for image in node.status.images for n in image.names or ()]
    return next(name for name in names if "pause" in name and "@" not in name)


def pod_template(image: str, labels: dict[str, str]) -> dict[str, Any]:
    container = {"name": "processor", "image": image, "imagePullPolicy": "Never"}
    return {
        "metadata": {"labels": labels},
        "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]},
    }


def wait_until_running(cluster: Any, namespace: str, labels: str) -> None:
    done = cluster.kubectl(
        "wait", "pods", "-n", namespace, "-l", labels, "--for=condition=Ready", "--timeout=90s"
    )
    assert done.returncode == 0, done.stderr


def wait_for_operator(cluster: Any, namespace: str) -> None:
    done = cluster.kubectl(
        "rollout", "status", "deployment/imagejob-operator", "-n", namespace, "--timeout=90s"
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def operator(cluster: Any) -> Iterator[str]:
    """A namespace with what an installed operator consists of, but for its program."""
    core, name = client.CoreV1Api(cluster.api), f"test-{uuid.uuid4().hex[:8]}"
    labels = {"app.kubernetes.io/name": "imagejob-operator"}
    template = pod_template(pause_image(core), labels)
    core.create_namespace({"metadata": {"name": name}})
    core.create_namespaced_secret(
        name, {"metadata": {"name": "imagejob-store"}, "stringData": {"access-key": "a", "secret-key": "s"}}
    )
    core.create_namespaced_config_map(
        name, {"metadata": {"name": "imagejob-operator"}, "data": {"IMAGEJOB_INSTALLATION": "test"}}
    )
    client.AppsV1Api(cluster.api).create_namespaced_deployment(
        name,
        {
            "metadata": {"name": "imagejob-operator", "labels": labels},
            "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
        },
    )
    wait_for_operator(cluster, name)
    yield name
    core.delete_namespace(name, grace_period_seconds=0)


@dataclass
class Job:
    namespace: str
    name: str


@pytest.fixture(scope="module")
def inspected(cluster: Any, namespace: str) -> Iterator[Job]:
    """An ImageJob for the blocks that change nothing."""
    yield from failed_job(cluster, namespace)


@pytest.fixture
def job(cluster: Any, namespace: str) -> Iterator[Job]:
    """An ImageJob for one test."""
    yield from failed_job(cluster, namespace)


def failed_job(cluster: Any, namespace: str) -> Iterator[Job]:
    """A failed ImageJob with a finalizer, and a Pod of it that runs."""
    core, name = client.CoreV1Api(cluster.api), f"job-{uuid.uuid4().hex[:8]}"
    body = changed(KEYS, ("metadata.name", name), ("metadata.finalizers", ["imagejob.dev/staging"]))
    made = cluster.create(namespace, body)
    made = cluster.replace(namespace, {**made, "status": STATUS}, status=True)
    assert isinstance(made, dict), made
    pod = pod_template(pause_image(core), {"imagejob.dev/job": name})
    pod["metadata"]["name"] = f"{name}-0-1"
    core.create_namespaced_pod(namespace, pod)
    wait_until_running(cluster, namespace, f"imagejob.dev/job={name}")
    yield Job(namespace, name)
    cluster.kubectl(
        "delete", "pod", pod["metadata"]["name"], "-n", namespace, "--force", "--ignore-not-found"
    )
    cluster.kubectl("delete", "imagejob", name, "-n", namespace, "--wait=false", "--ignore-not-found")
    let_go = ["patch", "imagejob", name, "-n", namespace, "--type=merge"]
    cluster.kubectl(*let_go, "-p", '{"metadata":{"finalizers":null}}')


def changes(block: Block) -> bool:
    """Whether a block does more than look."""
    return not block.needs and any(set(shlex.split(line)) & CHANGING for line in block.commands)


def made_safe(line: str, block: Block) -> str:
    """The command as it is run here."""
    if not line.startswith("kubectl"):
        return line
    if block.needs:
        # Its flags are read before its help is shown: an unknown one is an error.
        return f"{line.partition(' -- ')[0]} --help"
    verb = shlex.split(line)[1]
    ours = re.search(r'"\$(NAMESPACE|OPERATOR)"', line)
    if verb in CHANGING and not ours:
        return f"{line} --dry-run=client"
    return line


def run_block(block: Block, environment: dict[str, str]) -> list[tuple[str, int, str]]:
    """Run the commands of a block in one shell, as a person would; those that fail, and what they say."""
    script = ["exec 2>&1"]
    for number, line in enumerate(block.commands):
        if line.startswith("aws"):
            continue
        script += [made_safe(line, block), f'echo "--- $? {number}"']
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", "\n".join(script)],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    parts = re.split(r"^--- (\d+) (\d+)$", done.stdout, flags=re.MULTILINE)
    outcomes = list(zip(parts[0::3], parts[1::3], parts[2::3], strict=False))
    # kubectl only warns of fields that do not exist.
    return [
        (block.commands[int(number)], int(code), output.strip())
        for output, code, number in outcomes
        if int(code) or "unknown field" in output
    ]


def environment_for(cluster: Any, job: Job, operator: str) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{Path(cluster.kubectl_path).parent}:{os.environ['PATH']}",
        "KUBECONFIG": cluster.kubeconfig,
        "NAMESPACE": job.namespace,
        "NAME": job.name,
        "OPERATOR": operator,
    }


@pytest.mark.parametrize("block", [b for b in BLOCKS if not changes(b)], ids=str)
def test_commands_that_look_work(block: Block, cluster: Any, inspected: Job, operator: str) -> None:
    assert run_block(block, environment_for(cluster, inspected, operator)) == []


@pytest.mark.parametrize("block", [b for b in BLOCKS if changes(b)], ids=str)
def test_commands_that_change_work(block: Block, cluster: Any, job: Job, operator: str) -> None:
    assert run_block(block, environment_for(cluster, job, operator)) == []
    wait_for_operator(cluster, operator)


def test_a_command_that_does_not_work_is_found(cluster: Any, inspected: Job, operator: str) -> None:
    environment = environment_for(cluster, inspected, operator)
    lines = ('kubectl get imagejob "$NAME" -n "$NAMESPACE"', "kubectl get imagejob missing --namespaces x")
    ((failed, code, output),) = run_block(Block("planted", 0, lines), environment)
    assert (failed, code) == (lines[1], 1)
    assert "unknown flag: --namespaces" in output
    asked = ("# needs the operator", *lines)
    assert [failed for failed, *_ in run_block(Block("planted", 1, asked), environment)] == [lines[1]]


def test_a_field_that_does_not_exist_is_found(cluster: Any, job: Job, operator: str) -> None:
    patch = """kubectl patch imagejob "$NAME" -n "$NAMESPACE" --type=merge -p '{"spec":{"suspended":true}}'"""
    ((_, _, output),) = run_block(Block("planted", 0, (patch,)), environment_for(cluster, job, operator))
    assert 'unknown field "spec.suspended"' in output


def test_the_finalizer_command_lets_a_deletion_end(cluster: Any, job: Job, operator: str) -> None:
    (block,) = (b for b in BLOCKS if b.anchor == "a-deletion-hangs" and "delete" in b.lines[0])
    assert run_block(block, environment_for(cluster, job, operator)) == []
    gone = cluster.kubectl(
        "wait", f"imagejob/{job.name}", "-n", job.namespace, "--for=delete", "--timeout=10s"
    )
    assert gone.returncode == 0, gone.stderr


def test_monitoring_can_be_added_to_an_overlay(cluster: Any, tmp_path: Path) -> None:
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    production = os.path.relpath(ROOT / "manifests" / "overlays" / "production", overlay)
    component = os.path.relpath(ROOT / "manifests" / "monitoring", overlay)
    (overlay / "kustomization.yaml").write_text(
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nnamespace: imagejob-system\n"
        f"resources: [{production}]\ncomponents: [{component}]\n"
    )
    done = cluster.kubectl("kustomize", "--load-restrictor=LoadRestrictionsNone", str(overlay))
    assert done.returncode == 0, done.stderr
    for kind in ("PrometheusRule", "ServiceMonitor"):
        assert f"kind: {kind}\n" in done.stdout
