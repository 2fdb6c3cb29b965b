"""Runs mutmut in a copy of the repository."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from mutmut.stats import status_by_exit_code

SOURCE = "operator/imagejob_operator"
NOTICED = {"killed", "timeout", "segfault"}
"""What mutmut calls a mutant that a test failed for."""


class Mutants:
    """The mutants of one copy."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.absolute()

    def prepare(self) -> None:
        """Copy the repository; mutmut expects the package in `src`."""
        shutil.rmtree(self._folder, ignore_errors=True)
        listed = ("git", "ls-files", "--cached", "--others", "--exclude-standard")
        files = subprocess.run(listed, check=True, capture_output=True, text=True).stdout.splitlines()
        for name in filter(os.path.isfile, files):
            target = self._folder / name.replace(SOURCE, "src/imagejob_operator", 1)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(name, target)

    def generate(self) -> None:
        """Make all mutants, and find out which tests reach which function."""
        # mutmut runs no mutant if none has a name that is asked for; it says so when all else is done.
        ended = self._mutmut("run", "none")
        if "nothing matches" not in ended.stdout:
            raise RuntimeError(f"mutmut has not made the mutants:\n{ended.stdout[-5000:]}")

    def run(self, names: Sequence[str]) -> None:
        """Run the tests on these mutants."""
        ended = self._mutmut("run", *names)
        if ended.returncode:
            raise RuntimeError(f"mutmut has not run the mutants:\n{ended.stdout[-5000:]}")

    def _mutmut(self, *words: str) -> subprocess.CompletedProcess[str]:
        # Not `-m mutmut`: the processes that it forks would import it a second time.
        program = str(Path(sys.executable).parent / "mutmut")
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        return subprocess.run(
            [program, *words],
            check=False,
            cwd=self._folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def names(self) -> list[str]:
        """All mutants, in a fixed order."""
        return sorted(self._exit_codes())

    def survivors(self, names: Sequence[str]) -> list[str]:
        """Those of the names that no test noticed, or that no test reaches."""
        codes = self._exit_codes()
        return [name for name in names if status_by_exit_code[codes[name]] not in NOTICED]

    def change(self, name: str) -> str:
        """The changed lines of a mutant: those before with `-`, those after with `+`."""
        shown = self._mutmut("show", name)
        if shown.returncode:
            raise RuntimeError(f"mutmut does not show {name}:\n{shown.stdout[-5000:]}")
        lines = [
            line for line in shown.stdout.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")
        ]
        return "\n".join(line[0] + " " + line[1:].strip() for line in lines)

    def _exit_codes(self) -> dict[str, int | None]:
        found: dict[str, int | None] = {}
        for path in (self._folder / "mutants").rglob("*.meta"):
            found |= json.loads(path.read_text())["exit_code_by_key"]
        return found
