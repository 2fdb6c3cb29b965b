"""What to do about each failure of a run, and where."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from imagejob_operator.api.errors import Code, Reason

_REMEDIES = """
JOB_001 InvalidSpec spec
    Correct the field that the message names, and set a new `run.id`.
JOB_001 KeyCollision spec
    Add `{rendition}`, `{dir}` or `{index}` to `destination.keyTemplate`.
JOB_001 NotPermitted either
    Ask an administrator for the label that the message names, then retry; or use an ImageStore.
JOB_001 NoPreviousReport spec
    Set `run.items` to `All`.
JOB_001 ClusterRefused outside
    Ask an administrator to allow the request that the message names, then retry.
JOB_001 StoreNotFound either
    Create the ImageStore, then retry; or correct `storeRef`.
JOB_001 StoreNotReady outside
    See the condition Ready of the ImageStore, correct it, then retry.
JOB_002 SourceNotFound either
    Upload the objects, then retry; or correct their keys, or raise `failurePolicy.maxFailedItems`.
JOB_002 SourceEmpty either
    Upload objects, then retry; or correct the prefix and the globs, such as `**/*.jpg`.
JOB_002 TooManyItems spec
    Split the job, or raise `source.match.maxItems`.
JOB_002 SourceTooLarge spec
    Raise `limits.itemSize`, or leave the source out.
JOB_002 ChecksumMismatch either
    Find out why the server sends another file, then retry; or correct `sha256`.
JOB_002 BlockedAddress either
    Ask an administrator to allow the network, then retry; or use a public address.
JOB_002 SourceUnreachable either
    Check the web server, then retry; or correct the URL.
JOB_002 AccessDenied outside
    Correct the credentials or the policy that the message names, then retry.
JOB_002 BucketNotFound outside
    Create the bucket, or correct its name in the ImageStore or the operator's settings; then retry.
JOB_002 StoreNotFound outside
    Create the ImageStore again, then retry.
JOB_002 StoreUnavailable outside
    Retry when the store answers again and has space.
JOB_002 StagingDeadlineExceeded spec
    Raise `execution.stagingDeadlineSeconds`, or use fewer sources.
JOB_003 PodRejected either
    Correct the policy that refused the Pod, then retry; or correct `execution.podTemplate`.
JOB_003 QuotaExceeded either
    Wait for other Pods or raise the quota, then retry; or lower `podTemplate.resources`.
JOB_003 ImagePullFailed outside
    Correct the processor image or its pull Secret, or check the registry; then retry.
JOB_003 InvalidImageName outside
    Ask an administrator to correct `IMAGEJOB_PROCESSOR_IMAGE`, then retry.
JOB_003 ConfigError either
    Create the object that the message names, then retry; or correct `podTemplate`.
JOB_003 Unschedulable either
    Add nodes, then retry; or lower `podTemplate.resources`, or correct its selector.
JOB_003 QueueDeadlineExceeded either
    Raise the quota of the queue, then retry; or raise `queueDeadlineSeconds`, or correct `queueName`.
JOB_003 StartDeadlineExceeded outside
    Fix the problem that the message names, then retry.
JOB_004 JobNotFound outside
    Check the name, the namespace (`-n`) and the context; `imagejob list -A` lists all jobs.
JOB_005 ItemsFailed either
    Replace the images, then retry; or raise `limits` or `failurePolicy.maxFailedItems`.
JOB_005 OutOfMemory spec
    Raise the memory in `podTemplate.resources`, or lower `limits.pixels`.
JOB_005 Crashed outside
    Read the logs of the Pods, then retry. Report exit code 70 as a bug.
JOB_005 NodeLost either
    Fix the nodes, then retry; or keep the Pods off them with `podTemplate.nodeSelector`.
JOB_005 StoreUnreachable outside
    Allow Pods to connect to the store, repair it, or free space in it; then retry.
JOB_005 ResultsInvalid outside
    Make sure that no lifecycle rule deletes `.imagejob-staging/`, then retry.
JOB_006 DeadlineExceeded either
    Fix what the run was waiting for, then retry; or raise `activeDeadlineSeconds` or `parallelism`.
JOB_007 DestinationDenied either
    Allow the operator to write there, then retry; or choose another `destination.prefix`.
JOB_007 BucketNotFound outside
    Create the bucket, or correct the ImageStore of `destination.storeRef`; then retry.
JOB_007 StoreNotFound outside
    Create the ImageStore again, then retry.
JOB_007 StoreUnavailable outside
    Retry when the store answers again and has space.
JOB_007 OverwriteRefused either
    Remove the objects, then retry; or choose another prefix, or set `destination.overwrite`.
JOB_008 Cancelled nothing
    To run the job again, retry, which sets a new `run.id`.
JOB_008 Superseded nothing
    If this was not intended, find out which other writer changes `run.id`.
"""


class Fix(enum.Enum):
    """Where what a remedy changes is, which decides how a new run is started."""

    SPEC = "spec"
    """In the spec, where the new `run.id` is set with it."""
    OUTSIDE = "outside"
    """In the store, the cluster or another object: a new run of the same spec follows."""
    EITHER = "either"
    """Outside, or in the spec instead."""
    NOTHING = "nothing"
    """Nothing is wrong: the run was ended on purpose."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """What to do about a failure, and where."""

    text: str
    fix: Fix

    @property
    def before_retry(self) -> str:
        """What to do outside of the spec before a new run, as a clause; empty if nothing."""
        clause, found, _ = self.text.partition("then retry")
        return clause[:1].lower() + clause[1:].rstrip(" ,;").replace("`", "") if found else ""


def _remedies() -> dict[tuple[Code, Reason], Remedy]:
    lines = _REMEDIES.strip().splitlines()
    heads = (head.split() for head in lines[::2])
    return {
        (Code(code), Reason(reason)): Remedy(text.strip(), Fix(fix))
        for (code, reason, fix), text in zip(heads, lines[1::2], strict=True)
    }


REMEDIES = _remedies()
