"""Spelling and wording: codespell over docs and code, proselint over the prose of the pages."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from proselint.checks import __register__ as checks
from proselint.config import DEFAULT, Config
from proselint.registry import CheckRegistry
from proselint.tools import LintFile

from architecture.runbook import ROOT

SPELLED = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs", "examples", "manifests", "crds")
SPELLED += ("operator", "processor", "client", "cli", "local", "gallery", "mkdocs.yml")
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "examples" / "README.md"]
PROSE = [page for page in PAGES if not page.read_text().startswith("<!-- Made by")]
CONFIG: Config = {
    "max_errors": 100,
    # Quotes are straight, `allocatable` is a term of Kubernetes, and fields have American names.
    # The first entry that fits a check counts.
    "checks": {
        "spelling.able_atable": False,
        "spelling.consistency": False,
        "misc.composition": False,
        **DEFAULT["checks"],
        "typography": False,
    },
}
CheckRegistry().register_many(checks)


def prose(text: str) -> str:
    """The sentences of a page, on the same lines: without code, headings, and targets of links."""
    text = re.sub(r"^ *```.*?^ *```$", lambda block: "\n" * block[0].count("\n"), text, flags=re.M | re.S)
    text = re.sub(r"^#+ .*$", "", text, flags=re.M)
    text = re.sub(r"`[^`]*`", lambda code: "`x`" + "\n" * code[0].count("\n"), text)
    return re.sub(r"\]\([^)]*\)", "]", text)


def objections(name: str, text: str) -> list[str]:
    """What proselint has against a text, by line."""
    return [
        f"{name}:{one.pos[0]}: {one.check_result.message}" for one in LintFile(name, prose(text)).lint(CONFIG)
    ]


def misspelled(*paths: str | Path) -> str:
    """The lines with words that codespell knows as misspelled."""
    command = [sys.executable, "-m", "codespell_lib", *map(str, paths)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout


def test_nothing_is_misspelled() -> None:
    assert misspelled(*SPELLED) == ""


def test_a_misspelled_word_is_found(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("The operater recieves it.\n")
    assert "recieves ==> receives" in misspelled(tmp_path)


@pytest.mark.parametrize("page", PROSE, ids=lambda page: str(page.relative_to(ROOT)))
def test_proselint_has_no_objection(page: Path) -> None:
    assert objections(page.name, page.read_text()) == []


def test_a_planted_phrase_is_found() -> None:
    text = "# Very\n\n```sh\nvery\n```\n\nIt is `very` [very](very) much\nof a very unique experience.\n"
    assert [found.partition(": ")[0] for found in objections("x", text)] == ["x:7", "x:8", "x:8"]
