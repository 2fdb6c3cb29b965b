"""What the operator counts. The adapter turns it into metrics."""

from __future__ import annotations

from typing import Protocol

from imagejob_operator.api.errors import Reason
from imagejob_operator.api.status import Status
from imagejob_operator.decision.orphans import Orphans


class Telemetry(Protocol):
    """All methods are cheap and never fail."""

    def reconcile(self, result: str, seconds: float) -> None:
        """One turn has ended: `result` is done, conflict, gone, error."""
        ...

    def moved(self, before: Status, after: Status) -> None:
        """A status with another phase was written."""
        ...

    def staged(self, size: int) -> None:
        """Bytes were copied into staging."""
        ...

    def deferred(self, reason: Reason) -> None:
        """A finalizer was released before staging was known to be empty."""
        ...


class SweepTelemetry(Protocol):
    """What the garbage collector counts; cheap and never failing as well."""

    def swept(self, objects: int) -> None:
        """Objects were deleted."""
        ...

    def orphans(self, left: Orphans) -> None:
        """A sweep came to its end, and this is what it left."""
        ...

    def sweep_failed(self) -> None:
        """A sweep, or the deleting of one folder, was given up until the next one."""
        ...
