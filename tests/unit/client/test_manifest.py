"""Manifests from YAML and from arguments."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from imagejob import Invalid, build, parse, rendition, to_yaml
from imagejob.manifest import check

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_jobs_of_the_examples_are_valid(path: Path) -> None:
    documents = list(yaml.safe_load_all(path.read_text()))
    if all(document["kind"] == "ImageJob" for document in documents):
        for manifest in parse(path.read_text(), path.name):
            check(manifest)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", "f.yaml is empty"),
        ("a: [", "f.yaml is not valid YAML: line 2, column 1: did not find"),
        ("- a", "f.yaml: a manifest is a mapping, found list"),
        (
            "kind: Pod\napiVersion: v1",
            "expected apiVersion imagejob.dev/v1alpha1 and kind ImageJob, found v1",
        ),
        ("kind: ImageJob\napiVersion: imagejob.dev/v1alpha1", "metadata.name is missing"),
    ],
)
def test_what_is_no_image_job_is_refused(text: str, shown: str) -> None:
    with pytest.raises(Invalid, match=shown):
        parse(text, "f.yaml")


def test_a_manifest_can_be_written_and_read() -> None:
    made = build(
        "a",
        source={"match": {"prefix": "uploads/"}},
        renditions=[rendition("web", "WebP", width=10, quality=80, steps=[{"rotate": {"degrees": 90}}])],
        destination={"prefix": "out/"},
        namespace="shop",
        labels={"team": "é"},
    )
    assert parse(to_yaml(made)) == [made]
    assert list(made["spec"]) == ["source", "renditions", "destination"]
    assert made["spec"]["renditions"] == [
        {
            "name": "web",
            "output": {"format": "WebP", "quality": 80},
            "steps": [{"resize": {"width": 10, "fit": "Inside"}}, {"rotate": {"degrees": 90}}],
        }
    ]
