"""Settings and paths that pages name exist, and every setting is documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from architecture.runbook import ROOT
from imagejob_operator import trace_settings
from imagejob_operator.settings import PREFIX, Settings
from imagejob_operator.validation.pod_template_policy import PodTemplatePolicy

SETTINGS = (ROOT / "docs" / "administrators" / "configuration.md").read_text()
ELSEWHERE = {"pod_name", "pod_namespace", "store", "job_class", "pod_template", "traces"}
"""Fields of the settings whose variable has another name."""
VARIABLES = {f"{PREFIX}{name.upper()}" for name in Settings.__dataclass_fields__.keys() - ELSEWHERE}
STORE = ("ENDPOINT", "BUCKET", "REGION", "SECURE", "POD_ENDPOINT", "ADDRESSING", "CA_FILE")
VARIABLES |= {f"{PREFIX}CLASS", *(f"{PREFIX}STORE_{name}" for name in STORE)}
VARIABLES |= set(trace_settings.VARIABLES)
VARIABLES |= {f"{PREFIX}POD_ALLOWED_{name.upper()}" for name in PodTemplatePolicy.__dataclass_fields__}
PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "docs" / "contributors" / "staged-key.md"]
PACKAGES = ("operator", "processor", "client", "cli", "local", "gallery")
FOLDERS = (*PACKAGES, "tools", "tests", "bench", "manifests", "crds", "examples")
BASES = [ROOT, ROOT / "operator" / "imagejob_operator"]


def missing_paths(text: str) -> list[str]:
    """The paths in backticks that are no files or folders."""
    named = re.findall(r"`([\w./-]+/(?:[\w./-]*\.(?:py|md|yaml))?)`", text)
    return [path for path in named if not any((base / path).exists() for base in BASES)]


def test_every_setting_is_documented_and_no_other() -> None:
    rows = set(re.findall(rf"^\| `((?:{PREFIX}|OTEL_)[A-Z_]+)` \|", SETTINGS, re.MULTILINE))
    assert rows == VARIABLES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_paths_that_a_page_names_exist(page: Path) -> None:
    assert missing_paths(page.read_text()) == []


def stale_pages(name: str, text: str) -> list[str]:
    """The pages that a file names and that do not exist."""
    return [
        f"{name}: {page}" for page in re.findall(r"\bdocs/[\w/-]+\.md", text) if not (ROOT / page).exists()
    ]


def test_the_pages_that_code_names_exist() -> None:
    files = [
        path for folder in FOLDERS for kind in ("py", "yaml") for path in (ROOT / folder).rglob(f"*.{kind}")
    ]
    files += [ROOT / "Makefile", ROOT / "Dockerfile"]
    here = [path for path in files if path.parent != Path(__file__).parent]
    assert [stale for path in here for stale in stale_pages(path.name, path.read_text())] == []


def test_a_page_that_does_not_exist_is_found() -> None:
    assert stale_pages("x", "see docs/README.md and docs/nowhere.md") == ["x: docs/nowhere.md"]


def test_a_path_that_does_not_exist_is_found() -> None:
    assert missing_paths("`api/phase.py`, `docs/`, `decision/nowhere.py`") == ["decision/nowhere.py"]
