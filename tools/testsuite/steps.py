"""The steps of the test suite: name, requirements and command."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

PYTHON = sys.executable
CLUSTER = os.environ.get("IMAGEJOB_TEST_CLUSTER", "test")
"""The name of the cluster that the suite makes and removes."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `tier` is the value of `--only`.

    Consecutive steps of the same `group` run in parallel.
    """

    name: str
    tier: str
    command: tuple[str, ...]
    needs_cluster: bool = False
    group: str = ""

    @property
    def counts_tests(self) -> bool:
        """Whether it runs tests, so that passed and skipped ones are counted."""
        return "pytest" in self.command


def _pytest(*arguments: str) -> tuple[str, ...]:
    return (PYTHON, "-m", "pytest", "-q", "--no-header", *arguments)


def _computing(*arguments: str) -> tuple[str, ...]:
    """Tests that compute, and yield to those that wait for the cluster beside them."""
    return ("nice", "-n", "5", *_pytest(*arguments))


STEPS = (
    Step("format", "check", (PYTHON, "-m", "ruff", "format", "--check", "--quiet", ".")),
    Step("lint", "check", (PYTHON, "-m", "ruff", "check", "--quiet", ".")),
    Step("imports", "check", (str(Path(PYTHON).parent / "lint-imports"), "--no-cache")),
    Step("types", "check", (PYTHON, "-m", "mypy"), group="code"),
    Step("decision", "check", _pytest("tests/unit/decision"), group="code"),
    Step(
        "unit",
        "check",
        _pytest(
            "tests/unit",
            "tests/architecture",
            "--ignore=tests/unit/decision",
            "--ignore=tests/unit/processor",
        ),
        group="code",
    ),
    Step("build", "test", (PYTHON, "-m", "localcluster", "build"), needs_cluster=True),
    Step("tool", "test", _pytest("tests/localcluster"), needs_cluster=True, group="tool"),
    Step("hostile", "test", _pytest("tests/hostile"), group="tool"),
    Step("scale", "test", _pytest("tests/scale", "tests/mutants"), group="tool"),
    Step("alerts", "test", _pytest("tests/alerts"), group="tool"),
    Step("cluster-up", "e2e", (PYTHON, "-m", "localcluster", "up", "--name", CLUSTER), needs_cluster=True),
    Step("images", "e2e", (PYTHON, "-m", "localcluster", "images", "--name", CLUSTER), needs_cluster=True),
    Step("contract", "test", _pytest("tests/contract"), needs_cluster=True, group="served"),
    Step("cluster", "test", _pytest("tests/cluster"), needs_cluster=True, group="served"),
    Step("chaos", "test", _computing("tests/chaos"), group="served"),
    Step("e2e", "e2e", _pytest("tests/e2e"), needs_cluster=True, group="e2e"),
    Step("processor", "test", _computing("tests/unit/processor"), group="e2e"),
    Step("golden", "test", _computing("tests/golden", "tests/pictures"), group="e2e"),
    Step(
        "cluster-down", "e2e", (PYTHON, "-m", "localcluster", "down", "--name", CLUSTER), needs_cluster=True
    ),
)


def choose(tier: str | None) -> tuple[Step, ...]:
    """Return the steps of a tier, or all."""
    return tuple(step for step in STEPS if tier is None or step.tier == tier)
