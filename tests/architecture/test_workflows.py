"""The workflows are valid, and run the commands of this project."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from localcluster.binaries import ACTIONLINT, ensure
from localcluster.paths import repository

pytestmark = pytest.mark.timeout(300)
WORKFLOWS = sorted((repository() / ".github" / "workflows").glob("*.yaml"))


def actionlint(*paths: Path) -> subprocess.CompletedProcess[str]:
    command = [str(ensure(ACTIONLINT) / "actionlint"), "-shellcheck=", "-pyflakes=", *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_actionlint_takes_the_workflows() -> None:
    assert {path.stem for path in WORKFLOWS} == {"ci", "release"}
    done = actionlint(*WORKFLOWS)
    assert done.returncode == 0, done.stdout


def test_a_mistake_is_found(tmp_path: Path) -> None:
    for path in WORKFLOWS:
        wrong = tmp_path / path.name
        wrong.write_text(path.read_text().replace("${{ github.", "${{ gihub.", 1))
        done = actionlint(wrong)
        assert done.returncode != 0
        assert "gihub" in done.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_the_targets_exist_and_rights_are_small(path: Path) -> None:
    text = path.read_text()
    targets = set(re.findall(r"\bmake ([a-z-]+)", text)) - {"everything"}
    known = set(re.findall(r"^([a-z0-9-]+):", (repository() / "Makefile").read_text(), re.MULTILINE))
    assert targets <= known, targets - known
    assert "\npermissions:\n  contents: read\n" in text
