"""The steps of the test suite: name, requirements and command."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

PYTHON = sys.executable
CLUSTER = "test"


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
    Step("scale", "test", _pytest("tests/scale", "tests/mutants")),
    Step("chaos", "test", _pytest("tests/chaos"), group="memory"),
    Step("hostile", "test", _pytest("tests/hostile"), group="memory"),
    Step("build", "test", (PYTHON, "-m", "localcluster", "build"), needs_cluster=True),
    Step("tool", "test", _pytest("tests/localcluster"), needs_cluster=True, group="tool"),
    Step("processor", "test", _pytest("tests/unit/processor"), group="tool"),
    Step("golden", "test", _pytest("tests/golden", "tests/pictures"), group="tool"),
    Step("alerts", "test", _pytest("tests/alerts"), group="tool"),
    Step("cluster-up", "e2e", (PYTHON, "-m", "localcluster", "up", "--name", CLUSTER), needs_cluster=True),
    Step("images", "e2e", (PYTHON, "-m", "localcluster", "images", "--name", CLUSTER), needs_cluster=True),
    Step("contract", "test", _pytest("tests/contract"), needs_cluster=True, group="served"),
    Step("cluster", "test", _pytest("tests/cluster"), needs_cluster=True, group="served"),
    Step("e2e", "e2e", _pytest("tests/e2e"), needs_cluster=True),
    Step(
        "cluster-down", "e2e", (PYTHON, "-m", "localcluster", "down", "--name", CLUSTER), needs_cluster=True
    ),
)


def choose(tier: str | None) -> tuple[Step, ...]:
    """Return the steps of a tier, or all."""
    return tuple(step for step in STEPS if tier is None or step.tier == tier)
