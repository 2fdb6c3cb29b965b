"""File locks, so that two runs of the tool do not do the same work twice."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from localcluster.errors import ClusterError
from localcluster.progress import say


@contextmanager
def locked(path: Path, what: str, seconds: float = 3600) -> Iterator[None]:
    """Hold an exclusive lock; say so while another process has it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        told = False
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise ClusterError(f"{path} is held by another process: {what}") from None
                if not told:
                    say(f"waiting for another process that has {what}")
                    told = True
                time.sleep(0.2)
        yield
