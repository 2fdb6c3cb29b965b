"""The catalogue of failures. A code never changes its meaning; reasons may be added."""

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
    CLUSTER_REFUSED = "ClusterRefused"
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
    BUCKET_NOT_FOUND = "BucketNotFound"
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
    STORE_UNREACHABLE = "StoreUnreachable"
    RESULTS_INVALID = "ResultsInvalid"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    DESTINATION_DENIED = "DestinationDenied"
    OVERWRITE_REFUSED = "OverwriteRefused"
    CANCELLED = "Cancelled"
    SUPERSEDED = "Superseded"


@dataclass(frozen=True, slots=True)
class Entry:
    """One code and reason; `retriable` if a new run of the same spec may succeed without other changes."""

    fault: Fault
    retriable: bool
    meaning: str


_TABLE = """
JOB_001 InvalidSpec             User    final A field of the spec is invalid.
JOB_001 KeyCollision            User    final Two outputs have the same key, or an output is also a source.
JOB_001 NotPermitted            Cluster final The namespace is not allowed to use the operator's store.
JOB_001 NoPreviousReport        User    final `run.items` is `Failed`, but the previous run has no report.
JOB_001 ClusterRefused          Cluster retry The API server did not let the operator start the run.
JOB_001 StoreNotFound           User    retry An ImageStore that the job refers to does not exist.
JOB_001 StoreNotReady           Storage retry An ImageStore that the job refers to is not ready.
JOB_002 SourceNotFound          User    final A source, or the list of sources, does not exist.
JOB_002 SourceEmpty             User    final No object matches, or the list of sources is empty.
JOB_002 TooManyItems            User    final The source has more items than allowed.
JOB_002 SourceTooLarge          User    final A source or the list of sources is larger than allowed.
JOB_002 ChecksumMismatch        User    final A downloaded source does not have the expected SHA-256 digest.
JOB_002 BlockedAddress          User    final A URL or a redirect points to a disallowed address or port.
JOB_002 SourceUnreachable       User    retry A source could not be downloaded from its web server.
JOB_002 AccessDenied            Storage final A store, a web server or a Secret denied access to a source.
JOB_002 BucketNotFound          Storage final A bucket of the run does not exist.
JOB_002 StoreNotFound           User    retry An ImageStore of the run was deleted before staging ended.
JOB_002 StoreUnavailable        Storage retry The store was not available within `stagingDeadlineSeconds`.
JOB_002 StagingDeadlineExceeded Storage retry Staging took longer than `stagingDeadlineSeconds`.
JOB_003 PodRejected             Cluster final The API server rejected the Pod.
JOB_003 QuotaExceeded           Cluster retry A ResourceQuota of the namespace does not allow another Pod.
JOB_003 ImagePullFailed         Cluster retry The processor image could not be pulled.
JOB_003 InvalidImageName        Cluster final The name of the processor image is invalid.
JOB_003 ConfigError             Cluster final The Pod needs a missing object, or its container cannot start.
JOB_003 Unschedulable           Cluster retry No node could run a Pod within `startDeadlineSeconds`.
JOB_003 QueueDeadlineExceeded   Cluster retry The queue held all Pods for longer than `queueDeadlineSeconds`.
JOB_003 StartDeadlineExceeded   Cluster retry No Pod started running within `startDeadlineSeconds`.
JOB_004 JobNotFound             User    final The namespace has no ImageJob with this name.
JOB_005 ItemsFailed             Image   final More items failed than `failurePolicy` allows.
JOB_005 OutOfMemory             Image   final A Pod ran out of memory in every attempt.
JOB_005 Crashed                 Cluster retry A Pod failed in every attempt.
JOB_005 NodeLost                Cluster retry The Pods of a shard were disrupted or lost too often.
JOB_005 StoreUnreachable        Storage retry A Pod could not use the store in every attempt.
JOB_005 ResultsInvalid          Storage retry The result of a Pod is missing or invalid.
JOB_006 DeadlineExceeded        Cluster retry The run took longer than `activeDeadlineSeconds`.
JOB_007 DestinationDenied       Storage final The store denied write access to an output or to the report.
JOB_007 BucketNotFound          Storage final The bucket of the outputs does not exist.
JOB_007 StoreNotFound           User    retry An ImageStore of the run was deleted before publishing ended.
JOB_007 StoreUnavailable        Storage retry The outputs could not be stored within `stagingDeadlineSeconds`.
JOB_007 OverwriteRefused        User    final An output exists and `overwrite` is `Never`.
JOB_008 Cancelled               User    final The run was cancelled with `cancelRunID`.
JOB_008 Superseded              User    final A new `run.id` replaced the run.
"""

_ROWS = (line.split(maxsplit=4) for line in _TABLE.strip().splitlines())
CATALOGUE: dict[tuple[Code, Reason], Entry] = {
    (Code(code), Reason(reason)): Entry(Fault(fault), retry == "retry", meaning)
    for code, reason, fault, retry, meaning in _ROWS
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
    start = message[: 4 * limit]
    line = " ".join("".join(c if c.isprintable() else " " for c in start).split())
    complete = len(line) <= limit and len(start) == len(message)
    return line if complete else line[: limit - 1] + "…"
