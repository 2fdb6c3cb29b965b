"""The server that is notified of the ends of runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class SinkError(Exception):
    """The server did not accept an event; the message says why."""


class EventSink(Protocol):
    """Takes CloudEvents."""

    async def send(self, event: Mapping[str, Any]) -> None:
        """Send one event, as JSON in structured mode.

        Raises:
            SinkError: it was not accepted.
        """
