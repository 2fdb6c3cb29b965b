"""`python -m testsuite.background COMMAND…`: run a command with a third of the CPU time of others."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

AUTOGROUP = Path("/proc/self/autogroup")
"""The nice value of the session, on Linux with automatic task groups (`sched(7)`)."""
NICE = 5


def main() -> None:
    """Become the command, in a session of its own.

    Linux shares the CPUs between sessions first, and between the processes of each session after that: the
    nice value of a process alone leaves its session as much as any other.
    """
    with suppress(PermissionError):  # It leads a session.
        os.setsid()
    with suppress(OSError):
        AUTOGROUP.write_text(str(NICE))
    os.nice(NICE)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606  (the command is the suite's own)


if __name__ == "__main__":
    main()
