"""One shell that runs commands one after the other, as a user types them."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from walkthrough.page import Command

KEPT = ("PATH", "LANG", "LC_ALL", "TERM", "USER", "TMPDIR", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
"""Variables of a new user's environment. Those of pip and of proxies are kept as well."""
RUN = """
(exit $last); {{ eval {command}; }} </dev/null >{folder}/{number} 2>&1; last=$?
echo "$last" >{folder}/{number}.code
"""


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command has printed, on standard output and standard error, and its exit code."""

    command: Command
    output: str
    code: int


@dataclass(frozen=True, slots=True)
class Session:
    """What the commands of a page have done: seconds on the clock, and of CPU time."""

    ran: Sequence[Ran]
    seconds: float
    cpu: float


def environment(home: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a user with an empty home folder."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in KEPT or name.upper().startswith("PIP_") or name.upper().endswith("_PROXY")
    }
    return {**kept, "HOME": str(home), "PIP_DISABLE_PIP_VERSION_CHECK": "1", **more}


def run(commands: Sequence[Command], folder: Path, variables: Mapping[str, str]) -> Session:
    """Run commands in one bash, so that directories and variables last; each has no input."""
    with tempfile.TemporaryDirectory() as outputs:
        script = "last=0\n" + "".join(
            RUN.format(command=shlex.quote(command.text), folder=outputs, number=number)
            for number, command in enumerate(commands)
        )
        started, before = monotonic(), os.times()
        subprocess.run(["bash"], input=script, text=True, cwd=folder, env=dict(variables), check=False)
        after = os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        ran = [_read(Path(outputs), number, command) for number, command in enumerate(commands)]
    return Session(ran, monotonic() - started, cpu)


def _read(outputs: Path, number: int, command: Command) -> Ran:
    code = outputs / f"{number}.code"
    if not code.exists():
        return Ran(command, "(the shell has ended before this command)\n", 255)
    return Ran(command, (outputs / str(number)).read_text(errors="replace"), int(code.read_text()))
