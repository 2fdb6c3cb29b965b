"""What can go wrong with a job: codes, reasons, whose fault, and whether trying again may help.

A code never changes its meaning. The reasons of a code may grow. A pair stands here only if a test
reaches it.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

RUNBOOK = "https://imagejob.dev/docs/administrators/runbook"
MAX_MESSAGE = 1024
"""Characters of `status.error.message` and of a condition's message; longer ones are cut."""


class Code(enum.StrEnum):
    """The codes of `status.error.code`."""

    CREATION = "JOB_001"
    STAGING = "JOB_002"
    LAUNCH = "JOB_003"
    NOT_FOUND = "JOB_004"
    PROCESSING = "JOB_005"
    DEADLINE = "JOB_006"
    PUBLISH = "JOB_007"
    CANCELLED = "JOB_008"


CODE_NAMES: dict[Code, str] = {
    Code.CREATION: "JOB_CREATION_FAILED",
    Code.STAGING: "STAGING_FAILED",
    Code.LAUNCH: "TASK_QUEUE_FAILED",
    Code.NOT_FOUND: "JOB_NOT_FOUND",
    Code.PROCESSING: "PROCESSING_FAILED",
    Code.DEADLINE: "DEADLINE_EXCEEDED",
    Code.PUBLISH: "PUBLISH_FAILED",
    Code.CANCELLED: "JOB_CANCELLED",
}


class Fault(enum.StrEnum):
    """Who can mend it."""

    USER = "User"
    STORAGE = "Storage"
    CLUSTER = "Cluster"
    IMAGE = "Image"


class Reason(enum.StrEnum):
    """The reasons of `status.error.reason`."""

    INVALID_SPEC = "InvalidSpec"
    KEY_COLLISION = "KeyCollision"
    NOT_PERMITTED = "NotPermitted"
    NO_PREVIOUS_REPORT = "NoPreviousReport"
    STORE_NOT_FOUND = "StoreNotFound"
    STORE_NOT_READY = "StoreNotReady"
    SOURCE_NOT_FOUND = "SourceNotFound"
    SOURCE_EMPTY = "SourceEmpty"
    TOO_MANY_ITEMS = "TooManyItems"
    SOURCE_TOO_LARGE = "SourceTooLarge"
    CHECKSUM_MISMATCH = "ChecksumMismatch"
    BLOCKED_ADDRESS = "BlockedAddress"
    SOURCE_UNREACHABLE = "SourceUnreachable"
    ACCESS_DENIED = "AccessDenied"
    STORE_UNAVAILABLE = "StoreUnavailable"
    STAGING_DEADLINE_EXCEEDED = "StagingDeadlineExceeded"
    POD_REJECTED = "PodRejected"
    QUOTA_EXCEEDED = "QuotaExceeded"
    IMAGE_PULL_FAILED = "ImagePullFailed"
    INVALID_IMAGE_NAME = "InvalidImageName"
    CONFIG_ERROR = "ConfigError"
    UNSCHEDULABLE = "Unschedulable"
    QUEUE_DEADLINE_EXCEEDED = "QueueDeadlineExceeded"
    START_DEADLINE_EXCEEDED = "StartDeadlineExceeded"
    JOB_NOT_FOUND = "JobNotFound"
    ITEMS_FAILED = "ItemsFailed"
    OUT_OF_MEMORY = "OutOfMemory"
    CRASHED = "Crashed"
    NODE_LOST = "NodeLost"
    RESULTS_INVALID = "ResultsInvalid"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    DESTINATION_DENIED = "DestinationDenied"
    OVERWRITE_REFUSED = "OverwriteRefused"
    CANCELLED = "Cancelled"
    SUPERSEDED = "Superseded"


@dataclass(frozen=True, slots=True)
class Entry:
    """What the catalogue says of one code and reason."""

    fault: Fault
    retriable: bool
    """Whether a new run of the same spec may succeed with nothing else changed."""


