"""Imports point inwards, names say what a thing is, modules stay readable. Each checker can fail."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "operator/imagejob_operator",
    "processor/imagejob_processor",
    "processor/imagejob_contract",
    "client/imagejob",
    "cli/imagejob_cli",
    "local/imagejob_local",
    "gallery/imagejob_gallery",
}
LONGEST = 300
VAGUE = re.compile(r"(^|_)(utils?|helpers?|managers?|misc|common|stuff|base)(_|$)")


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    """Hold the import contracts against a copy of the tree, or the tree itself."""
    paths = sorted({str(root / package.partition("/")[0]) for package in PACKAGES})
    program = (
        f"import sys; sys.path[:0] = {paths!r}; from importlinter.cli import lint_imports;"
        "sys.exit(lint_imports(config_filename='pyproject.toml', no_cache=True))"
    )
    # Isolated from the installed packages' own paths, so that a copy is not passed over.
    return subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=50, check=False
    )


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_imports_point_inwards() -> None:
    linted = lint_imports(ROOT)
    assert linted.returncode == 0, linted.stdout + linted.stderr


INWARDS = "operator: imports point inwards"
OPERATOR, PROCESSOR = "operator/imagejob_operator", "processor/imagejob_processor"
STRAY = {
    "api-uses-controller": (f"{OPERATOR}/api/spec.py", "import imagejob_operator.controller.cache", INWARDS),
    "validation-reads-the-environment": (
        f"{OPERATOR}/validation/keys.py",
        "import os",
        "what decides is pure: no client, no clock, no environment",
    ),
    "staging-uses-publishing": (
        f"{OPERATOR}/operations/staging/stage.py",
        "import imagejob_operator.operations.publishing.publish",
        "operations: imports point inwards",
    ),
    "controller-uses-a-client": (
        f"{OPERATOR}/controller/cache.py",
        "import minio",
        "each client has one home",
    ),
    "adapter-uses-kopf": (
        f"{OPERATOR}/adapters/process/http_server.py",
        "import kopf",
        "kopf lives in handlers and main",
    ),
    "adapter-uses-handlers": (
        f"{OPERATOR}/adapters/process/logs.py",
        "import imagejob_operator.handlers.watch",
        INWARDS,
    ),
    "operator-uses-the-processor": (
        f"{OPERATOR}/operations/publishing/publish.py",
        "import imagejob_processor.rendering.jpeg_planes",
        "operator and processor share the contract, and nothing else",
    ),
    "processor-uses-the-operator": (
        f"{PROCESSOR}/limits.py",
        "import imagejob_operator.naming.names",
        "the processor does not know the operator",
    ),
    "contract-uses-the-processor": (
        "processor/imagejob_contract/recipe.py",
        "import imagejob_processor.errors",
        "the contract imports nothing of ours",
    ),
    "client-uses-the-command-line": (
        "client/imagejob/job.py",
        "import imagejob_cli.session",
        "the client does not know the command line",
    ),
    "client-uses-the-controller": (
        "client/imagejob/job.py",
        "import imagejob_operator.decision.shards",
        "of the operator, clients use only what has no client",
    ),
    "operator-uses-the-client": (
        f"{OPERATOR}/api/errors.py",
        "import imagejob.errors",
        "neither operator nor processor knows the client",
    ),
    "a-run-on-one-machine-uses-kubernetes": (
        "local/imagejob_local/run.py",
        "import kubernetes",
        "one machine needs no cluster",
    ),
    "the-gallery-uses-a-store": (
        "gallery/imagejob_gallery/page.py",
        "import imagejob_operator.stores.registry",
        "the gallery knows the report and the error catalogue, and opens nothing",
    ),
    "the-gallery-opens-a-file": (
        "gallery/imagejob_gallery/content.py",
        "import pathlib",
        "the gallery knows the report and the error catalogue, and opens nothing",
    ),
    "a-module-of-no-layer": (f"{OPERATOR}/stray.py", "", INWARDS),
}


@pytest.mark.parametrize(("module", "line", "contract"), STRAY.values(), ids=STRAY)
def test_a_stray_import_is_found(copied: Path, module: str, line: str, contract: str) -> None:
    target = copied / module
    before = target.read_text() if target.exists() else '"""Belongs to no layer."""'
    target.write_text(f"{before}\n{line}\n")
    linted = lint_imports(copied)
    assert linted.returncode != 0
    assert f"{contract} BROKEN" in linted.stdout, linted.stdout + linted.stderr


# --- names and sizes ---------------------------------------------------------------------------------------


def modules(root: Path) -> Iterator[Path]:
    for folder in ("operator", "processor", "client", "cli", "local", "gallery", "tools"):
        yield from (path for path in sorted((root / folder).rglob("*.py")) if "gomod" not in path.parts)


def vague(paths: Iterable[Path], root: Path) -> list[str]:
    found = [path.relative_to(root) for path in paths]
    return [str(path) for path in found if any(VAGUE.search(part) for part in path.with_suffix("").parts)]


def too_long(paths: Iterable[Path]) -> list[str]:
    return [str(path) for path in paths if len(path.read_text().splitlines()) > LONGEST]


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert vague(modules(ROOT), ROOT) == []


@pytest.mark.parametrize("name", ["utils.py", "job_helper.py", "manager.py", "common/x.py"])
def test_a_name_that_says_nothing_is_found(name: str) -> None:
    assert vague([ROOT / "operator" / name], ROOT) == [f"operator/{name}"]


def test_modules_can_be_read_in_one_go() -> None:
    assert too_long(modules(ROOT)) == []


def test_a_long_module_is_found(tmp_path: Path) -> None:
    long, short = tmp_path / "long.py", tmp_path / "short.py"
    long.write_text("x = 1\n" * (LONGEST + 1))
    short.write_text("x = 1\n" * LONGEST)
    assert too_long([long, short]) == [str(long)]


def shadows(root: Path) -> list[str]:
    """Packages that would be imported instead of the standard library's `operator`."""
    return [str(p.relative_to(root)) for p in root.glob("**/operator/__init__.py") if ".venv" not in p.parts]


def test_nothing_shadows_the_standard_library() -> None:
    assert shadows(ROOT) == []


def test_a_shadow_is_found(tmp_path: Path) -> None:
    (tmp_path / "tests/operator").mkdir(parents=True)
    (tmp_path / "tests/operator/__init__.py").touch()
    assert shadows(tmp_path) == ["tests/operator/__init__.py"]


def test_tests_are_no_packages() -> None:
    assert [str(path) for path in (ROOT / "tests").rglob("__init__.py")] == []
