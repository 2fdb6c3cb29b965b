"""What the operator measures. Every method is cheap and never fails."""

from __future__ import annotations

from typing import Protocol

from imagejob_operator.api.errors import Reason
from imagejob_operator.api.status import Status
from imagejob_operator.decision.garbage import Orphans


class Telemetry(Protocol):
    """Reconciles and runs."""

    def reconcile(self, result: str, seconds: float) -> None:
        """A reconcile has ended with success, conflict, gone or error."""

    def moved(self, before: Status, after: Status) -> None:
        """A status with another phase was written."""

    def staged(self, size: int) -> None:
        """Bytes were copied into staging."""

    def deferred(self, reason: Reason) -> None:
        """A finalizer was released before staging was known to be empty."""


class GarbageTelemetry(Protocol):
    """The garbage collector."""

    def deleted(self, objects: int) -> None:
        """Objects were deleted."""

    def sweep_finished(self, left: Orphans) -> None:
        """All stores were swept, and this is what is left."""

    def sweep_failed(self) -> None:
        """A sweep, or the deletion of one folder, failed and is retried at the next sweep."""
