"""The server that is notified of the ends of runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class SinkError(Exception):
    """The server did not accept an event; the message says why."""


class EventRefused(SinkError):
    """The server answered that it does not take this event: sending it again would not help."""


class EventSink(Protocol):
    """Takes CloudEvents."""

    async def send(self, event: Mapping[str, Any]) -> None:
        """Send one event, as JSON in structured mode.

        Raises:
            SinkError: it was not accepted; EventRefused if it never will be.
        """
