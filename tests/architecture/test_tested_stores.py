"""The page of stores lists the servers that are tested, with the versions that are built."""

from __future__ import annotations

import re

import pytest

from architecture.runbook import ROOT
from localcluster import stores

PAGE = (ROOT / "docs" / "administrators" / "stores.md").read_text()


def version_of(server: str) -> str:
    """The version of a server's module."""
    module = stores.SERVERS[server].module
    ((_, package),) = module.programs
    lines = (module.sources / "go.mod").read_text().splitlines()
    versions = dict(line.split()[:2] for line in lines if line.startswith("\t") and " " in line)
    return versions[next(path for path in versions if f"{package}/".startswith(f"{path}/"))]


def differences(page: str, versions: dict[str, str]) -> list[str]:
    """The servers whose row is missing, or has another version."""
    rows = dict(re.findall(r"^\| (\w+) \| `(v\d[^`]*)`", page, re.MULTILINE))
    listed = {name.lower(): version for name, version in rows.items()}
    return sorted(name for name in listed.keys() | versions.keys() if listed.get(name) != versions.get(name))


def test_the_page_has_the_servers_as_they_are_built() -> None:
    assert differences(PAGE, {name: version_of(name) for name in stores.SERVERS}) == []


@pytest.mark.parametrize(
    "page",
    ["", "| MinIO | `v2` | x |", "| MinIO | `v1` | x |\n| Other | `v1` | x |"],
    ids=["missing", "another-version", "a-server-that-is-not-built"],
)
def test_a_page_that_is_behind_is_found(page: str) -> None:
    assert differences(page, {"minio": "v1"})
