"""File locks between runs of the tool."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localcluster.errors import ClusterError
from localcluster.progress import say


@contextmanager
def locked(path: Path, what: str, seconds: float = 3600) -> Iterator[None]:
    """Hold an exclusive lock; report if another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        reported = False
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ClusterError(f"{path} is locked by another process: {what}") from None
                if not reported:
                    say(f"waiting for another process with {what}")
                    reported = True
                time.sleep(0.2)
        yield
