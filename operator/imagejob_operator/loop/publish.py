"""After the Pods: publish the outputs, write the report, empty the staging."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from imagejob_operator.core.effort import Clean, Cleaned, Publish, Published
from imagejob_operator.core.failure import Code, Failure, Reason
from imagejob_operator.core.job import ImageJob
from imagejob_operator.core.outcome import (
    ItemOutcome,
)
from imagejob_operator.core.report import (
    Report,
    encode_report,
)
from imagejob_operator.core.staging import (
    output_prefix,
)
from imagejob_operator.loop.concurrency import for_each
from imagejob_operator.loop.failed import EffortFailed
from imagejob_operator.loop.reporting import committed_report, make_report, report_failure, report_items
from imagejob_operator.loop.results import accepted_spec, all_outcomes, read_staged
from imagejob_operator.ports.object_store import (
    ObjectStore,
    StoreDenied,
    StoreError,
)
from imagejob_processor.contract import CONTENT_TYPES, OutputRecord, output_name

Clock = Callable[[], datetime]


async def publish(store: ObjectStore, clock: Clock, job: ImageJob, effort: Publish) -> Published:
    """Publish the outputs of a run; a run whose report is there has been published already.

    Raises:
        EffortFailed: JOB_005, JOB_006 or JOB_007.
        StoreError: when the store fails.
    """
    committed = await committed_report(store, job, effort.report)
    if committed is None:
        committed = await _publish(store, clock, job, effort)
    try:
        await store.delete_prefix(effort.prefix)
    except StoreError:
        return Published(committed.objects, committed.bytes, cleaned=False)
    return Published(committed.objects, committed.bytes, cleaned=True)


async def clean(store: ObjectStore, clock: Clock, job: ImageJob, effort: Clean) -> Cleaned:
    """Write the report of a run that did not succeed, if asked, then empty the prefixes.

    Raises:
        StoreError: when the store fails.
    """
    committed = None
    if effort.report:
        committed = await committed_report(store, job, effort.report)
        if committed is None and effort.prefixes:
            await report_failure(store, clock, job, effort)
    for prefix in effort.prefixes:
        await store.delete_prefix(prefix)
    done = Published(committed.objects, committed.bytes, cleaned=True) if committed else None
    return Cleaned(done)


async def _publish(store: ObjectStore, clock: Clock, job: ImageJob, effort: Publish) -> Report:
    manifest = await read_staged(store, effort.prefix)
    outcomes = await all_outcomes(store, job, manifest, effort.prefix, effort.lost)
    sources = [item.source for item in manifest.items]
    items = report_items(accepted_spec(job), manifest, outcomes)
    metadata = {"x-amz-meta-imagejob-run": f"{job.uid}/{job.status.run.number if job.status.run else 0}"}
    root = job.outputs_prefix
    types = {r.name: CONTENT_TYPES[r.output.format] for r in accepted_spec(job).renditions}

    async def copy(pair: tuple[ItemOutcome, OutputRecord, str]) -> None:
        outcome, record, key = pair
        staged = output_prefix(effort.prefix, outcome.shard, outcome.attempt) + output_name(
            outcome.index, record.rendition
        )
        try:
            await store.copy(await store.stat(staged), root + key, types[record.rendition], metadata)
        except StoreDenied as error:
            text = f"the output {key!r} of {sources[outcome.index]!r} cannot be written: {error}"
            raise EffortFailed(Failure(Code.PUBLISH, Reason.DESTINATION_DENIED, text)) from None

    final = {(i, o.rendition): o.key for i, item in enumerate(items) for o in item.outputs}
    pairs = [(o, record, final[o.index, record.rendition]) for o in outcomes for record in o.outputs]
    await for_each(pairs, copy)
    if clock() >= effort.deadline:
        text = "spec.execution.activeDeadlineSeconds passed before the outputs were all published"
        raise EffortFailed(Failure(Code.DEADLINE, Reason.DEADLINE_EXCEEDED, text))
    report = make_report(job, clock(), "Succeeded", items)
    if await store.put_if_absent(effort.report, encode_report(report), "application/json"):
        return report
    # Our own report, its answer lost; anything else there means that nobody can see this run as committed.
    committed = await committed_report(store, job, effort.report)
    if committed is None:
        text = f"the report cannot be written: something else is at {effort.report!r}; remove it"
        raise EffortFailed(Failure(Code.PUBLISH, Reason.DESTINATION_DENIED, text))
    return committed
