"""How the code of an effort says that the job cannot go on."""

from __future__ import annotations

from imagejob_operator.core.failure import Failure


class EffortFailed(Exception):
    """Trying again is of no use; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure
