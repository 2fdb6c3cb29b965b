"""The exception of an operation after which the job cannot continue, and the failures of single items."""

from __future__ import annotations

from imagejob_contract.result import MAX_MESSAGE_CHARACTERS, ItemError
from imagejob_operator.api.errors import Code, Failure, Reason, bounded
from imagejob_operator.api.status import FailedItem
from imagejob_operator.decision.operation import ItemResults
from imagejob_operator.ports.object_store import BucketMissing, StoreDenied, StoreFull
from imagejob_operator.validation.keys import MAX_KEY_BYTES


class OperationFailed(Exception):
    """The job cannot continue. Only a `transient` failure is retried, until the deadline of its phase."""

    def __init__(self, failure: Failure, transient: bool = False, silent: bool = False) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.transient = transient
        self.silent = silent
        """Whether a web server did not respond at all."""
        self.results: ItemResults | None = None
        """What became of the items, if their results were verified before the failure."""


def denied(code: Code, text: str, error: StoreDenied) -> Failure:
    """The failure of a call that the store denied: of its rights, or of a bucket or space that is missing."""
    if isinstance(error, BucketMissing):
        return Failure(code, Reason.BUCKET_NOT_FOUND, str(error))
    if isinstance(error, StoreFull):
        return Failure(code, Reason.STORE_UNAVAILABLE, str(error))
    reason = Reason.DESTINATION_DENIED if code is Code.PUBLISH else Reason.ACCESS_DENIED
    return Failure(code, reason, f"{text}: {error}")


def failed_item(source: str, error: ItemError) -> FailedItem:
    """A failed item as the status shows it."""
    message = bounded(error.message, MAX_MESSAGE_CHARACTERS)
    return FailedItem(source[:MAX_KEY_BYTES], error.code.value, message)
