"""After the Pods: read and check the results, publish the outputs, write the report, empty the staging."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec

from imagejob_operator.core.effort import Clean, Cleaned, Collect, Collected, Publish, Published
from imagejob_operator.core.failure import Code, Failure, Reason
from imagejob_operator.core.job import ImageJob
from imagejob_operator.core.keys import namespace_prefix, output_keys
from imagejob_operator.core.outcome import (
    InvalidResult,
    ItemOutcome,
    believe,
    failed_items,
    given_up,
    read_result,
)
from imagejob_operator.core.report import (
    MAX_REPORT_BYTES,
    Report,
    ReportError,
    ReportItem,
    ReportOutput,
    encode_report,
    read_report,
)
from imagejob_operator.core.shards import shard_items
from imagejob_operator.core.spec import InvalidSpec, Spec
from imagejob_operator.core.staging import (
    MAX_MANIFEST_BYTES,
    Manifest,
    manifest_key,
    output_prefix,
    read_manifest,
    result_key,
)
from imagejob_operator.loop.concurrency import for_each
from imagejob_operator.loop.failed import EffortFailed
from imagejob_operator.ports.object_store import (
    ObjectMissing,
    ObjectStore,
    StoreDenied,
    StoredObject,
    StoreError,
)
from imagejob_processor.contract import CONTENT_TYPES, MAX_RESULT_BYTES, OutputRecord, output_name

Clock = Callable[[], datetime]


async def collect(store: ObjectStore, job: ImageJob, effort: Collect) -> Collected:
    """Read the results of all shards.

    Raises:
        EffortFailed: with JOB_005/ResultsInvalid if one is missing or cannot be believed.
        StoreError: when the store fails.
    """
    manifest = await _manifest(store, effort.prefix)
    outcomes = await _outcomes(store, job, manifest, effort.prefix, effort.lost)
    failures = failed_items(outcomes, [item.source for item in manifest.items])
    return Collected(succeeded=len(outcomes) - len(failures), failed=len(failures), failures=failures)


async def publish(store: ObjectStore, clock: Clock, job: ImageJob, effort: Publish) -> Published:
    """Publish the outputs of a run; a run whose report is there has been published already.

    Raises:
        EffortFailed: JOB_005, JOB_006 or JOB_007.
        StoreError: when the store fails.
    """
    committed = await _committed(store, job, effort.report)
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
        committed = await _committed(store, job, effort.report)
        if committed is None and effort.prefixes:
            await _report_failure(store, clock, job, effort)
    for prefix in effort.prefixes:
        await store.delete_prefix(prefix)
    done = Published(committed.objects, committed.bytes, cleaned=True) if committed else None
    return Cleaned(done)


async def _manifest(store: ObjectStore, prefix: str) -> Manifest:
    try:
        return read_manifest(await store.read(manifest_key(prefix), MAX_MANIFEST_BYTES))
    except (ObjectMissing, msgspec.DecodeError) as error:
        text = f"the manifest of the staged items cannot be read: {error}"
        raise EffortFailed(Failure(Code.PROCESSING, Reason.RESULTS_INVALID, text)) from None


async def _outcomes(
    store: ObjectStore, job: ImageJob, manifest: Manifest, prefix: str, lost: Sequence[int]
) -> list[ItemOutcome]:
    run = job.status.run
    total = run.shards.total if run and run.shards else 0

    async def shard_outcomes(shard: int) -> list[ItemOutcome]:
        indexes = shard_items(len(manifest.items), job.status.items_per_shard, shard)
        if shard in lost:
            return given_up(shard, indexes)
        try:
            return await _shard_outcomes(store, job, prefix, shard, indexes)
        except InvalidResult as error:
            raise EffortFailed(Failure(Code.PROCESSING, Reason.RESULTS_INVALID, str(error))) from None

    return [outcome for shard in await for_each(range(total), shard_outcomes) for outcome in shard]


async def _shard_outcomes(
    store: ObjectStore, job: ImageJob, prefix: str, shard: int, indexes: Sequence[int]
) -> list[ItemOutcome]:
    try:
        result = read_result(await store.read(result_key(prefix, shard), MAX_RESULT_BYTES), shard)
    except ObjectMissing:
        raise InvalidResult(f"shard {shard} ended as if all were well, but left no result") from None
    below = output_prefix(prefix, shard, result.attempt)
    listing = {o.key.removeprefix(below): o.size async for o in store.walk(below)}
    return believe(result, indexes, _spec(job).renditions, listing)


def _spec(job: ImageJob) -> Spec:
    assert not isinstance(job.spec, InvalidSpec)  # noqa: S101  (decide publishes accepted jobs only)
    return job.spec


async def _committed(store: ObjectStore, job: ImageJob, key: str) -> Report | None:
    """The report of this very run, if it is there and says Succeeded."""
    run = job.status.run
    try:
        report = read_report(await store.read(key, MAX_REPORT_BYTES))
    except (ObjectMissing, msgspec.DecodeError):
        return None
    same = run is not None and (report.uid, report.run) == (job.uid, run.number)
    return report if same and report.outcome == "Succeeded" else None


async def _publish(store: ObjectStore, clock: Clock, job: ImageJob, effort: Publish) -> Report:
    manifest = await _manifest(store, effort.prefix)
    outcomes = await _outcomes(store, job, manifest, effort.prefix, effort.lost)
    sources = [item.source for item in manifest.items]
    items = report_items(_spec(job), manifest, outcomes)
    metadata = {"x-amz-meta-imagejob-run": f"{job.uid}/{job.status.run.number if job.status.run else 0}"}
    root = namespace_prefix(job.key.namespace)
    types = {r.name: CONTENT_TYPES[r.output.format] for r in _spec(job).renditions}

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
    report = _report(job, clock(), "Succeeded", items)
    await store.put_if_absent(effort.report, encode_report(report), "application/json")
    return report


def report_items(spec: Spec, manifest: Manifest, outcomes: Sequence[ItemOutcome]) -> list[ReportItem]:
    """What the report says of every staged item; an item without an outcome has neither outputs nor error."""
    sources = [item.source for item in manifest.items]
    destination = spec.destination
    keys = {
        (final.index, final.rendition): final.key
        for final in output_keys(
            sources, spec.renditions, destination.prefix, destination.key_template, manifest.base
        )
    }
    by_index = {outcome.index: outcome for outcome in outcomes}
    items: list[ReportItem] = []
    for staged in manifest.items:
        outcome = by_index.get(staged.index)
        outputs = tuple(
            ReportOutput(r.rendition, keys[staged.index, r.rendition], r.bytes, r.width, r.height, r.sha256)
            for r in (outcome.outputs if outcome else ())
        )
        items.append(ReportItem(staged.source, staged.size, outputs, outcome.error if outcome else None))
    return items


def _report(job: ImageJob, now: datetime, outcome: str, items: Sequence[ReportItem]) -> Report:
    run, error = job.status.run, job.status.error
    return Report(
        job=str(job.key),
        uid=job.uid,
        run_id=run.id if run else "",
        run=run.number if run else 0,
        outcome=outcome,
        written_at=now,
        items=tuple(items),
        error=ReportError(error.code, error.reason, error.message) if error else None,
    )


async def _report_failure(store: ObjectStore, clock: Clock, job: ImageJob, effort: Clean) -> None:
    """Say what is known of every item. Nothing was published, so no outputs are named."""
    items: list[ReportItem] = []
    if not isinstance(job.spec, InvalidSpec):
        try:
            manifest = await _manifest(store, effort.prefixes[0])
            outcomes = await _known_outcomes(store, job, manifest, effort.prefixes[0])
            items = [
                msgspec.structs.replace(item, outputs=())
                for item in report_items(job.spec, manifest, outcomes)
            ]
        except EffortFailed:
            pass  # nothing was staged to the end, so there is nothing to say of items
    report = _report(job, clock(), "Cancelled" if job.status.phase == "Cancelling" else "Failed", items)
    try:
        await store.put_if_absent(effort.report, encode_report(report), "application/json")
    except StoreDenied:
        return  # a store that takes no report may still be cleaned


async def _known_outcomes(
    store: ObjectStore, job: ImageJob, manifest: Manifest, prefix: str
) -> list[ItemOutcome]:
    present: list[StoredObject] = [o async for o in store.walk(f"{prefix}results/")]
    known: list[ItemOutcome] = []
    for stored in present:
        shard = int(stored.key.rpartition("/")[2].removesuffix(".json"))
        indexes = shard_items(len(manifest.items), job.status.items_per_shard, shard)
        try:
            known += await _shard_outcomes(store, job, prefix, shard, indexes)
        except InvalidResult:
            continue  # the failure itself is in the report
    return known
