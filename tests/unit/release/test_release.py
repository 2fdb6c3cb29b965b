"""What a release publishes: the same files from the same commit, nothing unpinned; and its audit."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from distribution.chart import version
from localcluster.paths import repository
from release.__main__ import checksums, documents
from release.audit import applicable, objections
from release.sbom import InvalidLock, pinned, sbom

MADE_AT = datetime(2026, 1, 2, tzinfo=UTC)
LOCKS = repository() / "locks"
LOCK = """\
aiohttp==3.14.5 \\
    --hash=sha256:0133c3c3b54a0bf1e71fa5c1ad95c93f07fd54e24ef1fe182f5122e1573d2bf1
colorama==0.4.6 ; sys_platform == 'win32' \\
    --hash=sha256:08695f5cb7ed6e0531a20572697297273c47b8cae5a63ffc6d6ed5c201be6e44
"""


@pytest.mark.parametrize("name", ["operator", "processor"])
def test_a_bill_of_materials_has_every_package_of_the_lock(name: str) -> None:
    lock = (LOCKS / f"{name}.txt").read_text()
    found = json.loads(sbom(name, "1.2.3", lock, MADE_AT))
    names = re.findall(r"^([A-Za-z0-9._-]+)==", lock, re.MULTILINE)
    assert sorted(component["name"] for component in found["components"]) == sorted(names)
    assert (found["bomFormat"], found["metadata"]["component"]["version"]) == ("CycloneDX", "1.2.3")


@pytest.mark.parametrize("wrong", ["aiohttp>=3", "aiohttp==3.14.5", "git+https://example.com/x"])
def test_a_package_that_is_not_pinned_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidLock, match="not pinned by version and hash"):
        list(pinned(f"{LOCK}{wrong}\n"))


def test_documents_can_be_made_again(tmp_path: Path) -> None:
    sums = []
    for name in "ab":
        folder = tmp_path / name
        folder.mkdir()
        documents(folder, version(), MADE_AT)
        sums.append(checksums(folder))
    assert sums[0] == sums[1]
    assert len(sums[0].splitlines()) == 3
    crds = list(yaml.safe_load_all((tmp_path / "a" / "crds.yaml").read_text()))
    assert {crd["spec"]["names"]["kind"] for crd in crds} == {"ImageJob", "ImageStore"}


def package(name: str, **fields: Any) -> dict[str, Any]:
    return {"name": name, "version": "1", "vulns": [], **fields}


def test_an_audit_of_every_package_without_findings_is_sound() -> None:
    assert applicable(LOCK) == {"aiohttp"}, "colorama is for another platform"
    assert objections(LOCK, {"dependencies": [package("aiohttp")]}) == []


@pytest.mark.parametrize(
    ("packages", "found"),
    [
        ([], "aiohttp was not audited"),
        ([package("aiohttp", skip_reason="not found")], "aiohttp was not audited: not found"),
        (
            [package("aiohttp", vulns=[{"id": "CVE-1", "fix_versions": []}])],
            "aiohttp 1: CVE-1, fixed in no version",
        ),
    ],
    ids=["nothing audited", "skipped", "vulnerable"],
)
def test_an_audit_of_nothing_is_no_proof(packages: list[dict[str, Any]], found: str) -> None:
    assert objections(LOCK, {"dependencies": packages}) == [found]


def test_an_audit_of_an_empty_lock_is_no_proof() -> None:
    assert objections("", {"dependencies": []}) == ["the lock file has no package"]


def test_the_version_has_one_place() -> None:
    """Manifests that name an image of ours name the version of pyproject.toml."""
    for path in (repository() / "manifests").rglob("kustomization.yaml"):
        for tag in re.findall(r"(?:newTag: |imagejob-processor:)([\w.-]+)", path.read_text()):
            assert tag in (version(), "dev"), path
