"""The exception of an operation after which the job cannot continue."""

from __future__ import annotations

from imagejob_operator.api.errors import Failure


class OperationFailed(Exception):
    """Why the job cannot continue; only a `passing` failure is tried again."""

    def __init__(self, failure: Failure, passing: bool = False) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.passing = passing
        """Whether it is transient: then the operation is tried again until the deadline of its phase."""
