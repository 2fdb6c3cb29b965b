"""Sources that the store refuses: one fails its item, all of them fail the run."""

from __future__ import annotations

from dataclasses import dataclass

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.operations.concurrency import AT_ONCE
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.ports.object_store import ObjectMissing, ObjectRefused


@dataclass(slots=True)
class Refusals:
    """Counts sources that a store refused or has lost, and others.

    The Pod of a refused source reads it itself, and reports the store's answer as the result of the item. A
    store that refuses every source has the wrong credentials or policy, so the run fails before it has Pods.
    """

    _first: OperationFailed | None = None
    _refused: int = 0
    _allowed: int = 0

    def allow(self) -> None:
        """The store allowed a source."""
        self._allowed += 1

    def refuse(self, name: str, error: ObjectRefused | ObjectMissing) -> None:
        """The store refused a source; fails the run if it has allowed none of the first ones."""
        reason = Reason.ACCESS_DENIED if isinstance(error, ObjectRefused) else Reason.SOURCE_NOT_FOUND
        what = "was refused" if isinstance(error, ObjectRefused) else "was deleted while it was being staged"
        failure = Failure(Code.STAGING, reason, f"the source {name!r} {what}: {error}")
        self._first = self._first or OperationFailed(failure)
        self._refused += 1
        if self._refused >= AT_ONCE:
            self.check()

    def check(self) -> None:
        """Fail the run if the store refused all sources."""
        if self._first and not self._allowed:
            raise self._first
