"""Makes the report of a run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from imagejob_contract.result import OutputRecord, Timings
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import Spec
from imagejob_operator.decision.operation import Clean
from imagejob_operator.documents.outputs import PlannedItem, PlannedOutput, planned_outputs
from imagejob_operator.documents.report import Report, ReportError, ReportItem, ReportOutput, encode_report
from imagejob_operator.documents.report_summary import source_sets, totals
from imagejob_operator.documents.results import ItemOutcome
from imagejob_operator.documents.staging import Manifest
from imagejob_operator.documents.watermark_images import identified
from imagejob_operator.naming.prefixes import namespace_prefix
from imagejob_operator.operations.concurrency import compute
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.processing.results import known_outcomes, read_staged
from imagejob_operator.operations.staging.existing_outputs import own_outputs
from imagejob_operator.ports.clock import Clock
from imagejob_operator.ports.object_store import ObjectStore, StoreDenied, StoreError, StoreUnavailable
from imagejob_operator.validation.keys import InvalidKey, KeyCollision


def report_items(spec: Spec, manifest: Manifest, outcomes: Sequence[ItemOutcome]) -> list[ReportItem]:
    """The report's entries for the items with these outcomes."""
    spec = identified(spec, {image.key: image.identity for image in manifest.watermark_images})
    items: list[ReportItem] = []
    for outcome in outcomes:
        result = outcome.result
        staged = manifest.items[result.index]
        (planned,) = planned_outputs(spec, [PlannedItem(staged.source, staged.place, staged.identity)])
        pairs = zip(planned, result.outputs, strict=True) if result.outputs else ()
        outputs = tuple(_output(output, record) for output, record in pairs)
        items.append(
            ReportItem(
                source=staged.source,
                size=staged.size,
                outputs=outputs,
                error=result.error,
                sha256=result.source.sha256 if result.source else "",
                image=result.image,
                timings=None if result.timings == Timings() else result.timings,
                notes=result.notes,
            )
        )
    return items


def _output(planned: PlannedOutput, record: OutputRecord) -> ReportOutput:
    return ReportOutput(
        rendition=record.rendition,
        key=planned.key,
        type=planned.content_type,
        bytes=record.bytes,
        width=record.width,
        height=record.height,
        sha256=record.sha256,
        content=planned.content_key,
    )


def outputs_at(store: ObjectStore, job: ImageJob) -> str:
    """Where the outputs of a run are; empty for a cleaning without the store of the outputs."""
    try:
        return store.place(job.outputs_prefix)
    except StoreDenied:
        return ""


def make_report(
    job: ImageJob, now: datetime, outcome: str, items: Sequence[ReportItem], place: str, operator: str
) -> Report:
    """The report of the current run by the operator with this staging folder, and the error of the status."""
    run, error = job.status.run, job.status.error
    items = [msgspec.structs.replace(item, srcset=source_sets(item.outputs)) for item in items]
    return Report(
        job=str(job.key),
        uid=job.uid,
        run_id=run.id if run else "",
        run=run.number if run else 0,
        run_uid=run.uid if run else "",
        outcome=outcome,
        outputs_at=place,
        operator=operator,
        written_at=now,
        items=tuple(items),
        error=ReportError(error.code, error.reason, error.message) if error else None,
        totals=totals(items),
    )


async def report_failure(
    store: ObjectStore, clock: Clock, fresh: FreshRuns, job: ImageJob, operation: Clean
) -> None:
    """Write the report of a run that did not succeed, with the outputs that it had published."""
    items: list[ReportItem] = []
    if isinstance(job.spec, Spec) and operation.prefixes:
        try:
            manifest, skipped = await read_staged(store, operation.prefixes[0], fresh)
            items = [ReportItem(staged.source, staged.size, error=staged.error) for staged in manifest.items]
            async for outcomes in known_outcomes(store, job, manifest, operation.prefixes[0]):
                found = await compute(report_items, job.spec, manifest, outcomes)
                for one, item in zip(outcomes, found, strict=True):
                    items[one.result.index] = item
            items = await _published(store, job, items)
            items += skipped
        except (OperationFailed, InvalidKey, KeyCollision):
            items = []  # the staging is incomplete or of another spec
    cancelled = job.status.at in (Phase.CANCELLING, Phase.CANCELLED)
    outcome = "Cancelled" if cancelled else "Failed"
    place = outputs_at(store, job)
    report = await compute(make_report, job, clock(), outcome, items, place, operation.operator)
    try:
        data = await compute(encode_report, report)
        await store.put_if_absent(operation.report, data, "application/json")
    except StoreDenied:
        return  # cleaning may still be allowed


async def _published(store: ObjectStore, job: ImageJob, items: Sequence[ReportItem]) -> list[ReportItem]:
    """The items, with only those outputs that the run wrote to their final keys."""
    keys = [output.key for item in items for output in item.outputs]
    try:
        there = await own_outputs(store, job, keys)
    except StoreError as error:
        elsewhere = job.outputs_prefix != namespace_prefix(job.key.namespace)
        if isinstance(error, StoreUnavailable) and not elsewhere:
            raise
        # Neither the report nor the cleaning waits for an ImageStore of the outputs.
        there = {}
    return [
        msgspec.structs.replace(
            item,
            outputs=tuple(
                msgspec.structs.replace(output, etag=there[output.key].etag)
                for output in item.outputs
                if output.key in there
            ),
        )
        for item in items
    ]
