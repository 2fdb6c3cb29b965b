"""Manifests on the pages: a real API server accepts them, and the schedule may create its job."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from architecture.runbook import ROOT
from cluster.conftest import GROUP, VERSION, Cluster, Refusal

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

SCHEDULE = ROOT / "docs" / "tasks" / "schedule.md"


def manifests(page: Path) -> list[str]:
    """The blocks of YAML that are complete objects, but for those of Flux, whose CRDs are not here."""
    blocks: list[str] = re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [block for block in blocks if block.startswith("apiVersion:") and "fluxcd.io" not in block]


PAGES = {page: found for page in sorted((ROOT / "docs").rglob("*.md")) if (found := manifests(page))}


def apply(cluster: Cluster, namespace: str, folder: Path, text: str, *more: str) -> tuple[int, str]:
    path = folder / "manifest.yaml"
    path.write_text(text)
    done = cluster.kubectl("apply", "--validate=strict", "-n", namespace, "-f", str(path), *more)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_manifests_of_a_page_are_accepted(
    cluster: Cluster, namespace: str, tmp_path: Path, page: Path
) -> None:
    for text in PAGES[page]:
        code, answer = apply(cluster, namespace, tmp_path, text, "--dry-run=server")
        assert code == 0, answer


def test_a_manifest_with_a_fault_is_found(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    text = PAGES[SCHEDULE][0].replace("concurrencyPolicy", "concurencyPolicy")
    code, answer = apply(cluster, namespace, tmp_path, text, "--dry-run=server")
    assert code == 1
    assert 'unknown field "spec.concurencyPolicy"' in answer


def test_the_schedule_may_create_its_job_and_nothing_else(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    (text,) = PAGES[SCHEDULE]
    code, answer = apply(cluster, namespace, tmp_path, text)
    assert code == 0, answer
    objects: list[dict[str, Any]] = list(yaml.safe_load_all(text))
    (job,) = [one["data"]["job.yaml"] for one in objects if one["kind"] == "ConfigMap"]
    (tmp_path / "job.yaml").write_text(job)
    user = ("-n", namespace, f"--as=system:serviceaccount:{namespace}:imagejob-schedule")
    created = cluster.kubectl("create", "-f", str(tmp_path / "job.yaml"), *user)
    assert created.stdout.startswith("imagejob.imagejob.dev/nightly-"), created.stderr
    assert "forbidden" in cluster.kubectl("get", "imagejobs", *user).stderr


def test_kubectl_wait_waits_for_the_run_that_was_asked_for(cluster: Cluster, namespace: str) -> None:
    spec = {
        "source": {"keys": ["a.jpg"]},
        "renditions": [{"name": "web", "output": {"format": "WebP"}}],
    }
    job = {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "ImageJob",
        "metadata": {"name": "waited"},
        "spec": spec,
    }
    assert not isinstance(cluster.create(namespace, job), Refusal)
    where = ("imagejob/waited", "-n", namespace)
    finished = {
        "type": "Finished",
        "status": "True",
        "reason": "Succeeded",
        "message": "",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }
    status = json.dumps({"status": {"observedGeneration": 1, "conditions": [finished]}})
    patched = cluster.kubectl("patch", *where, "--subresource=status", "--type=merge", "-p", status)
    assert patched.returncode == 0, patched.stderr
    wait = ("wait", *where, "--for=condition=Finished")
    assert cluster.kubectl(*wait, "--timeout=10s").returncode == 0
    cluster.kubectl("patch", *where, "--type=merge", "-p", '{"spec": {"run": {"id": "2"}}}')
    assert "timed out" in cluster.kubectl(*wait, "--timeout=1s").stderr
