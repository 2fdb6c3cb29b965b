"""After the Pods: publish the outputs, write the report, empty the staging."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from imagejob_operator.core.effort import Clean, Cleaned, Publish, Published
from imagejob_operator.core.failure import Code, Failure, Reason
from imagejob_operator.core.job import ImageJob
from imagejob_operator.core.outcome import ItemOutcome
from imagejob_operator.core.report import (
    Report,
    ReportItem,
    encode_report,
)
from imagejob_operator.core.spec import Spec
from imagejob_operator.core.staging import output_prefix
from imagejob_operator.loop.concurrency import for_each
from imagejob_operator.loop.failed import EffortFailed
from imagejob_operator.loop.headers import final_headers
from imagejob_operator.loop.reporting import committed_report, make_report, report_failure, report_items
from imagejob_operator.loop.results import accepted_spec, all_outcomes, read_staged
from imagejob_operator.ports.object_store import (
    ObjectStore,
    StoreDenied,
    StoredObject,
    StoreError,
)
from imagejob_processor.contract import output_name

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


@dataclass(frozen=True, slots=True)
class _Output:
    """One output in the staging, and the key that it is to have below the namespace's part."""

    source: str
    rendition: str
    staged: StoredObject
    key: str


def _staged_outputs(
    prefix: str, outcomes: Sequence[ItemOutcome], items: Sequence[ReportItem]
) -> Iterator[_Output]:
    final = {(i, output.rendition): output.key for i, item in enumerate(items) for output in item.outputs}
    for outcome in outcomes:
        below = output_prefix(prefix, outcome.shard, outcome.attempt)
        for record, etag in zip(outcome.outputs, outcome.etags, strict=True):
            name = below + output_name(outcome.index, record.rendition)
            yield _Output(
                source=items[outcome.index].source,
                rendition=record.rendition,
                staged=StoredObject(name, record.bytes, etag),
                key=final[outcome.index, record.rendition],
            )


class _Publisher:
    """Copies outputs to their final keys."""

    def __init__(self, store: ObjectStore, job: ImageJob, spec: Spec) -> None:
        self._store = store
        self._root = job.outputs_prefix
        self._headers = {r.name: final_headers(job, spec.destination.headers, r) for r in spec.renditions}

    async def copy(self, output: _Output) -> None:
        """Copy one; its ETag is that of the store's listing, so that nothing else is published."""
        try:
            await self._store.copy(output.staged, self._root + output.key, self._headers[output.rendition])
        except StoreDenied as error:
            text = f"the output {output.key!r} of {output.source!r} cannot be written: {error}"
            raise EffortFailed(Failure(Code.PUBLISH, Reason.DESTINATION_DENIED, text)) from None


async def _publish(store: ObjectStore, clock: Clock, job: ImageJob, effort: Publish) -> Report:
    manifest = await read_staged(store, effort.prefix)
    outcomes = await all_outcomes(store, job, manifest, effort.prefix, effort.lost)
    spec = accepted_spec(job)
    items = report_items(spec, manifest, outcomes)
    await for_each(_staged_outputs(effort.prefix, outcomes, items), _Publisher(store, job, spec).copy)
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
