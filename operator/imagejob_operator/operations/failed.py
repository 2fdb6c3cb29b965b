"""The exception of an operation after which the job cannot continue."""

from __future__ import annotations

from imagejob_operator.api.errors import Failure
from imagejob_operator.decision.operation import ItemResults


class OperationFailed(Exception):
    """The job cannot continue. Only a `transient` failure is retried, until the deadline of its phase."""

    def __init__(self, failure: Failure, transient: bool = False) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.transient = transient
        self.results: ItemResults | None = None
        """What became of the items, if their results were verified before the failure."""
