"""The chart's copies are those of today, and its schema knows every setting."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from architecture.runbook import ROOT
from architecture.test_documented import VARIABLES
from distribution import chart

FIXED = {"IMAGEJOB_HTTP_PORT", "IMAGEJOB_STORE_CREDENTIALS"}
"""The chart has the port and the folder of the credentials in the Deployment."""
SECRET = {"OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"}
"""The settings are in a ConfigMap, where no secret belongs: these are in a Secret."""


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for folder in ("charts", "crds", "manifests"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_copies_are_those_of_today() -> None:
    assert chart.stale() == [], "run make chart"


def test_every_manifest_of_the_base_is_copied() -> None:
    base = {path.name for path in (ROOT / "manifests" / "base").glob("*.yaml")}
    copies = {Path(source).name for source in chart.COPIES.values() if "base" in source}
    # Helm makes the namespace itself.
    assert base - copies == {"kustomization.yaml", "namespace.yaml"}


def test_the_schema_has_every_setting() -> None:
    schema = json.loads((chart.chart_folder() / "values.schema.json").read_text())
    assert schema["properties"]["settings"]["properties"].keys() == VARIABLES - FIXED - SECRET


def test_the_settings_that_the_chart_refuses_are_named() -> None:
    text = (ROOT / "docs" / "administrators" / "install.md").read_text()
    helm = text.partition("\n## Helm\n")[2].partition("\n## ")[0]
    assert set(re.findall(r"`([A-Z_]+)`", helm)) >= FIXED | SECRET


def test_the_chart_has_the_version_of_the_project() -> None:
    lines = (chart.chart_folder() / "Chart.yaml").read_text().splitlines()
    assert f"version: {chart.version()}" in lines
    assert f"appVersion: {chart.version()}" in lines


@pytest.mark.parametrize(
    ("path", "before", "after", "found"),
    [
        ("manifests/base/rbac.yaml", "verbs: [create]", "verbs: [create, list]", ["files/rbac.yaml"]),
        ("crds/imagestore.yaml", "imagestore", "store", ["files/crds/imagestore.yaml"]),
        ("pyproject.toml", 'version = "0.1.0"', 'version = "0.2.0"', ["Chart.yaml"]),
    ],
    ids=["rbac", "crd", "version"],
)
def test_a_copy_that_is_behind_is_found(
    copied: Path, path: str, before: str, after: str, found: list[str]
) -> None:
    file = copied / path
    assert before in file.read_text()
    file.write_text(file.read_text().replace(before, after))
    assert chart.stale(copied) == found
    chart.write(copied)
    assert chart.stale(copied) == []


def test_a_copy_of_nothing_is_found(copied: Path) -> None:
    (copied / "charts" / "imagejob" / "files" / "old.yaml").write_text("kind: Service\n")
    assert chart.stale(copied) == ["files/old.yaml"]
