"""Tests that need a cluster or a store can at least be imported: `make check` does this without them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from architecture.runbook import ROOT

FOLDERS = ("contract", "cluster", "e2e", "localcluster", "evidence", "alerts", "gitops", "helm", "install")


def collect(*folders: Path) -> subprocess.CompletedProcess[str]:
    """Import the tests of some folders, and run none."""
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--collect-only",
            "-p",
            "no:cacheprovider",
            *map(str, folders),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(60)
def test_every_test_can_be_imported() -> None:
    collected = collect(*(ROOT / "tests" / folder for folder in FOLDERS))
    assert collected.returncode == 0, collected.stdout[-3000:]


@pytest.mark.timeout(60)
def test_a_test_that_cannot_be_imported_is_found(tmp_path: Path) -> None:
    (tmp_path / "test_x.py").write_text("from imagejob_operator.decision import no_such_module\n")
    collected = collect(tmp_path)
    assert collected.returncode != 0
    assert "no_such_module" in collected.stdout
