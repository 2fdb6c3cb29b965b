"""The steps of the test suite: name, requirements and command."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from localcluster.images import TEST_NAMES
from localcluster.paths import cache_root

PYTHON = sys.executable
CLUSTER = os.environ.get("IMAGEJOB_TEST_CLUSTER", "test")
"""The name of the first cluster that the suite makes and removes."""
SECOND = f"{CLUSTER}-2"
"""The name of the second one: a cluster serves one test run at a time, and two runs take half the time."""

DELAYS = "tests/e2e/load/test_hostile.py"
"""Measures how far the status lags behind, beside hostile objects."""
SEPARATE = ("--ignore=tests/e2e/load", "--ignore=tests/e2e/upgrade", "--ignore=tests/e2e/flux")
"""Of tests/e2e: a step of its own, `make upgrade` and `make flux`."""
TYPES_CACHE = cache_root() / "mypy"
"""Outside the tree, so that a clean checkout does not check the types of libraries again."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `tier` is the value of `--only`.

    Consecutive steps of the same `group` run in parallel, except that those of one `lane` run in order.
    """

    name: str
    tier: str
    command: tuple[str, ...]
    needs_cluster: bool = False
    group: str = ""
    lane: str = ""
    cluster: str = CLUSTER
    """The cluster that its tests use."""
    required: bool = False
    """Whether the steps after it cannot run if it fails."""
    limit: float = 1800.0
    """Seconds after which it is ended; no step takes half as long, built from nothing included."""

    @property
    def counts_tests(self) -> bool:
        """Whether it runs tests, so that passed and skipped ones are counted."""
        return "pytest" in self.command


def _pytest(*arguments: str) -> tuple[str, ...]:
    return (PYTHON, "-m", "pytest", "-q", "--no-header", *arguments)


def _without(*folders: str) -> tuple[str, ...]:
    return tuple(f"--ignore=tests/unit/{folder}" for folder in folders)


def _on(cluster: str, lane: str, *tests: Step) -> tuple[Step, ...]:
    """Make a cluster, run tests on it, remove it."""

    def local(name: str, word: str, *more: str, required: bool = True) -> Step:
        command = (PYTHON, "-m", "localcluster", word, "--name", cluster, *more)
        return Step(name, "e2e", command, True, "clusters", lane, cluster, required)

    number = "" if cluster == CLUSTER else "-2"
    return (
        local(f"cluster-up{number}", "up"),
        local(f"images{number}", "images", *TEST_NAMES),
        *(replace(test, needs_cluster=True, group="clusters", lane=lane, cluster=cluster) for test in tests),
        local(f"cluster-down{number}", "down", required=False),
    )


def _beside(name: str, lane: str, *arguments: str) -> Step:
    """Tests that compute, beside the clusters: the tests of those measure how long something takes."""
    command = (PYTHON, "-m", "testsuite.background", *_pytest(*arguments))
    return Step(name, "test", command, group="clusters", lane=lane)


STEPS = (
    Step("format", "check", (PYTHON, "-m", "ruff", "format", "--check", "--quiet", ".")),
    Step("lint", "check", (PYTHON, "-m", "ruff", "check", "--quiet", ".")),
    Step("imports", "check", (str(Path(PYTHON).parent / "lint-imports"), "--no-cache")),
    # Three lanes of about the same length.
    Step(
        "decision", "check", _pytest("tests/unit/decision", "-k", "not beyond"), group="code", lane="decision"
    ),
    Step("clients", "check", _pytest("tests/unit/cli", "tests/unit/client"), group="code", lane="decision"),
    Step(
        "types", "check", (PYTHON, "-m", "mypy", f"--cache-dir={TYPES_CACHE}"), group="code", lane="decision"
    ),
    Step("controller", "check", _pytest("tests/unit/controller"), group="code", lane="controller"),
    Step("architecture", "check", _pytest("tests/architecture"), group="code", lane="controller"),
    Step(
        "unit",
        "check",
        _pytest("tests/unit", *_without("decision", "controller", "cli", "client", "local", "processor")),
        group="code",
        lane="unit",
    ),
    Step("site", "check", (PYTHON, "-m", "docsite"), group="code", lane="unit"),
    Step("build", "test", (PYTHON, "-m", "localcluster", "build"), needs_cluster=True, required=True),
    Step(
        "build-tools", "test", (PYTHON, "-m", "localcluster", "build", "helm", "gitops-health"), required=True
    ),
    # Not beside the tests of local clusters, which compare the programs that run.
    Step(
        "manifests",
        "test",
        _pytest(
            *("tests/helm", "--ignore=tests/helm/test_conformity.py", "tests/gitops/test_health.py"),
            *("-k", "not beyond"),
        ),
        group="manifests",
    ),
    Step("tool", "test", _pytest("tests/localcluster"), needs_cluster=True, group="tool", lane="tool"),
    Step("chaos", "test", _pytest("tests/chaos"), group="tool"),
    Step("scale", "test", _pytest("tests/scale", "tests/mutants"), group="tool", lane="scale"),
    Step("alerts", "test", _pytest("tests/alerts"), group="tool", lane="scale"),
    Step("local", "test", _pytest("tests/unit/local"), group="tool", lane="scale"),
    *_on(
        CLUSTER,
        "load",
        # Delays are measured first, beside tests that need little CPU time.
        Step("delays", "e2e", _pytest(DELAYS)),
        Step("load", "e2e", _pytest("tests/e2e/load", f"--ignore={DELAYS}")),
        Step("cluster", "test", _pytest("tests/cluster")),
        # Last: it removes the operator that the tests before it use.
        Step("install", "e2e", _pytest("tests/install")),
    ),
    *_on(
        SECOND,
        "jobs",
        Step("contract", "test", _pytest("tests/contract")),
        Step("e2e", "e2e", _pytest("tests/e2e", *SEPARATE)),
    ),
    _beside("processor", "processor", "tests/unit/processor"),
    _beside(
        "decision-all", "processor", "tests/unit/decision", "tests/gitops/test_health.py", "-k", "beyond"
    ),
    _beside("golden", "golden", "tests/golden", "tests/pictures"),
    _beside("hostile", "golden", "tests/hostile"),
)


KIND_STEPS = _on(
    CLUSTER,
    "kind",
    Step("e2e", "e2e", _pytest("tests/e2e", *SEPARATE), limit=5400.0),
    # Kills the control plane and the node as well, which are processes of the native provider only.
    Step("load", "e2e", _pytest("tests/e2e/load", "--ignore=tests/e2e/load/test_killed_at_random.py")),
    Step("install", "e2e", _pytest("tests/install")),
)
"""`make test-kind`; no part of `make test`."""


def choose(tier: str | None) -> tuple[Step, ...]:
    """Return the steps of a tier, or all; those of kind only by its name."""
    if tier == "kind":
        return KIND_STEPS
    return tuple(step for step in STEPS if tier is None or step.tier == tier)
