"""`python -m testsuite [--only TIER]`: run the steps, print the table, fail if any failed or skipped."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from threading import Event, Timer
from time import monotonic
from typing import IO
from xml.etree import ElementTree

from testsuite.steps import Step, choose

GRACE = 10.0
"""Seconds that a step has to print its stacks, before it is killed."""
INTERRUPTED = Event()
"""Set by Ctrl-C: no other step begins."""
RUNNING: set[int] = set()
"""Process IDs of the steps that run."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a step: seconds, exit code, counts of tests, and its own seconds of CPU time.

    Clusters outlive the steps that start them: their CPU time is not included.
    """

    step: Step
    seconds: float
    exit_code: int
    tests: int = 0
    skipped: int = 0
    cpu: float = 0.0

    @property
    def failure(self) -> str:
        """Return why the step failed; empty if it passed."""
        if self.exit_code and self.seconds >= self.step.limit:
            return f"ended after its limit of {self.step.limit:g} s"
        if self.exit_code:
            return f"exit code {self.exit_code}"
        if self.skipped:
            return f"{self.skipped} skipped: skipped tests count as failed"
        if self.step.counts_tests and not self.tests:
            return "no test was run"
        return ""


def run_step(step: Step, environment: Mapping[str, str], output: IO[bytes] | None = None) -> Outcome:
    """Run one step; its output goes to the terminal, or into `output`.

    A step that exceeds its limit is ended; if it runs Python, it prints the stack of every thread first.
    """
    started = monotonic()
    with tempfile.TemporaryDirectory() as folder:
        counts = Path(folder) / "counts.xml"
        command = [*step.command, f"--junitxml={counts}"] if step.counts_tests else list(step.command)
        process = subprocess.Popen(
            command,
            env={
                **environment,
                "IMAGEJOB_TEST_CLUSTER": step.cluster,
                "IMAGEJOB_TEST_KUBECONFIG": "",
                "PYTHONFAULTHANDLER": "1",
            },
            stdout=output,
            stderr=output and subprocess.STDOUT,
        )
        limits = [
            Timer(step.limit, os.kill, [process.pid, signal.SIGABRT]),
            Timer(step.limit + GRACE, os.kill, [process.pid, signal.SIGKILL]),
        ]
        for limit in limits:
            limit.start()
        RUNNING.add(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        RUNNING.discard(process.pid)
        process.returncode = os.waitstatus_to_exitcode(status)
        for limit in limits:
            limit.cancel()
        tests, skipped = read_counts(counts)
    cpu = usage.ru_utime + usage.ru_stime
    return Outcome(step, monotonic() - started, process.returncode, tests, skipped, cpu)


def run_group(steps: Sequence[Step], environment: Mapping[str, str]) -> list[Outcome]:
    """Run the lanes of a group in parallel.

    The output of a single step is streamed; that of others is shown when they end.
    """

    def one(step: Step) -> Outcome:
        say(f"\n== {step.name}: {' '.join(step.command[1:])}\n")
        if len(steps) == 1:
            return run_step(step, environment)
        with tempfile.TemporaryFile() as output:
            outcome = run_step(step, environment, output)
            output.seek(0)
            say(f"\n-- output of {step.name}:\n{output.read().decode(errors='replace')}")
            return outcome

    lanes: dict[str, list[Step]] = {}
    for step in steps:
        lanes.setdefault(step.lane or step.name, []).append(step)
    with ThreadPoolExecutor(len(lanes)) as pool:
        ended = list(pool.map(lambda lane: run_lane(lane, one), lanes.values()))
    outcomes = {outcome.step.name: outcome for lane in ended for outcome in lane}
    return [outcomes[step.name] for step in steps if step.name in outcomes]


def run_lane(steps: Sequence[Step], run: Callable[[Step], Outcome]) -> list[Outcome]:
    """Run steps one after the other, until one fails that the others require, or Ctrl-C."""
    outcomes: list[Outcome] = []
    for step in steps:
        if INTERRUPTED.is_set() or stops(outcomes):
            break
        outcomes.append(run(step))
    return outcomes


def stops(outcomes: Sequence[Outcome]) -> bool:
    """Return whether a step failed that the steps after it require."""
    return any(outcome.failure and outcome.step.required for outcome in outcomes)


def interrupt(*_: object) -> None:
    """On Ctrl-C, interrupt the steps in sessions of their own too, which the terminal does not reach."""
    INTERRUPTED.set()
    for process in tuple(RUNNING):
        with suppress(ProcessLookupError):
            if os.getsid(process) != os.getsid(0):
                os.kill(process, signal.SIGINT)


def say(text: str) -> None:
    """Write to the terminal and flush."""
    sys.stdout.write(text)
    sys.stdout.flush()


def read_counts(path: Path) -> tuple[int, int]:
    """Return the numbers of tests and of skipped tests (xfail included) in a JUnit file, if it exists."""
    if not path.exists():
        return 0, 0
    suites = list(ElementTree.parse(path).getroot().iter("testsuite"))  # noqa: S314  (our own file)
    return sum(int(s.get("tests", 0)) for s in suites), sum(int(s.get("skipped", 0)) for s in suites)


def missing_rights() -> str:
    """Return why cluster tiers cannot run on this machine; empty if they can."""
    if os.geteuid() == 0 or shutil.which("kind"):
        return ""
    return "root on Linux, or kind with Docker, is required"


def table(outcomes: Sequence[Outcome], total: float, left_out: Sequence[Step], reason: str) -> str:
    """Return the table of steps with their times."""
    lines = [f"{'step':<14}{'seconds':>9}{'CPU':>8}{'tests':>8}  result"]
    lines += [
        f"{o.step.name:<14}{o.seconds:>9.1f}{o.cpu:>8.1f}{o.tests or '':>8}  {o.failure or 'ok'}"
        for o in outcomes
    ]
    used, tests = sum(o.cpu for o in outcomes), sum(o.tests for o in outcomes)
    lines.append(f"{'total':<14}{total:>9.1f}{used:>8.1f}{tests:>8}")
    if left_out:
        lines.append(f"skipped: {', '.join(step.name for step in left_out)} ({reason})")
    return "\n".join(lines)


def main() -> int:
    """Run the steps; 0 if all passed and, under CI, none was skipped."""
    parser = argparse.ArgumentParser(prog="testsuite", description=__doc__)
    parser.add_argument(
        "--only", choices=("check", "test", "e2e", "kind"), help="only the steps of this tier"
    )
    options = parser.parse_args()
    reason = missing_rights()
    steps = choose(options.only)
    left_out = [step for step in steps if step.needs_cluster and reason]
    outcomes: list[Outcome] = []
    started = monotonic()
    wanted = [step for step in steps if step not in left_out]
    for _, group in groupby(wanted, key=lambda step: step.group or step.name):
        outcomes += run_group(list(group), os.environ)
        if stops(outcomes):
            break
    if INTERRUPTED.is_set():
        return 128 + signal.SIGINT
    sys.stdout.write("\n" + table(outcomes, monotonic() - started, left_out, reason) + "\n")
    failed = [o.step.name for o in outcomes if o.failure]
    if left_out and os.environ.get("CI") == "true":
        failed.append("steps skipped under CI")
    if failed:
        sys.stdout.write(f"failed: {', '.join(failed)}\n")
    return 1 if failed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, interrupt)
    sys.exit(main())
