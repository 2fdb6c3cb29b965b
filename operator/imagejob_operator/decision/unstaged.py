"""Sources that cannot be staged: each is a failed item, and too many of them fail the run."""

from __future__ import annotations

from dataclasses import replace

from imagejob_contract.result import MAX_MESSAGE_CHARACTERS, ItemCode, ItemError
from imagejob_operator.api.errors import Code, Failure, Reason, bounded
from imagejob_operator.api.spec import FailurePolicy, SpecHead, tolerated_failures
from imagejob_operator.decision.operation import Staged, Validated
from imagejob_operator.validation.keys import shown

ITEM_CODES = {
    Reason.SOURCE_NOT_FOUND: ItemCode.SOURCE_MISSING,
    Reason.ACCESS_DENIED: ItemCode.SOURCE_REFUSED,
    Reason.SOURCE_TOO_LARGE: ItemCode.TOO_LARGE,
    Reason.SOURCE_UNREACHABLE: ItemCode.SOURCE_UNREACHABLE,
    Reason.CHECKSUM_MISMATCH: ItemCode.CHECKSUM_MISMATCH,
    Reason.BLOCKED_ADDRESS: ItemCode.BLOCKED_ADDRESS,
}
"""What the item of a source fails with, by the reason of JOB_002 for which the source cannot be staged."""
_REASONS = {code: reason for reason, code in ITEM_CODES.items()}

NAMED = 3
"""Sources that the message of a failed run names."""


def item_error(failure: Failure) -> ItemError | None:
    """What the item of a source fails with; None if the failure is not about one source."""
    code = ITEM_CODES.get(failure.reason)
    if code is None:
        return None
    return ItemError(code, bounded(failure.message, MAX_MESSAGE_CHARACTERS))


def stopped_retrying(failure: Failure, spec: SpecHead) -> Failure:
    """The last failure of an operation, or of one source, after the retry deadline."""
    limit = f"spec.execution.stagingDeadlineSeconds ({spec.execution.staging_deadline_seconds} s)"
    return replace(failure, message=f"{failure.message} (stopped retrying after {limit})")


def too_many_unstaged(found: Staged | Validated, total: int, policy: FailurePolicy) -> Failure | None:
    """The failure of a run with more unstaged sources than may fail; its reason is that of the first one."""
    tolerated = tolerated_failures(policy, total)
    if found.failed <= tolerated:
        return None
    first, names = found.failures[0], [shown(failure.item) for failure in found.failures[:NAMED]]
    more = f" and {found.failed - len(names)} more" if found.failed > len(names) else ""
    text = (
        f"{found.failed} of {total} sources cannot be staged, but spec.failurePolicy.maxFailedItems allows "
        f"only {tolerated}; "
    )
    if others := found.items - found.failed:
        text += f"maxFailedItems: {found.failed} would process the other {others}; "
    text += f"not staged: {', '.join(names)}{more}; first failure: {first.code} {first.message}"
    return Failure(Code.STAGING, _REASONS[ItemCode(first.code)], text)
