"""Reports how many items are done while the Pod works, in a small object in the store.

It is for people who wait: nothing depends on it, and none of its errors ends the Pod.
"""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Protocol

from imagejob_contract.result import ItemResult, Progress, encode_progress
from imagejob_processor.errors import PodFailure
from imagejob_processor.logs import LOGGER

FIRST = 3.0
"""Seconds before the first write: the operator reads no progress of runs that end sooner."""
EVERY = 2.0
"""Seconds between two writes."""
LAST = 5.0
"""Seconds to wait for a write under way: none may come after the result, since staging is deleted then."""


class ProgressStore(Protocol):
    """See `storage.Store`."""

    def put_progress(self, url: str, data: bytes) -> None:
        """Store the progress."""


class ProgressReport:
    """Counts results, and writes the counts from a thread of its own while it is entered."""

    def __init__(self, store: ProgressStore, url: str, first: float = FIRST, every: float = EVERY) -> None:
        self._store = store
        self._url = url
        self._first = first
        self._every = every
        self._done = Progress()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="progress", daemon=True)

    def __enter__(self) -> ProgressReport:
        """Start to write."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; after an error without waiting."""
        self._stopped.set()
        if error is None:
            self._thread.join(LAST)

    def add(self, result: ItemResult) -> None:
        """An item is done."""
        done, failed = self._done, result.error is not None
        self._done = Progress(done.succeeded + (not failed), done.failed + failed)

    def _run(self) -> None:
        written, pause = Progress(), self._first
        while not self._stopped.wait(pause):
            pause, done = self._every, self._done
            if done == written:
                continue
            try:
                self._store.put_progress(self._url, encode_progress(done))
            except PodFailure as failure:
                LOGGER.info("the progress was not stored", extra={"cause": str(failure)})
            written = done
