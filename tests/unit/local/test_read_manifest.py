"""A manifest is checked as the API server and the operator check it, and adapted to one machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from cluster.crd_cases import SPEC, Case, changed
from imagejob_local.manifest import InvalidManifest, Manifest, read_manifest

ROOT = Path(__file__).parents[3]
VALID: dict[str, Any] = {
    "apiVersion": "imagejob.dev/v1alpha1",
    "kind": "ImageJob",
    "metadata": {"name": "spring"},
    "spec": {
        "source": {"keys": ["a.jpg"]},
        "renditions": [{"name": "web", "output": {"format": "WebP"}}],
    },
}


def read(tmp_path: Path, body: Any) -> Manifest:
    path = tmp_path / "job.yaml"
    path.write_text(body if isinstance(body, str) else yaml.dump(body, Dumper=yaml.CSafeDumper))
    return read_manifest(path)


def with_spec(**fields: Any) -> dict[str, Any]:
    return {**VALID, "spec": {**VALID["spec"], **fields}}


ELSEWHERE = ("is not available on one machine", "there is no Secret", "each run on one machine")
"""Why something is refused that a cluster accepts."""


@pytest.mark.parametrize("case", SPEC, ids=str)
def test_it_agrees_with_the_crd(tmp_path: Path, case: Case) -> None:
    for value in case.refused:
        with pytest.raises(InvalidManifest) as refused:
            read(tmp_path, changed(case.base, (case.path, value)))
        assert not any(text in str(refused.value) for text in ELSEWHERE)
    for value in case.accepted:
        try:
            read(tmp_path, changed(case.base, (case.path, value)))
        except InvalidManifest as error:
            assert any(text in str(error) for text in ELSEWHERE), error  # noqa: PT017


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("a: [", "is not valid YAML"),
        ("- a", "each document must be an object"),
        ("", "must have exactly one ImageJob; it has no object"),
        ("kind: ImageJob\n---\nkind: ImageJob\n", "it has ImageJob, ImageJob"),
        ("a: !!python/object:os.system {}", "is not valid YAML"),
        ("a: 2026-99-99", "is not valid YAML"),
        ({**VALID, "kind": "Job"}, "must have exactly one ImageJob; it has Job"),
        ({**VALID, "apiVersion": "imagejob.dev/v1"}, "apiVersion is 'imagejob.dev/v1'"),
        ({**VALID, "sepc": {}}, "unknown field 'sepc'; did you mean 'spec'?"),
        ({**VALID, "metadata": None}, "metadata: it must be an object"),
        ({**VALID, "metadata": {}}, "metadata.name: None must have"),
        ({**VALID, "metadata": {"name": "../x"}}, "metadata.name: '../x' must have"),
        ({**VALID, "metadata": {"name": "a", "namespace": "a/b"}}, "metadata.namespace: 'a/b' must have"),
        ({**VALID, "metadata": {"name": "a", "namespace": "a\n"}}, "metadata.namespace: 'a\\\\n' must have"),
        ({**VALID, "metadata": {"name": "a", "namespace": "a" * 64}}, "must have 1 to 63 characters"),
        (with_spec(renditions=[]), "spec.renditions"),
        (with_spec(colour="red"), "colour"),
        ({**VALID, "spec": None}, "spec"),
        ({**VALID, "spec": {1: 2}}, "spec"),
        (with_spec(execution=None), "spec.execution"),
        (with_spec(destination={"prefix": "../up/"}), "spec.destination.prefix"),
        (with_spec(source={"keys": ["a/../../b.jpg"]}), r"spec.source.keys\[0\]"),
        (with_spec(suspend=True), "spec.suspend is true"),
        (with_spec(run={"items": "Failed"}), "spec.run.items is Failed, but each run"),
        (with_spec(storeRef={"name": "mine"}), "spec.storeRef: the ImageStore 'mine' is not available"),
        (with_spec(destination={"storeRef": {"name": "mine"}}), "spec.destination.storeRef: the ImageStore"),
        (
            with_spec(source={"urls": [{"url": "https://a/b.jpg", "headersSecretRef": {"name": "s"}}]}),
            r"spec.source.urls\[0\].headersSecretRef: there is no Secret 's'",
        ),
    ],
)
def test_a_wrong_manifest_is_explained(tmp_path: Path, body: Any, message: str) -> None:
    with pytest.raises(InvalidManifest, match=message):
        read(tmp_path, body)


def test_a_manifest_that_cannot_be_read_is_explained(tmp_path: Path) -> None:
    with pytest.raises(InvalidManifest, match=r"none\.yaml cannot be read: No such file"):
        read_manifest(tmp_path / "none.yaml")
    large = tmp_path / "large.yaml"
    large.write_text(" " * (3 * 1024 * 1024 + 1))
    with pytest.raises(InvalidManifest, match="has more than 3145728 bytes"):
        read_manifest(large)


def test_what_only_a_cluster_has_is_left_out(tmp_path: Path) -> None:
    execution = {
        "parallelism": 8,
        "itemsPerPod": 5,
        "queueName": "batch",
        "podTemplate": {"nodeSelector": {"disk": "fast"}},
    }
    body = with_spec(execution=execution, retention={"ttlSecondsAfterFinished": 0}, **{"class": "fast"})
    spec = read(tmp_path, body).job["spec"]
    assert spec == {**VALID["spec"], "execution": {"parallelism": 1, "itemsPerPod": 5}}


def test_a_manifest_needs_no_namespace(tmp_path: Path) -> None:
    assert read(tmp_path, VALID).job["metadata"] == {"namespace": "default", "name": "spring"}
    placed = {**VALID, "metadata": {"name": "a-b", "namespace": "shop", "labels": {"a": "b"}}}
    assert read(tmp_path, placed).job["metadata"] == {"namespace": "shop", "name": "a-b"}


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yaml")), ids=lambda path: path.stem)
def test_an_example_runs_or_says_why_not(path: Path) -> None:
    refused = {
        "two-stores": "spec.storeRef: the ImageStore 'media'",
        "suspended": "spec.suspend is true",
    }
    if path.stem not in refused:
        assert read_manifest(path).job["kind"] == "ImageJob"
        return
    with pytest.raises(InvalidManifest, match=refused[path.stem]):
        read_manifest(path)


def test_secrets_of_the_file_are_read(tmp_path: Path) -> None:
    found = read_manifest(ROOT / "examples" / "urls.yaml").secrets["picture-server"]
    assert found.data == {"Authorization": "Bearer open-sesame"}
    assert found.annotations == {"imagejob.dev/header-origins": "https://pictures.example"}
    secret = {"kind": "Secret", "metadata": {"name": "s"}, "data": {"X-Key": "YWJj"}}
    assert read(tmp_path, yaml.safe_dump_all([secret, VALID])).secrets["s"].data == {"X-Key": "abc"}
    secret["data"] = {"X-Key": "%"}
    with pytest.raises(InvalidManifest, match="a Secret is invalid"):
        read(tmp_path, yaml.safe_dump_all([{**secret, "metadata": None}, VALID]))
