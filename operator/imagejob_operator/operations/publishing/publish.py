"""After the Pods: verify the results, publish the outputs, write the report, empty the staging."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob, whole_spec
from imagejob_operator.api.status import MAX_COUNT, MAX_FAILURES, FailedItem, ItemCounts
from imagejob_operator.decision.operation import Clean, Cleaned, ItemResults, Publish, Published
from imagejob_operator.documents.report import Report, ReportItem, encode_report
from imagejob_operator.documents.results import ItemOutcome
from imagejob_operator.documents.staging import Manifest
from imagejob_operator.naming.prefixes import folder_of
from imagejob_operator.operations.concurrency import compute
from imagejob_operator.operations.failed import OperationFailed, failed_item
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.processing.results import (
    OutcomesTwice,
    all_outcomes,
    invalid,
    read_staged,
)
from imagejob_operator.operations.publishing.copy_outputs import publish_outputs
from imagejob_operator.operations.publishing.overwritten import Overwritten, overwrote_text
from imagejob_operator.operations.publishing.report import (
    make_report,
    outputs_at,
    report_failure,
    report_items,
)
from imagejob_operator.operations.reports import committed_report
from imagejob_operator.ports.clock import Clock
from imagejob_operator.ports.object_store import ObjectStore, StoreError
from imagejob_operator.validation.keys import InvalidKey, KeyCollision


async def publish(
    store: ObjectStore, clock: Clock, fresh: FreshRuns, job: ImageJob, operation: Publish
) -> Published:
    """Publish the outputs, unless the report shows that it was done; fails with JOB_005, JOB_006, JOB_007."""
    report = None
    if not fresh.is_first_publish(operation.prefix):
        report = await committed_report(store, job, operation.report)
    if report is None:
        report = await _publish(store, clock, fresh, job, operation)
    fresh.forget([operation.prefix])
    try:
        await store.delete_prefix(operation.prefix)
    except StoreError:
        return _published(report, cleaned=False)
    return _published(report, cleaned=True)


async def clean(
    store: ObjectStore, clock: Clock, fresh: FreshRuns, job: ImageJob, operation: Clean
) -> Cleaned:
    """Write the report of a run that did not succeed, if asked, then empty the prefixes."""
    report = None
    if operation.report:
        report = await committed_report(store, job, operation.report)
        if report is None:
            await report_failure(store, clock, fresh, job, operation)
    fresh.forget(operation.prefixes)
    for prefix in operation.prefixes:
        await store.delete_prefix(prefix)
    return Cleaned(_published(report, cleaned=True) if report else None)


async def _publish(
    store: ObjectStore, clock: Clock, fresh: FreshRuns, job: ImageJob, operation: Publish
) -> Report:
    manifest, skipped = await read_staged(store, operation.prefix, fresh)
    batches = OutcomesTwice(lambda: all_outcomes(store, job, manifest, operation.prefix, operation.lost))
    results = await _verify_all(batches, manifest, skipped)
    spec = whole_spec(job)
    try:
        _check_failures(results, operation.tolerated)
        items: list[ReportItem] = []
        overwritten = Overwritten(job)
        async for outcomes in batches:
            items += await _publish_batch(store, job, manifest, operation.prefix, outcomes, overwritten)
        items += skipped
        if item_results(items) != results:
            raise invalid("the results of the Pods were changed while their outputs were published")
        if clock() >= operation.deadline:
            limit = f"spec.execution.activeDeadlineSeconds ({spec.execution.active_deadline_seconds} s)"
            text = f"the run exceeded {limit} before all outputs were published"
            raise OperationFailed(Failure(Code.DEADLINE, Reason.DEADLINE_EXCEEDED, text))
        place, operator = outputs_at(store, job), folder_of(operation.prefix)
        report = await compute(make_report, job, clock(), "Succeeded", items, place, operator)
        report = msgspec.structs.replace(report, overwrote=await overwritten.named(store))
        del items
        return await _commit(store, job, operation.report, report)
    except OperationFailed as error:
        error.results = results
        raise


async def _verify_all(
    batches: OutcomesTwice, manifest: Manifest, skipped: Sequence[ReportItem]
) -> ItemResults:
    """Verify all results before the first output is published, and count the items."""
    failures: list[FailedItem] = []
    failed = 0
    async for outcomes in batches:
        for result in (outcome.result for outcome in outcomes if outcome.result.error):
            failed += 1
            if result.error and len(failures) < MAX_FAILURES:
                failures.append(failed_item(manifest.items[result.index].source, result.error))
    total = len(manifest.items)
    counts = ItemCounts(total + len(skipped), total - failed, failed, len(skipped))
    return ItemResults(counts, tuple(failures))


async def _publish_batch(
    store: ObjectStore,
    job: ImageJob,
    manifest: Manifest,
    prefix: str,
    outcomes: Sequence[ItemOutcome],
    overwritten: Overwritten,
) -> list[ReportItem]:
    """Publish the outputs of some items; their entries in the report."""
    spec = whole_spec(job)
    try:
        items = await compute(report_items, spec, manifest, outcomes)
    except (InvalidKey, KeyCollision) as error:
        raise invalid(f"the manifest of the staged items is of another spec: {error}") from None
    return await publish_outputs(store, job, prefix, outcomes, items, overwritten)


async def _commit(store: ObjectStore, job: ImageJob, key: str, report: Report) -> Report:
    """Write the report, once."""
    data = await compute(encode_report, report)
    if await store.put_if_absent(key, data, "application/json"):
        return report
    # Our own report, if only the answer was lost. Any other object there would hide that the run succeeded.
    committed = await committed_report(store, job, key)
    if committed is None:
        text = f"the report cannot be written: another object already exists at {key!r}; delete it"
        raise OperationFailed(Failure(Code.PUBLISH, Reason.DESTINATION_DENIED, text))
    return committed


def item_results(items: Sequence[ReportItem]) -> ItemResults:
    """Count the items of a run."""
    failures = [failed_item(item.source, item.error) for item in items if item.error]
    skipped = sum(1 for item in items if item.skipped)
    total, failed = len(items), len(failures)
    counts = ItemCounts(total, succeeded=total - failed - skipped, failed=failed, skipped=skipped)
    return ItemResults(counts, tuple(failures[:MAX_FAILURES]))


def _check_failures(results: ItemResults, tolerated: int) -> None:
    """Fail with JOB_005/ItemsFailed if more items failed than are tolerated."""
    counts, failed = results.counts, results.counts.failed
    if failed <= tolerated:
        return
    first = results.failures[0]
    text = (
        f"{failed} of {counts.total} items failed, but spec.failurePolicy.maxFailedItems allows only "
        f"{tolerated}; "
    )
    if counts.succeeded:
        text += f"maxFailedItems: {failed} would publish the {counts.succeeded} that succeeded; "
    text += f"first failure: {first.item}: {first.code} {first.message}"
    raise OperationFailed(Failure(Code.PROCESSING, Reason.ITEMS_FAILED, text))


def _published(report: Report, cleaned: bool) -> Published:
    written, results = min(report.bytes, MAX_COUNT), item_results(report.items)
    return Published(report.objects, written, results, cleaned, overwrote_text(report.overwrote))
