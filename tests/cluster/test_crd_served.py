"""What the API server makes of the CRD: columns, defaults, selectors, strict validation, the examples."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.crd_cases import KEYS, changed

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(120)]

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))

FAILED = {
    "observedGeneration": 1,
    "phase": "Failed",
    "progress": "0/4",
    "items": {"total": 4, "succeeded": 3, "failed": 1, "skipped": 0},
    "conditions": [
        {
            "type": "Ready",
            "status": "False",
            "reason": "ItemsFailed",
            "message": "JOB_005: 1 of 4 items failed",
            "lastTransitionTime": "2026-01-01T12:00:00Z",
        }
    ],
    "error": {"code": "JOB_005", "reason": "ItemsFailed", "message": "1 of 4 items failed"},
    "run": {"id": "1", "number": 1, "duration": "1m3s"},
    "outputs": {"objects": 6, "bytes": 600},
}


@pytest.fixture(scope="module")
def jobs(cluster: Any, namespace: str) -> Iterator[dict[str, dict[str, Any]]]:
    """One failed ImageJob with a status, and one that no operator has seen yet."""
    made = {
        name: cluster.create(namespace, changed(KEYS, ("metadata.name", name))) for name in ("bad", "new")
    }
    made["bad"] = cluster.replace(namespace, {**made["bad"], "status": FAILED}, status=True)
    yield made
    for name in made:
        cluster.delete(namespace, name)


def rows(cluster: Any, namespace: str, *options: str) -> list[list[str]]:
    """The table that kubectl prints, cut where the headings stand."""
    done = cluster.kubectl("get", "imagejobs", "--namespace", namespace, *options)
    assert done.returncode == 0, done.stderr
    heading, *lines = done.stdout.splitlines()
    starts = [
        at for at, letter in enumerate(heading) if letter != " " and (at == 0 or heading[at - 1] == " ")
    ]
    ends = [*starts[1:], None]
    return [[line[a:b].strip() for a, b in zip(starts, ends, strict=True)] for line in (heading, *lines)]


@pytest.mark.usefixtures("jobs")
def test_columns(cluster: Any, namespace: str) -> None:
    heading, bad, new = rows(cluster, namespace)
    assert heading == ["NAME", "PHASE", "PROGRESS", "FAILED", "REASON", "AGE", "MESSAGE"]
    assert bad[:5] == ["bad", "Failed", "0/4", "1", "ItemsFailed"]
    assert bad[6] == "JOB_005: 1 of 4 items failed"
    assert new[:5] == ["new", "", "", "", ""]


@pytest.mark.usefixtures("jobs")
def test_wide_columns(cluster: Any, namespace: str) -> None:
    heading, bad, _ = rows(cluster, namespace, "--output", "wide")
    assert heading[6:] == ["RUN", "CODE", "DURATION", "OUTPUTS", "MESSAGE"]
    assert bad[6:] == ["1", "JOB_005", "1m3s", "6", "JOB_005: 1 of 4 items failed"]


@pytest.mark.parametrize("name", ["imagejob", "ij", "imagejobs.imagejob.dev"])
@pytest.mark.usefixtures("jobs")
def test_names(cluster: Any, namespace: str, name: str) -> None:
    done = cluster.kubectl("get", name, "--namespace", namespace, "--output", "name")
    assert done.stdout.split() == ["imagejob.imagejob.dev/bad", "imagejob.imagejob.dev/new"], done.stderr


def test_category(cluster: Any) -> None:
    done = cluster.kubectl("api-resources", "--categories", "imagejob", "--output", "name")
    assert "imagejobs.imagejob.dev" in done.stdout.split(), done.stderr


@pytest.mark.parametrize(("phase", "found"), [("Failed", ["bad"]), ("", ["new"]), ("Running", [])])
@pytest.mark.usefixtures("jobs")
def test_field_selector_on_phase(cluster: Any, namespace: str, phase: str, found: list[str]) -> None:
    listed = cluster.kubectl(
        "get", "ij", "--namespace", namespace, f"--field-selector=status.phase={phase}", "--output", "json"
    )
    assert listed.returncode == 0, listed.stderr
    assert [item["metadata"]["name"] for item in json.loads(listed.stdout)["items"]] == found


def test_an_unseen_job_is_never_taken_for_healthy(jobs: dict[str, dict[str, Any]]) -> None:
    assert jobs["new"]["status"] == {"observedGeneration": -1}


def test_defaults_are_filled(jobs: dict[str, dict[str, Any]]) -> None:
    spec = jobs["new"]["spec"]
    assert spec["run"] == {"id": "1", "mode": "Run", "items": "All"}
    assert spec["suspend"] is False
    assert "cancelRunID" not in spec
    assert spec["destination"] == {
        "prefix": "",
        "keyTemplate": "{dir}{stem}-{rendition}.{ext}",
        "overwrite": "Always",
        "headers": {"metadata": {}, "tags": {}},
    }
    assert spec["staging"] == {"mode": "Copy"}
    assert spec["execution"] == {
        "parallelism": 4,
        "retriesPerShard": 2,
        "stagingDeadlineSeconds": 600,
        "queueDeadlineSeconds": 86400,
        "startDeadlineSeconds": 300,
        "activeDeadlineSeconds": 3600,
        "podTemplate": {},
    }
    assert spec["limits"] == {
        "itemSize": "64Mi",
        "pixels": 50_000_000,
        "frames": 100,
        "itemTimeoutSeconds": 30,
    }
    assert spec["failurePolicy"] == {"maxFailedItems": 0}
    assert spec["retention"] == {"ttlSecondsAfterFinished": 86400, "policy": "Compact", "pods": "OnFailure"}


def test_status_is_not_written_through_the_spec(cluster: Any, namespace: str) -> None:
    answer = cluster.create(
        namespace, {**changed(KEYS, ("metadata.name", "sly")), "status": FAILED}, dry_run=True
    )
    assert answer["status"] == {"observedGeneration": -1}


@pytest.mark.parametrize(
    "path",
    [
        "spec.sources",
        "spec.storeReference",
        "spec.run.ids",
        "spec.renditions[0].quality",
        "spec.execution.podTemplate.containers",
        "spec.execution.podTemplate.securityContext",
        "spec.execution.podTemplate.resources.claims",
    ],
)
def test_unknown_field_is_refused(cluster: Any, namespace: str, path: str) -> None:
    answer = cluster.create(namespace, changed(KEYS, (path, "x")), dry_run=True)
    assert not isinstance(answer, dict), "accepted"
    assert f'unknown field "{path}"' in answer.message


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_example_is_accepted(cluster: Any, namespace: str, path: Path) -> None:
    assert path.read_text().startswith("# ")
    bodies = [body for body in yaml.safe_load_all(path.read_text()) if body["kind"] == "ImageJob"]
    assert bodies
    for body in bodies:
        answer = cluster.create(namespace, body, dry_run=True)
        assert isinstance(answer, dict), answer


def test_examples_are_there() -> None:
    assert len(EXAMPLES) >= 3


def test_the_largest_object_is_within_the_cost_limit(cluster: Any, namespace: str) -> None:
    steps = [{"watermark": {"text": "x" * 256}}] * 16
    renditions = [{"name": f"r{n}", "steps": steps, "output": {"format": "PNG"}} for n in range(32)]
    labels = {f"{'p' * 200}/{n}": "v" * 63 for n in range(32)}
    largest = changed(
        KEYS,
        ("metadata.name", "n" * 52),
        ("spec.source.keys", [f"{n:04d}/" + "k/" * 253 + "k" for n in range(1000)]),
        ("spec.renditions", renditions),
        ("spec.execution.podTemplate", {"labels": labels, "annotations": labels}),
    )
    created = cluster.create(namespace, largest)
    assert isinstance(created, dict), created
    created["spec"]["execution"]["parallelism"] = 9
    answer = cluster.replace(namespace, created, dry_run=True)
    assert isinstance(answer, dict), answer
    cluster.delete(namespace, "n" * 52)


def test_every_field_is_explained(cluster: Any) -> None:
    done = cluster.kubectl("explain", "imagejob.spec.execution", "--recursive=false")
    assert "retriesPerShard" in done.stdout, done.stderr
    assert "<no description>" not in done.stdout
