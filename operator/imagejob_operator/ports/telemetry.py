"""What the operator counts. The adapter turns it into metrics."""

from __future__ import annotations

from typing import Protocol

from imagejob_operator.core.status import Status


class Telemetry(Protocol):
    """All methods are cheap and never fail."""

    def turn(self, result: str, seconds: float) -> None:
        """One turn has ended: `result` is done, conflict, gone, error."""
        ...

    def moved(self, before: Status, after: Status) -> None:
        """A status with another phase was written."""
        ...

    def staged(self, size: int) -> None:
        """Bytes were copied into staging."""
        ...

    def deferred(self) -> None:
        """A finalizer was released before staging was known to be empty."""
        ...
