"""What was counted, to look at."""

from __future__ import annotations

from dataclasses import dataclass, field

from imagejob_operator.api.errors import Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.status import Status


@dataclass
class CountingTelemetry:
    """See the port Telemetry."""

    reconciles: list[str] = field(default_factory=list)
    moves: list[tuple[str, str]] = field(default_factory=list)
    staged_bytes: int = 0
    deferrals: list[Reason] = field(default_factory=list)

    def reconcile(self, result: str, seconds: float) -> None:
        self.reconciles.append(result)

    def moved(self, before: Status, job: ImageJob) -> None:
        self.moves.append((before.phase, job.status.phase))

    def staged(self, size: int) -> None:
        self.staged_bytes += size

    def deferred(self, job: ImageJob, reason: Reason) -> None:
        self.deferrals.append(reason)
