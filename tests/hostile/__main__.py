"""`python -m hostile [words]`: run the fuzzers, `tests/hostile/test_fuzz_*.py`, for a time budget.

Args:
    words: only fuzzers whose name has one of them.
    --minutes N: CPU minutes for all fuzzers together.
"""

from __future__ import annotations

import argparse
import random
import re
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
COMMAND = (
    *(sys.executable, "-m", "pytest", "-q", "--no-header", "--timeout=3600", "-p", "no:cacheprovider"),
    *("--hypothesis-profile=fuzz", "--hypothesis-show-statistics"),
)
_EXAMPLES = re.compile(r"([0-9]+) passing, ([0-9]+) failing")


@dataclass(slots=True)
class Fuzzer:
    """A file of properties, with what its rounds have found."""

    path: Path
    examples: int = 0
    seconds: float = 0.0
    findings: str = ""
    """The output of the round that failed; empty if none did."""

    @property
    def name(self) -> str:
        """The subject."""
        return self.path.stem.removeprefix("test_fuzz_")

    def run_round(self, seed: int) -> None:
        """Run each property of the file with new examples."""
        before = _cpu_seconds()
        ended = subprocess.run(
            [*COMMAND, f"--hypothesis-seed={seed}", str(self.path)],
            check=False,
            capture_output=True,
            text=True,
        )
        self.seconds += _cpu_seconds() - before
        self.examples += count_examples(ended.stdout)
        if ended.returncode:
            self.findings = ended.stdout.partition("= Hypothesis Statistics =")[0] + ended.stderr


def count_examples(output: str) -> int:
    """The examples in the statistics that Hypothesis prints."""
    return sum(int(found[1]) + int(found[2]) for found in _EXAMPLES.finditer(output))


def fuzz(fuzzers: Sequence[Fuzzer], seconds: float, seeds: random.Random) -> None:
    """Run the fuzzers in rounds until the CPU seconds are used; one with a finding is not run again."""
    begun = _cpu_seconds()
    while waiting := [one for one in fuzzers if not one.findings]:
        min(waiting, key=lambda one: one.seconds).run_round(seeds.randrange(2**32))
        if _cpu_seconds() - begun >= seconds and all(one.seconds for one in fuzzers):
            return


def main(words: Sequence[str], minutes: float) -> int:
    """Run and print a table; 1 if a fuzzer found something or there is none."""
    found = [Fuzzer(path) for path in sorted(HERE.glob("test_fuzz_*.py"))]
    fuzzers = [one for one in found if not words or any(word in one.name for word in words)]
    fuzz(fuzzers, minutes * 60, random.Random())
    lines = [one.findings for one in fuzzers if one.findings]
    lines.append(f"{'fuzzer':<20}{'examples':>10}{'CPU seconds':>13}  findings")
    lines += [
        f"{one.name:<20}{one.examples:>10}{one.seconds:>13.0f}  {'FOUND' if one.findings else 'none'}"
        for one in fuzzers
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0 if fuzzers and not any(one.findings for one in fuzzers) else 1


def _cpu_seconds() -> float:
    """CPU time of all ended child processes: wall time depends on what else the machine does."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m hostile")
    parser.add_argument("words", nargs="*")
    parser.add_argument("--minutes", type=float, default=5)
    given = parser.parse_args()
    sys.exit(main(given.words, given.minutes))
