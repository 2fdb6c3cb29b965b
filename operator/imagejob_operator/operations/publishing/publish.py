"""After the Pods: publish the outputs, write the report, empty the staging."""

from __future__ import annotations

import asyncio

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.decision.operation import Clean, Cleaned, Publish, Published
from imagejob_operator.documents.report import Report, encode_report
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.processing.results import (
    accepted_spec,
    all_outcomes,
    read_staged,
    skipped_items,
)
from imagejob_operator.operations.publishing.copy_outputs import publish_outputs
from imagejob_operator.operations.publishing.report import make_report, report_failure, report_items
from imagejob_operator.operations.reports import committed_report
from imagejob_operator.ports.clock import Clock
from imagejob_operator.ports.object_store import (
    ObjectStore,
    StoreError,
)


async def publish(store: ObjectStore, clock: Clock, job: ImageJob, operation: Publish) -> Published:
    """Publish the outputs of a run; a run whose report is there has been published already.

    Raises:
        EffortFailed: JOB_005, JOB_006 or JOB_007.
        StoreError: when the store fails.
    """
    committed = await committed_report(store, job, operation.report)
    if committed is None:
        committed = await _publish(store, clock, job, operation)
    try:
        await store.delete_prefix(operation.prefix)
    except StoreError:
        return Published(committed.objects, committed.bytes, cleaned=False)
    return Published(committed.objects, committed.bytes, cleaned=True)


async def clean(store: ObjectStore, clock: Clock, job: ImageJob, operation: Clean) -> Cleaned:
    """Write the report of a run that did not succeed, if asked, then empty the prefixes.

    Raises:
        StoreError: when the store fails.
    """
    committed = None
    if operation.report:
        committed = await committed_report(store, job, operation.report)
        if committed is None and operation.prefixes:
            await report_failure(store, clock, job, operation)
    for prefix in operation.prefixes:
        await store.delete_prefix(prefix)
    done = Published(committed.objects, committed.bytes, cleaned=True) if committed else None
    return Cleaned(done)


async def _publish(store: ObjectStore, clock: Clock, job: ImageJob, operation: Publish) -> Report:
    manifest = await read_staged(store, operation.prefix)
    outcomes = await all_outcomes(store, job, manifest, operation.prefix, operation.lost)
    spec = accepted_spec(job)
    # Beside the loop, as all that takes seconds for a large run: the Lease must be renewed meanwhile.
    items = await asyncio.to_thread(report_items, spec, manifest, outcomes)
    await publish_outputs(store, job, spec, operation.prefix, outcomes, items)
    items += await skipped_items(store, operation.prefix, manifest)
    if clock() >= operation.deadline:
        text = "spec.execution.activeDeadlineSeconds passed before the outputs were all published"
        raise OperationFailed(Failure(Code.DEADLINE, Reason.DEADLINE_EXCEEDED, text))
    report = await asyncio.to_thread(make_report, job, clock(), "Succeeded", items)
    del items, outcomes
    data = await asyncio.to_thread(encode_report, report)
    if await store.put_if_absent(operation.report, data, "application/json"):
        return report
    # Our own report, its answer lost; anything else there means that nobody can see this run as committed.
    committed = await committed_report(store, job, operation.report)
    if committed is None:
        text = f"the report cannot be written: something else is at {operation.report!r}; remove it"
        raise OperationFailed(Failure(Code.PUBLISH, Reason.DESTINATION_DENIED, text))
    return committed
