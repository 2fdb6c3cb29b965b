"""The steps of the test suite: name, requirements and command."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

PYTHON = sys.executable
CLUSTERS = ("test", "test-2")
"""Clusters of the suite: tests on one of them run beside those on the other."""

DISRUPTIVE = tuple(
    f"tests/e2e/test_{subject}.py"
    for subject in (
        "failover",
        "hostile",
        "killed_at_random",
        "numbers",
        "operator_killed",
        "restore",
        "silent_watch",
        "store_down",
    )
)
"""Tests that stop the operator, the store or the control plane, and wait for their recovery."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `tier` is the value of `--only`.

    Consecutive steps of the same `group` run in parallel; those on the same `cluster` run in sequence.
    """

    name: str
    tier: str
    command: tuple[str, ...]
    needs_cluster: bool = False
    group: str = ""
    cluster: str = ""

    @property
    def counts_tests(self) -> bool:
        """Whether it runs tests, so that passed and skipped ones are counted."""
        return "pytest" in self.command


def _pytest(*arguments: str) -> tuple[str, ...]:
    return (PYTHON, "-m", "pytest", "-q", "--no-header", *arguments)


def _on(cluster: str, step: Step) -> Step:
    return replace(step, needs_cluster=True, group="clusters", cluster=cluster)


def _cluster_step(name: str, command: str, cluster: str) -> Step:
    """A step that brings a cluster up, loads its images or takes it down."""
    call = (PYTHON, "-m", "localcluster", command, "--name", cluster)
    number = CLUSTERS.index(cluster) + 1
    return Step(f"{name}-{number}", "e2e", call, needs_cluster=True, cluster=cluster)


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
    Step("scale", "test", _pytest("tests/scale"), group="memory"),
    Step("chaos", "test", _pytest("tests/chaos"), group="memory"),
    Step("hostile", "test", _pytest("tests/hostile"), group="memory"),
    Step("build", "test", (PYTHON, "-m", "localcluster", "build"), needs_cluster=True),
    Step("tool", "test", _pytest("tests/localcluster"), needs_cluster=True, group="tool"),
    Step("processor", "test", _pytest("tests/unit/processor"), group="tool"),
    Step("golden", "test", _pytest("tests/golden", "tests/pictures"), group="tool"),
    Step("alerts", "test", _pytest("tests/alerts"), group="tool"),
    *(_cluster_step("cluster-up", "up", name) for name in CLUSTERS),
    *(_cluster_step("images", "images", name) for name in CLUSTERS),
    _on(CLUSTERS[0], Step("contract", "test", _pytest("tests/contract"))),
    _on(CLUSTERS[0], Step("e2e", "e2e", _pytest("tests/e2e", *(f"--ignore={path}" for path in DISRUPTIVE)))),
    _on(CLUSTERS[1], Step("cluster", "test", _pytest("tests/cluster"))),
    _on(CLUSTERS[1], Step("disruption", "e2e", _pytest(*DISRUPTIVE))),
    *(_cluster_step("cluster-down", "down", name) for name in CLUSTERS),
)


def choose(tier: str | None) -> tuple[Step, ...]:
    """Return the steps of a tier, or all."""
    return tuple(step for step in STEPS if tier is None or step.tier == tier)
