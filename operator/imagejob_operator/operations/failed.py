"""How an operation fails: a failure of the job, not of the program."""

from __future__ import annotations

from imagejob_operator.api.errors import Failure
from imagejob_operator.decision.operation import ItemResults


class OperationFailed(Exception):
    """The job cannot go on; only a `passing` failure is retried, within the deadline of its phase."""

    def __init__(self, failure: Failure, passing: bool = False) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.passing = passing
        self.results: ItemResults | None = None
        """What became of the items, if their results were verified before the failure."""
