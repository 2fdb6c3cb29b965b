"""`python -m testsuite.idle COMMAND…`: run a command in the CPU time that no other process needs."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

AUTOGROUP = Path("/proc/self/autogroup")
"""The nice value of the session, on Linux with automatic task groups (`sched(7)`)."""
LEAST = 19


def main() -> None:
    """Become the command, in a session of its own.

    Linux shares the CPUs between sessions first, and between the processes of each session after that. The
    scheduling policy of a process alone therefore leaves an idle session as much as a busy one.
    """
    os.setsid()
    with suppress(OSError):
        AUTOGROUP.write_text(str(LEAST))
    if hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    else:
        os.nice(LEAST)
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606  (the command is the suite's own)


if __name__ == "__main__":
    main()
