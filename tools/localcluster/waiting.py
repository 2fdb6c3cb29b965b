"""Waits for conditions with a deadline; a failure names the log to read."""

import time
from collections.abc import Callable
from pathlib import Path

from localcluster.commands import tail
from localcluster.errors import ClusterError

PAUSE = 0.1


def wait_for(
    what: str,
    probe: Callable[[], str | None],
    seconds: float,
    log: Path | None = None,
) -> None:
    """Call ``probe`` until the condition holds.

    Args:
        what: the condition, for the error message.
        probe: returns None when the condition holds, else why it does not.
        seconds: the deadline.
        log: the file whose last lines explain a failure.

    Raises:
        ClusterError: the deadline passed first.
    """
    deadline = time.monotonic() + seconds
    while (objection := probe()) is not None:
        if time.monotonic() > deadline:
            message = f"{what}: not within {seconds:.0f} s ({objection})"
            if log is not None:
                message += f"\n  last lines of {log}:\n{tail(log)}"
            raise ClusterError(message)
        time.sleep(PAUSE)
