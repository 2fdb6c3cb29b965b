"""Copies outputs from the staging to their final keys, as `destination.overwrite` allows."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from imagejob_contract.order import output_name
from imagejob_operator.api.destination import Destination, Overwrite
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob, whole_spec
from imagejob_operator.documents.report import ReportItem, ReportOutput
from imagejob_operator.documents.results import ItemOutcome
from imagejob_operator.documents.staging import output_prefix
from imagejob_operator.operations.concurrency import for_each
from imagejob_operator.operations.failed import OperationFailed, denied
from imagejob_operator.operations.object_metadata import CONTENT, RUN, final_headers, writer_of
from imagejob_operator.operations.publishing.overwritten import Overwritten
from imagejob_operator.operations.staging.existing_outputs import overwrite_refused
from imagejob_operator.ports.object_store import (
    ChecksumMismatch,
    ObjectMissing,
    ObjectStore,
    StoreDenied,
    StoredObject,
)


async def publish_outputs(
    store: ObjectStore,
    job: ImageJob,
    prefix: str,
    outcomes: Sequence[ItemOutcome],
    items: Sequence[ReportItem],
    overwritten: Overwritten,
) -> list[ReportItem]:
    """Copy the outputs of some items to the keys that `items` name; the items with the ETag of each.

    Fails with JOB_007, or with JOB_005 if an output differs from its record in the result.
    """
    destination = whole_spec(job).destination

    async def publish(output: _Output) -> ReportOutput:
        return await _publish(store, job, destination, output, overwritten)

    published = iter(await for_each(_staged_outputs(prefix, outcomes, items), publish))
    return [
        msgspec.structs.replace(item, outputs=tuple(itertools.islice(published, len(item.outputs))))
        for item in items
    ]


@dataclass(frozen=True, slots=True)
class _Output:
    """One output in the staging, and its entry in the report."""

    source: str
    staged: StoredObject
    final: ReportOutput


def _staged_outputs(
    prefix: str, outcomes: Sequence[ItemOutcome], items: Sequence[ReportItem]
) -> Iterator[_Output]:
    for outcome, item in zip(outcomes, items, strict=True):
        below = output_prefix(prefix, outcome.shard, outcome.attempt)
        result = outcome.result
        for record, stored, final in zip(result.outputs, outcome.stored, item.outputs, strict=True):
            name = below + output_name(result.index, record.rendition)
            padded = stored.size != record.bytes
            staged = StoredObject(name, record.bytes, stored.etag, sha256=record.sha256, padded=padded)
            yield _Output(item.source, staged, final)


async def _publish(
    store: ObjectStore, job: ImageJob, destination: Destination, output: _Output, overwritten: Overwritten
) -> ReportOutput:
    """Copy one output, on the condition that it has the ETag that was verified."""
    final = output.final
    try:
        there = await _present(store, job, destination.overwrite, final, overwritten)
        if there is None or not _is_kept(there, job, destination.overwrite, final):
            replaced = overwritten.see(final.key, there) if there else ""
            headers = final_headers(job, destination.headers, final, replaced)
            there = await store.copy(output.staged, job.outputs_prefix + final.key, headers)
    except StoreDenied as error:
        text = f"the store denied write access to the output {final.key!r} of {output.source!r}"
        raise OperationFailed(denied(Code.PUBLISH, text, error)) from None
    except ChecksumMismatch as error:
        text = f"the output {final.key!r} of {output.source!r} does not match its result: {error}"
        raise OperationFailed(Failure(Code.PROCESSING, Reason.RESULTS_INVALID, text)) from None
    return msgspec.structs.replace(final, etag=there.etag)


async def _present(
    store: ObjectStore, job: ImageJob, overwrite: Overwrite, final: ReportOutput, overwritten: Overwritten
) -> StoredObject | None:
    """The object at a final key; None if there is none, or it is replaced whatever it is.

    Checked before the copy: MinIO and versitygw ignore `If-None-Match` on one.
    """
    if overwrite is Overwrite.ALWAYS and not overwritten.is_checked():
        return None
    try:
        return await store.stat(job.outputs_prefix + final.key)
    except ObjectMissing:
        return None


def _is_kept(there: StoredObject, job: ImageJob, overwrite: Overwrite, final: ReportOutput) -> bool:
    """Whether the object at a final key stays."""
    if overwrite is Overwrite.ALWAYS:
        return False
    if overwrite is Overwrite.NEVER and there.metadata.get(RUN) != writer_of(job):
        raise overwrite_refused(final.key)
    return (there.metadata.get(CONTENT), there.size) == (final.content, final.bytes)
