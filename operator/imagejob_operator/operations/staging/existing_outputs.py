"""Objects that exist at the output keys of a run: refused, or kept if they are what would be made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from imagejob_operator.api.destination import Overwrite
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.spec import Spec
from imagejob_operator.documents.outputs import PlannedItem, PlannedOutput, outputs_of
from imagejob_operator.documents.report import Report, ReportItem, ReportOutput
from imagejob_operator.operations.concurrency import compute, for_each
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.listed import listed_objects
from imagejob_operator.operations.object_metadata import RUN, read_output, writer_of
from imagejob_operator.operations.reports import recent_reports
from imagejob_operator.operations.staging.sources import FoundSource
from imagejob_operator.ports.object_store import ObjectMissing, ObjectStore, StoredObject


class Candidate(NamedTuple):
    """An item that a run may process, and its place among all sources."""

    place: int
    source: FoundSource

    def outputs(self, spec: Spec) -> list[PlannedOutput]:
        """The outputs that it will have; they are not kept, because a run may have 320,000 of them."""
        return [*outputs_of(spec, PlannedItem(self.source.name, self.place, self.source.identity))]


_Known = dict[str, tuple[ReportOutput, ReportItem | None]]
"""Outputs by their keys, with their items if those are known from a report."""


async def skip_unchanged(
    store: ObjectStore, job: ImageJob, spec: Spec, items: list[Candidate]
) -> tuple[list[Candidate], list[ReportItem]]:
    """Apply `destination.overwrite`: the items to process, and those whose outputs all exist unchanged."""
    overwrite = spec.destination.overwrite
    if overwrite is Overwrite.ALWAYS:
        return items, []
    keys = await compute(lambda: [output.key for item in items for output in item.outputs(spec)])
    existing = await existing_objects(store, job.outputs_prefix, keys)
    if overwrite is Overwrite.NEVER:
        await _refuse_existing(store, job, existing)
        return items, []
    known = await _known_outputs(store, job, existing)
    unchanged = await compute(lambda: [_unchanged(spec, item, known) for item in items])
    changed = [item for item, found in zip(items, unchanged, strict=True) if found is None]
    return changed, [item for item in unchanged if item]


async def existing_objects(store: ObjectStore, root: str, keys: Sequence[str]) -> dict[str, StoredObject]:
    """The objects that exist at some of `keys`, which are relative to `root`."""
    found, unlisted = await listed_objects(store, root, keys, lambda key, stored: stored)
    return found | await _stat_all(store, root, unlisted)


async def own_outputs(store: ObjectStore, job: ImageJob, keys: Sequence[str]) -> dict[str, StoredObject]:
    """The objects at some of the job's output keys that its current run wrote."""
    existing = await existing_objects(store, job.outputs_prefix, keys)
    found = await _stat_all(store, job.outputs_prefix, list(existing))
    return {key: stored for key, stored in found.items() if stored.metadata.get(RUN) == writer_of(job)}


def overwrite_refused(key: str, more: int = 0) -> OperationFailed:
    """The failure of a run that would overwrite an object although it must not."""
    others = f" (and {more} more)" if more else ""
    text = (
        f"spec.destination.overwrite Never: an object that this run did not write exists at {key!r}{others}; "
        "delete it, choose another prefix, or set overwrite to IfDifferent or Always"
    )
    return OperationFailed(Failure(Code.PUBLISH, Reason.OVERWRITE_REFUSED, text))


async def _stat_all(store: ObjectStore, root: str, keys: Sequence[str]) -> dict[str, StoredObject]:
    """The objects that exist at some of `keys`, with their metadata."""

    async def stat(key: str) -> StoredObject | None:
        try:
            return await store.stat(root + key)
        except ObjectMissing:
            return None

    found = await for_each(keys, stat)
    return {key: stored for key, stored in zip(keys, found, strict=True) if stored}


async def _refuse_existing(store: ObjectStore, job: ImageJob, existing: Mapping[str, StoredObject]) -> None:
    run, keys = job.status.run, list(existing)
    if run and run.epoch > 1:
        # In an earlier epoch the run may have published some of its outputs.
        found = await _stat_all(store, job.outputs_prefix, keys)
        keys = [key for key, stored in found.items() if stored.metadata.get(RUN) != writer_of(job)]
    if keys:
        raise overwrite_refused(min(keys), len(keys) - 1)


async def _known_outputs(store: ObjectStore, job: ImageJob, existing: Mapping[str, StoredObject]) -> _Known:
    """The outputs that existing objects are: by a report with their ETag, else by their own metadata."""
    known: _Known = {}
    if not existing:
        return known
    place = store.place(job.outputs_prefix)
    async for report in recent_reports(store, job.key):
        if report.outputs_at != place:
            continue  # an ETag in another place says nothing about the headers of the object here
        known |= await compute(_reported, report, existing, known)
        if len(known) == len(existing):
            return known
    others = await _stat_all(store, job.outputs_prefix, list(existing.keys() - known.keys()))
    return known | {key: (found, None) for key, it in others.items() if (found := read_output(key, it))}


def _reported(report: Report, existing: Mapping[str, StoredObject], known: _Known) -> _Known:
    """The existing objects that a report lists with their ETag and size, without known ones."""
    found: _Known = {}
    for item in report.items:
        for output in item.outputs:
            stored = None if output.key in known else existing.get(output.key)
            if stored and output.content and (output.etag, output.bytes) == (stored.etag, stored.size):
                found.setdefault(output.key, (output, item))
    return found


def _unchanged(spec: Spec, item: Candidate, known: _Known) -> ReportItem | None:
    """The item as it is reported if all its outputs exist unchanged, else None."""
    if not item.source.identity:
        return None
    outputs: list[ReportOutput] = []
    for planned in item.outputs(spec):
        output, _ = known.get(planned.key, (None, None))
        if output is None or output.content != planned.content_key:
            return None
        # The rendition may have had another name.
        named = msgspec.structs.replace(output, rendition=planned.rendition.name, type=planned.content_type)
        outputs.append(named)
    # What a report says of the source is still true: equal content keys mean equal sources.
    _, reported = known[outputs[0].key]
    return ReportItem(
        source=item.source.name,
        size=item.source.size,
        outputs=tuple(outputs),
        skipped=True,
        sha256=reported.sha256 if reported else "",
        image=reported.image if reported else None,
    )
