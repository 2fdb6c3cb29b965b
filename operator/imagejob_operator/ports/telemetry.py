"""What the operator measures. Every method is cheap and never fails."""

from __future__ import annotations

from typing import Protocol

from imagejob_operator.api.errors import Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.status import Status


class Telemetry(Protocol):
    """Reconciles and runs."""

    def reconcile(self, result: str, seconds: float) -> None:
        """A reconcile has ended with success, conflict, gone or error."""

    def moved(self, before: Status, job: ImageJob) -> None:
        """A status with another phase was written; `job` has it."""

    def staged(self, size: int) -> None:
        """Bytes were copied into staging."""

    def deferred(self, job: ImageJob, reason: Reason) -> None:
        """A finalizer was released before staging was known to be empty."""


class GarbageTelemetry(Protocol):
    """The garbage collection of one store."""

    name: str
    """The name of the store in metrics and logs."""

    def deleted(self, objects: int) -> None:
        """Objects were deleted."""

    def sweep_failed(self) -> None:
        """A sweep, or the deletion of one folder, failed and is retried at the next sweep."""