CATALOGUE: dict[tuple[Code, Reason], Entry] = {
    (Code.CREATION, Reason.INVALID_SPEC): Entry(Fault.USER, False),
    (Code.CREATION, Reason.KEY_COLLISION): Entry(Fault.USER, False),
    (Code.CREATION, Reason.NOT_PERMITTED): Entry(Fault.CLUSTER, False),
    (Code.CREATION, Reason.NO_PREVIOUS_REPORT): Entry(Fault.USER, False),
    (Code.CREATION, Reason.STORE_NOT_FOUND): Entry(Fault.USER, True),
    (Code.CREATION, Reason.STORE_NOT_READY): Entry(Fault.STORAGE, True),
    (Code.STAGING, Reason.SOURCE_NOT_FOUND): Entry(Fault.USER, False),
    (Code.STAGING, Reason.SOURCE_EMPTY): Entry(Fault.USER, False),
    (Code.STAGING, Reason.TOO_MANY_ITEMS): Entry(Fault.USER, False),
    (Code.STAGING, Reason.SOURCE_TOO_LARGE): Entry(Fault.USER, False),
    (Code.STAGING, Reason.CHECKSUM_MISMATCH): Entry(Fault.USER, False),
    (Code.STAGING, Reason.BLOCKED_ADDRESS): Entry(Fault.USER, False),
    (Code.STAGING, Reason.SOURCE_UNREACHABLE): Entry(Fault.USER, True),
    (Code.STAGING, Reason.ACCESS_DENIED): Entry(Fault.STORAGE, False),
    (Code.STAGING, Reason.STORE_UNAVAILABLE): Entry(Fault.STORAGE, True),
    (Code.STAGING, Reason.STAGING_DEADLINE_EXCEEDED): Entry(Fault.STORAGE, True),
    (Code.LAUNCH, Reason.POD_REJECTED): Entry(Fault.CLUSTER, False),
    (Code.LAUNCH, Reason.QUOTA_EXCEEDED): Entry(Fault.CLUSTER, True),
    (Code.LAUNCH, Reason.IMAGE_PULL_FAILED): Entry(Fault.CLUSTER, True),
    (Code.LAUNCH, Reason.INVALID_IMAGE_NAME): Entry(Fault.CLUSTER, False),
    (Code.LAUNCH, Reason.CONFIG_ERROR): Entry(Fault.CLUSTER, False),
    (Code.LAUNCH, Reason.UNSCHEDULABLE): Entry(Fault.CLUSTER, True),
    (Code.LAUNCH, Reason.QUEUE_DEADLINE_EXCEEDED): Entry(Fault.CLUSTER, True),
    (Code.LAUNCH, Reason.START_DEADLINE_EXCEEDED): Entry(Fault.CLUSTER, True),
    (Code.NOT_FOUND, Reason.JOB_NOT_FOUND): Entry(Fault.USER, False),
    (Code.PROCESSING, Reason.ITEMS_FAILED): Entry(Fault.IMAGE, False),
    (Code.PROCESSING, Reason.OUT_OF_MEMORY): Entry(Fault.IMAGE, False),
    (Code.PROCESSING, Reason.CRASHED): Entry(Fault.CLUSTER, True),
    (Code.PROCESSING, Reason.NODE_LOST): Entry(Fault.CLUSTER, True),
    (Code.PROCESSING, Reason.RESULTS_INVALID): Entry(Fault.STORAGE, True),
    (Code.DEADLINE, Reason.DEADLINE_EXCEEDED): Entry(Fault.CLUSTER, True),
    (Code.PUBLISH, Reason.DESTINATION_DENIED): Entry(Fault.STORAGE, False),
    (Code.PUBLISH, Reason.STORE_UNAVAILABLE): Entry(Fault.STORAGE, True),
    (Code.PUBLISH, Reason.OVERWRITE_REFUSED): Entry(Fault.USER, False),
    (Code.CANCELLED, Reason.CANCELLED): Entry(Fault.USER, False),
    (Code.CANCELLED, Reason.SUPERSEDED): Entry(Fault.USER, False),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure as it happened: its place in the catalogue and the evidence."""

    code: Code
    reason: Reason
    message: str

    def __post_init__(self) -> None:
        """Hold the pair against the catalogue: a failure outside it is a programming error."""
        if (self.code, self.reason) not in CATALOGUE:
            raise ValueError(f"{self.code}/{self.reason} is not in the catalogue")

    @property
    def entry(self) -> Entry:
        """Whose fault it is and whether a retry may help."""
        return CATALOGUE[self.code, self.reason]

    @property
    def runbook(self) -> str:
        """Where the runbook speaks of this code and reason."""
        return f"{RUNBOOK}#{self.code.lower()}-{self.reason.lower()}"


def bounded(message: str, limit: int = MAX_MESSAGE) -> str:
    """The message in one line of at most `limit` characters, control characters replaced."""
    line = " ".join("".join(c if c.isprintable() else " " for c in message).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
