"""`python -m testsuite [--only TIER]`: run the steps, print the table, fail if any failed or skipped."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from xml.etree import ElementTree

from testsuite.steps import CLUSTER, Step, choose


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step ended: seconds, and counts of tests where it ran some."""

    step: Step
    seconds: float
    exit_code: int
    tests: int = 0
    skipped: int = 0

    @property
    def failure(self) -> str:
        """Why the step does not count as passed; empty if it does."""
        if self.exit_code:
            return f"exit code {self.exit_code}"
        if self.skipped:
            return f"{self.skipped} skipped: a skipped test counts as not done"
        if self.step.counts_tests and not self.tests:
            return "it ran no test"
        return ""


def run_step(step: Step, environment: Mapping[str, str]) -> Outcome:
    """Run one step in the foreground; its output is the terminal's."""
    sys.stdout.write(f"\n== {step.name}: {' '.join(step.command[1:])}\n")
    sys.stdout.flush()
    begun = monotonic()
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "counts.xml"
        command = [*step.command, f"--junitxml={counts}"] if step.counts_tests else list(step.command)
        exit_code = subprocess.run(command, env=dict(environment), check=False).returncode
        tests, skipped = read_counts(counts)
    return Outcome(step, monotonic() - begun, exit_code, tests, skipped)


def read_counts(path: Path) -> tuple[int, int]:
    """Tests and skipped tests (xfailed ones among them) of a JUnit file; none if there is no file."""
    if not path.exists():
        return 0, 0
    suites = list(ElementTree.parse(path).getroot().iter("testsuite"))  # noqa: S314  (our own file)
    return sum(int(s.get("tests", 0)) for s in suites), sum(int(s.get("skipped", 0)) for s in suites)


def missing_rights() -> str:
    """Why the tiers that need a cluster cannot run here; empty if they can."""
    if os.geteuid() == 0 or shutil.which("kind"):
        return ""
    return "needs root on Linux, or kind with Docker"


def table(outcomes: Sequence[Outcome], left_out: Sequence[Step], reason: str) -> str:
    """The table of steps with their times."""
    lines = [f"{'step':<14}{'seconds':>9}{'tests':>8}  result"]
    lines += [f"{o.step.name:<14}{o.seconds:>9.1f}{o.tests or '':>8}  {o.failure or 'ok'}" for o in outcomes]
    total = sum(o.seconds for o in outcomes)
    lines.append(f"{'total':<14}{total:>9.1f}{sum(o.tests for o in outcomes):>8}")
    if left_out:
        lines.append(f"left out: {', '.join(step.name for step in left_out)} ({reason})")
    return "\n".join(lines)


def main() -> int:
    """Run the steps; 0 only if every one passed and, under CI, none was left out."""
    parser = argparse.ArgumentParser(prog="testsuite", description=__doc__)
    parser.add_argument("--only", choices=("check", "test", "e2e"), help="only the steps of this tier")
    options = parser.parse_args()
    reason = missing_rights()
    steps = choose(options.only)
    left_out = [step for step in steps if step.needs_cluster and reason]
    environment = {**os.environ, "IMAGEJOB_TEST_CLUSTER": CLUSTER}
    outcomes: list[Outcome] = []
    for step in steps:
        if step in left_out:
            continue
        outcomes.append(run_step(step, environment))
        if outcomes[-1].failure and step.name in ("build", "cluster-up", "images"):
            break
    sys.stdout.write("\n" + table(outcomes, left_out, reason) + "\n")
    failed = [o.step.name for o in outcomes if o.failure]
    if left_out and os.environ.get("CI") == "true":
        failed.append("steps left out under CI")
    if failed:
        sys.stdout.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
