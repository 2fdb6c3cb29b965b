"""The server that takes the traces of runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from imagejob_operator.documents.run_trace import Trace


class CollectorError(Exception):
    """The collector did not accept traces; the message says why."""

    def __init__(self, message: str, transient: bool, retry_after: float = 0.0) -> None:
        """`transient`: it may accept the same traces later, after `retry_after` seconds or more."""
        super().__init__(message)
        self.transient = transient
        self.retry_after = retry_after


class TraceCollector(Protocol):
    """Takes traces."""

    async def send(self, traces: Sequence[Trace]) -> None:
        """Send traces in one request.

        Raises:
            CollectorError: they were not accepted, or only in part.
        """
