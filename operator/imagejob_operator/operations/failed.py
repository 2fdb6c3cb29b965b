"""How the code of an operation says that the job cannot go on."""

from __future__ import annotations

from imagejob_operator.api.errors import Failure


class OperationFailed(Exception):
    """Why the job cannot go on; unless it is `transient`, trying again is of no use."""

    def __init__(self, failure: Failure, transient: bool = False) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.transient = transient
        """Whether the same may go well later: it is tried again within the deadline of its phase."""
