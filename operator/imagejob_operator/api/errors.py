"""The catalogue of failures: codes, reasons, who can fix them, and whether another run may succeed.

A code never changes its meaning; reasons may be added. A test reaches every pair.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

RUNBOOK = "https://imagejob.dev/docs/administrators/runbook"
MAX_MESSAGE = 1024
"""Maximum length of the messages in the status; longer messages are truncated."""


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
    """Who can fix a failure."""

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
    """The entry of one code and reason."""

    fault: Fault
    retriable: bool
    """Whether a new run of the same spec may succeed without any other change."""
    meaning: str
    """What happened, for the documentation."""


CATALOGUE: dict[tuple[Code, Reason], Entry] = {
    (Code.CREATION, Reason.INVALID_SPEC): Entry(Fault.USER, False, "A field of the spec is invalid."),
    (Code.CREATION, Reason.KEY_COLLISION): Entry(
        Fault.USER, False, "Two outputs have the same key, or an output would replace or become a source."
    ),
    (Code.CREATION, Reason.NOT_PERMITTED): Entry(
        Fault.CLUSTER, False, "The operator's store does not admit the namespace."
    ),
    (Code.CREATION, Reason.NO_PREVIOUS_REPORT): Entry(
        Fault.USER, False, "`run.items` is `Failed`, but the previous run has no report."
    ),
    (Code.CREATION, Reason.STORE_NOT_FOUND): Entry(
        Fault.USER, True, "An ImageStore that the job refers to does not exist."
    ),
    (Code.CREATION, Reason.STORE_NOT_READY): Entry(
        Fault.STORAGE, True, "An ImageStore that the job refers to is not ready."
    ),
    (Code.STAGING, Reason.SOURCE_NOT_FOUND): Entry(
        Fault.USER, False, "A source, or the list of sources, does not exist."
    ),
    (Code.STAGING, Reason.SOURCE_EMPTY): Entry(
        Fault.USER, False, "No object matches, or the list of sources is empty."
    ),
    (Code.STAGING, Reason.TOO_MANY_ITEMS): Entry(
        Fault.USER, False, "The source has more items than allowed."
    ),
    (Code.STAGING, Reason.SOURCE_TOO_LARGE): Entry(
        Fault.USER, False, "A source or the list of sources is larger than allowed."
    ),
    (Code.STAGING, Reason.CHECKSUM_MISMATCH): Entry(
        Fault.USER, False, "A downloaded source does not have the expected SHA-256 digest."
    ),
    (Code.STAGING, Reason.BLOCKED_ADDRESS): Entry(
        Fault.USER, False, "A URL or its redirect leads to an address or port that is not allowed."
    ),
    (Code.STAGING, Reason.SOURCE_UNREACHABLE): Entry(
        Fault.USER, True, "A source could not be downloaded from its web server."
    ),
    (Code.STAGING, Reason.ACCESS_DENIED): Entry(
        Fault.STORAGE, False, "The store or a web server denied access to a source or to the staging."
    ),
    (Code.STAGING, Reason.STORE_UNAVAILABLE): Entry(
        Fault.STORAGE, True, "The store was not available within `stagingDeadlineSeconds`."
    ),
    (Code.STAGING, Reason.STAGING_DEADLINE_EXCEEDED): Entry(
        Fault.STORAGE, True, "Staging took longer than `stagingDeadlineSeconds`."
    ),
    (Code.LAUNCH, Reason.POD_REJECTED): Entry(Fault.CLUSTER, False, "The API server rejected the Pod."),
    (Code.LAUNCH, Reason.QUOTA_EXCEEDED): Entry(
        Fault.CLUSTER, True, "A ResourceQuota of the namespace does not allow another Pod."
    ),
    (Code.LAUNCH, Reason.IMAGE_PULL_FAILED): Entry(
        Fault.CLUSTER, True, "The processor image could not be pulled."
    ),
    (Code.LAUNCH, Reason.INVALID_IMAGE_NAME): Entry(
        Fault.CLUSTER, False, "The name of the processor image is invalid."
    ),
    (Code.LAUNCH, Reason.CONFIG_ERROR): Entry(
        Fault.CLUSTER,
        False,
        "The Pod refers to an object that does not exist, or its container cannot be started.",
    ),
    (Code.LAUNCH, Reason.UNSCHEDULABLE): Entry(
        Fault.CLUSTER, True, "No node could run a Pod within `startDeadlineSeconds`."
    ),
    (Code.LAUNCH, Reason.QUEUE_DEADLINE_EXCEEDED): Entry(
        Fault.CLUSTER, True, "The queue held all Pods for longer than `queueDeadlineSeconds`."
    ),
    (Code.LAUNCH, Reason.START_DEADLINE_EXCEEDED): Entry(
        Fault.CLUSTER, True, "No Pod was running within `startDeadlineSeconds`."
    ),
    (Code.NOT_FOUND, Reason.JOB_NOT_FOUND): Entry(
        Fault.USER, False, "The ImageJob does not exist; reported only by the command line."
    ),
    (Code.PROCESSING, Reason.ITEMS_FAILED): Entry(
        Fault.IMAGE, False, "More items failed than `failurePolicy` allows."
    ),
    (Code.PROCESSING, Reason.OUT_OF_MEMORY): Entry(
        Fault.IMAGE, False, "A Pod ran out of memory in every attempt."
    ),
    (Code.PROCESSING, Reason.CRASHED): Entry(Fault.CLUSTER, True, "A Pod failed in every attempt."),
    (Code.PROCESSING, Reason.NODE_LOST): Entry(
        Fault.CLUSTER, True, "The Pods of a shard were disrupted or lost with their nodes too often."
    ),
    (Code.PROCESSING, Reason.RESULTS_INVALID): Entry(
        Fault.STORAGE, True, "The result of a Pod is missing or invalid."
    ),
    (Code.DEADLINE, Reason.DEADLINE_EXCEEDED): Entry(
        Fault.CLUSTER, True, "The run took longer than `activeDeadlineSeconds`."
    ),
    (Code.PUBLISH, Reason.DESTINATION_DENIED): Entry(
        Fault.STORAGE, False, "The store denied writing an output or the report."
    ),
    (Code.PUBLISH, Reason.STORE_UNAVAILABLE): Entry(
        Fault.STORAGE, True, "The store was not available for publishing within `stagingDeadlineSeconds`."
    ),
    (Code.PUBLISH, Reason.OVERWRITE_REFUSED): Entry(
        Fault.USER, False, "An output exists and `overwrite` is `Never`."
    ),
    (Code.CANCELLED, Reason.CANCELLED): Entry(Fault.USER, False, "The run was cancelled with `cancelRunID`."),
    (Code.CANCELLED, Reason.SUPERSEDED): Entry(Fault.USER, False, "A new `run.id` replaced the run."),
}


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure: its code and reason, and a message with the evidence."""

    code: Code
    reason: Reason
    message: str

    def __post_init__(self) -> None:
        """Reject a pair that is not in the catalogue, which is a programming error."""
        if (self.code, self.reason) not in CATALOGUE:
            raise ValueError(f"{self.code}/{self.reason} is not in the catalogue")

    @property
    def entry(self) -> Entry:
        """Its entry in the catalogue."""
        return CATALOGUE[self.code, self.reason]

    @property
    def runbook(self) -> str:
        """The URL of its runbook entry."""
        return f"{RUNBOOK}#{self.code.lower()}-{self.reason.lower()}"


def bounded(message: str, limit: int = MAX_MESSAGE) -> str:
    """The message as one line of at most `limit` characters, without control characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in message).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
