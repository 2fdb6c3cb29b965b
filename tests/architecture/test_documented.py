"""Settings and paths that pages name exist, and every setting is documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from architecture.runbook import ROOT
from imagejob_operator.settings import PREFIX, Settings

SETTINGS = (ROOT / "docs" / "administrators" / "configuration.md").read_text()
ELSEWHERE = {"pod_name", "pod_namespace", "store_ca_bundle", "job_class"}
"""Fields of the settings whose variable has another name."""
VARIABLES = {f"{PREFIX}{name.upper()}" for name in Settings.__dataclass_fields__.keys() - ELSEWHERE}
VARIABLES |= {f"{PREFIX}STORE_CA_FILE", f"{PREFIX}CLASS"}
PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "docs" / "contributors" / "staged-key.md"]
BASES = [ROOT, ROOT / "operator" / "imagejob_operator"]


def missing_paths(text: str) -> list[str]:
    """The paths in backticks that are no files or folders."""
    named = re.findall(r"`([\w./-]+/(?:[\w./-]*\.(?:py|md|yaml))?)`", text)
    return [path for path in named if not any((base / path).exists() for base in BASES)]


def test_every_setting_is_documented_and_no_other() -> None:
    rows = set(re.findall(rf"^\| `({PREFIX}[A-Z_]+)` \|", SETTINGS, re.MULTILINE))
    assert rows == VARIABLES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_paths_that_a_page_names_exist(page: Path) -> None:
    assert missing_paths(page.read_text()) == []


def test_a_path_that_does_not_exist_is_found() -> None:
    assert missing_paths("`api/phase.py`, `docs/`, `decision/nowhere.py`") == ["decision/nowhere.py"]
