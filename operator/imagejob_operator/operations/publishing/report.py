"""The report of a run: written once, read first by everything that comes after it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime

import msgspec

from imagejob_contract.source_format import for_source
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import InvalidSpec, Spec
from imagejob_operator.decision.operation import Clean
from imagejob_operator.documents.content_key import content_key
from imagejob_operator.documents.outputs import output_keys
from imagejob_operator.documents.report import (
    Report,
    ReportError,
    ReportItem,
    ReportOutput,
    encode_report,
)
from imagejob_operator.documents.report_summary import duplicates, totals, with_source_sets
from imagejob_operator.documents.results import ItemOutcome
from imagejob_operator.documents.staging import Manifest
from imagejob_operator.documents.watermark_images import identified
from imagejob_operator.naming.prefixes import namespace_prefix
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.processing.results import known_outcomes, read_staged, skipped_items
from imagejob_operator.operations.staging.existing_outputs import own_outputs
from imagejob_operator.ports.clock import Clock
from imagejob_operator.ports.object_store import (
    ObjectStore,
    StoreDenied,
    StoreError,
    StoreUnavailable,
)
from imagejob_operator.validation.keys import InvalidKey, KeyCollision


def report_items(spec: Spec, manifest: Manifest, outcomes: Sequence[ItemOutcome]) -> list[ReportItem]:
    """What the report says of every staged item, in the order of their index.

    An item without an outcome has neither outputs nor error.
    """
    identities = {mark.key: mark.identity for mark in manifest.watermark_images}
    destination, renditions = spec.destination, {r.name: r for r in identified(spec.renditions, identities)}
    finals = output_keys(
        [item.source for item in manifest.items],
        spec.renditions,
        destination.prefix,
        destination.key_template,
        manifest.base,
        [item.place for item in manifest.items],
    )
    by_index = {outcome.index: outcome for outcome in outcomes}
    items: list[ReportItem] = []
    for staged in manifest.items:
        outcome = by_index.get(staged.index)
        if outcome is None:
            items.append(ReportItem(staged.source, staged.size))
            continue
        first = staged.index * len(renditions)
        keys = {final.rendition: final.key for final in finals[first : first + len(renditions)]}
        outputs = tuple(
            ReportOutput(
                rendition=record.rendition,
                key=keys[record.rendition],
                bytes=record.bytes,
                width=record.width,
                height=record.height,
                sha256=record.sha256,
                content=content_key(
                    staged.identity,
                    for_source(renditions[record.rendition], staged.source),
                    destination.headers,
                ),
            )
            for record in outcome.outputs
        )
        items.append(
            ReportItem(
                source=staged.source,
                size=staged.size,
                outputs=outputs,
                error=outcome.error,
                sha256=outcome.source.sha256 if outcome.source else "",
                image=outcome.image,
                timings=outcome.timings,
            )
        )
    return items


def make_report(job: ImageJob, now: datetime, outcome: str, items: Sequence[ReportItem]) -> Report:
    """The report of the current run, with the error that the status names."""
    run, error = job.status.run, job.status.error
    if not isinstance(job.spec, InvalidSpec):
        items = [with_source_sets(item, job.spec.renditions) for item in items]
    return Report(
        job=str(job.key),
        uid=job.uid,
        run_id=run.id if run else "",
        run=run.number if run else 0,
        outcome=outcome,
        written_at=now,
        items=tuple(items),
        error=ReportError(error.code, error.reason, error.message) if error else None,
        totals=totals(items),
        duplicates=duplicates(items),
    )


async def report_failure(store: ObjectStore, clock: Clock, job: ImageJob, operation: Clean) -> None:
    """Say what is known of every item, with the outputs that were published before the run failed."""
    items: list[ReportItem] = []
    if not isinstance(job.spec, InvalidSpec):
        try:
            manifest = await read_staged(store, operation.prefixes[0])
            outcomes = await known_outcomes(store, job, manifest, operation.prefixes[0])
            items = await asyncio.to_thread(report_items, job.spec, manifest, outcomes)
            items = await _published(store, job, items)
            items += await skipped_items(store, operation.prefixes[0], manifest)
        except (OperationFailed, InvalidKey, KeyCollision):
            pass  # nothing was staged to the end, or by another spec than this one: nothing to say of items
    cancelled = job.status.at in (Phase.CANCELLING, Phase.CANCELLED)
    report = make_report(job, clock(), "Cancelled" if cancelled else "Failed", items)
    try:
        data = await asyncio.to_thread(encode_report, report)
        await store.put_if_absent(operation.report, data, "application/json")
    except StoreDenied:
        return  # a store that takes no report may still be cleaned


async def _published(store: ObjectStore, job: ImageJob, items: Sequence[ReportItem]) -> list[ReportItem]:
    """The items with those of their outputs that the run wrote to their final keys."""
    keys = [output.key for item in items for output in item.outputs]
    try:
        there = await own_outputs(store, job, keys)
    except StoreError as error:
        elsewhere = job.outputs_prefix != namespace_prefix(job.key.namespace)
        if isinstance(error, StoreUnavailable) and not elsewhere:
            raise
        # The report and the cleaning do not depend on the store of the outputs.
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
