"""The catalogue of failures. The meaning of a code never changes: users rely on this table."""

import pytest

from imagejob_operator.api.errors import CATALOGUE, CODE_NAMES, MAX_MESSAGE, Code, Failure, Reason, bounded

FROZEN = """
JOB_001 JOB_CREATION_FAILED InvalidSpec            User    final
JOB_001 JOB_CREATION_FAILED KeyCollision           User    final
JOB_001 JOB_CREATION_FAILED NotPermitted           Cluster final
JOB_001 JOB_CREATION_FAILED NoPreviousReport       User    final
JOB_001 JOB_CREATION_FAILED StoreNotFound          User    retriable
JOB_001 JOB_CREATION_FAILED StoreNotReady          Storage retriable
JOB_002 STAGING_FAILED      SourceNotFound         User    final
JOB_001 JOB_CREATION_FAILED ClusterRefused         Cluster retriable
JOB_002 STAGING_FAILED      StoreNotFound          User    retriable
JOB_007 PUBLISH_FAILED      StoreNotFound          User    retriable
JOB_002 STAGING_FAILED      SourceEmpty            User    final
JOB_002 STAGING_FAILED      TooManyItems           User    final
JOB_002 STAGING_FAILED      AccessDenied           Storage final
JOB_002 STAGING_FAILED      BucketNotFound         Storage final
JOB_002 STAGING_FAILED      StoreUnavailable       Storage retriable
JOB_002 STAGING_FAILED      StagingDeadlineExceeded Storage retriable
JOB_002 STAGING_FAILED      SourceTooLarge         User    final
JOB_002 STAGING_FAILED      ChecksumMismatch       User    final
JOB_002 STAGING_FAILED      BlockedAddress         User    final
JOB_002 STAGING_FAILED      SourceUnreachable      User    retriable
JOB_003 TASK_QUEUE_FAILED   PodRejected            Cluster final
JOB_003 TASK_QUEUE_FAILED   QuotaExceeded          Cluster retriable
JOB_003 TASK_QUEUE_FAILED   ImagePullFailed        Cluster retriable
JOB_003 TASK_QUEUE_FAILED   InvalidImageName       Cluster final
JOB_003 TASK_QUEUE_FAILED   ConfigError            Cluster final
JOB_003 TASK_QUEUE_FAILED   Unschedulable          Cluster retriable
JOB_003 TASK_QUEUE_FAILED   QueueDeadlineExceeded  Cluster retriable
JOB_003 TASK_QUEUE_FAILED   StartDeadlineExceeded  Cluster retriable
JOB_004 JOB_NOT_FOUND       JobNotFound            User    final
JOB_005 PROCESSING_FAILED   ItemsFailed            Image   final
JOB_005 PROCESSING_FAILED   OutOfMemory            Image   final
JOB_005 PROCESSING_FAILED   Crashed                Cluster retriable
JOB_005 PROCESSING_FAILED   NodeLost               Cluster retriable
JOB_005 PROCESSING_FAILED   StoreUnreachable       Storage retriable
JOB_005 PROCESSING_FAILED   ResultsInvalid         Storage retriable
JOB_006 DEADLINE_EXCEEDED   DeadlineExceeded       Cluster retriable
JOB_007 PUBLISH_FAILED      DestinationDenied      Storage final
JOB_007 PUBLISH_FAILED      BucketNotFound         Storage final
JOB_007 PUBLISH_FAILED      OverwriteRefused       User    final
JOB_007 PUBLISH_FAILED      StoreUnavailable       Storage retriable
JOB_008 JOB_CANCELLED       Cancelled              User    final
JOB_008 JOB_CANCELLED       Superseded             User    final
"""
ROWS = [tuple(line.split()) for line in FROZEN.strip().splitlines()]


def test_codes_reasons_faults_and_retries_are_as_promised() -> None:
    real = [
        (
            code.value,
            CODE_NAMES[code],
            reason.value,
            entry.fault.value,
            "retriable" if entry.retriable else "final",
        )
        for (code, reason), entry in CATALOGUE.items()
    ]
    assert sorted(real) == sorted(ROWS)


def test_every_reason_and_every_code_is_used() -> None:
    assert {reason for _, reason in CATALOGUE} == set(Reason)
    assert {code for code, _ in CATALOGUE} == set(Code) == set(CODE_NAMES)


def test_every_meaning_is_one_sentence() -> None:
    for entry in CATALOGUE.values():
        assert entry.meaning.endswith(".")
        assert ". " not in entry.meaning


def test_a_failure_outside_the_catalogue_is_refused() -> None:
    with pytest.raises(ValueError, match="JOB_001/Crashed is not in the catalogue"):
        Failure(Code.CREATION, Reason.CRASHED, "no")


def test_the_runbook_has_an_anchor_for_each() -> None:
    failure = Failure(Code.LAUNCH, Reason.IMAGE_PULL_FAILED, "no")
    assert failure.runbook.endswith("#job_003-imagepullfailed")


@pytest.mark.parametrize(
    ("message", "wanted"),
    [
        ("plain", "plain"),
        ("two\nlines\tand\x00more", "two lines and more"),
        ("x" * MAX_MESSAGE, "x" * MAX_MESSAGE),
        ("x" * (MAX_MESSAGE + 1), "x" * (MAX_MESSAGE - 1) + "…"),
    ],
    ids=["plain", "control-characters", "just-fits", "cut"],
)
def test_messages_are_one_bounded_line(message: str, wanted: str) -> None:
    assert bounded(message) == wanted
