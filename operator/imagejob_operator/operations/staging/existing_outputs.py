"""What stands at the final keys of a run: a reason to refuse it, or items that it need not make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from imagejob_contract.source_format import for_source
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.locations import Overwrite
from imagejob_operator.api.spec import Spec
from imagejob_operator.documents.content_key import content_key
from imagejob_operator.documents.outputs import FinalKey, common_prefix, output_keys
from imagejob_operator.documents.report import ReportItem, ReportOutput
from imagejob_operator.operations.concurrency import for_each
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.object_metadata import CONTENT, RUN, read_facts, writer_of
from imagejob_operator.operations.reports import recent_reports
from imagejob_operator.operations.staging.sources import Found
from imagejob_operator.ports.object_store import ObjectMissing, ObjectStore, StoredObject

FEW = 1000
TIMES = 10
"""A listing of the destination may be as long as FEW and TIMES as many keys as the run has."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The items that are to be made, and those whose outputs are there already."""

    wanted: list[tuple[int, Found]]
    """Each with its place in the whole source."""
    skipped: tuple[ReportItem, ...] = ()


async def plan_items(
    store: ObjectStore, job: ImageJob, spec: Spec, found: list[tuple[int, Found]], base: str
) -> Plan:
    """Hold the items of a run against what stands at their final keys, as `destination.overwrite` asks.

    Raises:
        EffortFailed: JOB_007/OverwriteRefused.
        StoreError: when the store fails.
    """
    if spec.destination.overwrite is Overwrite.ALWAYS:
        return Plan(found)
    where = spec.destination
    sources, places = [source.name for _, source in found], [place for place, _ in found]
    finals = output_keys(sources, spec.renditions, where.prefix, where.key_template, base, places)
    root = job.outputs_prefix
    there = await standing(store, root, [final.key for final in finals])
    if spec.destination.overwrite is Overwrite.NEVER:
        await _refuse_strangers(store, job, root, there)
        return Plan(found)
    proofs = _Proofs(store, job, root, there)
    await proofs.read_reports()
    verdicts = await for_each(
        _by_item([source for _, source in found], finals), lambda item: _unchanged(spec, proofs, *item)
    )
    return Plan(
        [one for one, verdict in zip(found, verdicts, strict=True) if verdict is None],
        tuple(verdict for verdict in verdicts if verdict is not None),
    )


async def standing(store: ObjectStore, root: str, keys: Sequence[str]) -> dict[str, StoredObject]:
    """The objects that stand at some of `keys`, which are relative to `root`.

    By one listing, unless there is so much else that looking at each key is less.
    """
    wanted = {root + key for key in keys}
    if not wanted:
        return {}
    most = FEW + TIMES * len(wanted)
    found: dict[str, StoredObject] = {}
    seen, last = 0, ""
    async for stored in store.walk(common_prefix(wanted)):
        seen, last = seen + 1, stored.key
        if stored.key in wanted:
            found[stored.key.removeprefix(root)] = stored
        if seen >= most:
            break
    else:
        return found

    async def look(key: str) -> StoredObject | None:
        try:
            return await store.stat(key)
        except ObjectMissing:
            return None

    rest = await for_each(sorted(key for key in wanted if key > last), look)
    return found | {stored.key.removeprefix(root): stored for stored in rest if stored}


async def own_outputs(store: ObjectStore, job: ImageJob, keys: Sequence[str]) -> dict[str, StoredObject]:
    """Of the objects that stand at some of the job's output keys, those that its current run wrote."""
    root = job.outputs_prefix

    async def look(key: str) -> StoredObject | None:
        try:
            stored = await store.stat(root + key)
        except ObjectMissing:
            return None
        return stored if stored.metadata.get(RUN) == writer_of(job) else None

    there = sorted(await standing(store, root, keys))
    found = await for_each(there, look)
    return {key: stored for key, stored in zip(there, found, strict=True) if stored}


def refused(key: str, more: int = 0) -> OperationFailed:
    """What is said of a key that is taken."""
    others = f" (and {more} more)" if more else ""
    text = (
        f"spec.destination.overwrite Never: an object that this run did not write is at {key!r}{others}; "
        "remove it, choose another prefix, or set overwrite to IfDifferent or Always"
    )
    return OperationFailed(Failure(Code.PUBLISH, Reason.OVERWRITE_REFUSED, text))


async def _refuse_strangers(
    store: ObjectStore, job: ImageJob, root: str, there: Mapping[str, StoredObject]
) -> None:
    """Whatever this very run did not write is in its way."""

    async def ours(key: str) -> bool:
        try:
            return (await store.stat(root + key)).metadata.get(RUN) == writer_of(job)
        except ObjectMissing:
            return True

    run = job.status.run
    keys = sorted(there)
    # In its first epoch a run has written nothing yet.
    own = await for_each(keys, ours) if run and run.epoch > 1 else [False] * len(keys)
    strangers = [key for key, is_own in zip(keys, own, strict=True) if not is_own]
    if strangers:
        raise refused(strangers[0], len(strangers) - 1)


def _by_item(
    found: Sequence[Found], finals: Sequence[FinalKey]
) -> Iterable[tuple[Found, dict[str, FinalKey]]]:
    keys: list[dict[str, FinalKey]] = [{} for _ in found]
    for final in finals:
        keys[final.index][final.rendition] = final
    return zip(found, keys, strict=True)


async def _unchanged(
    spec: Spec, proofs: _Proofs, source: Found, finals: Mapping[str, FinalKey]
) -> ReportItem | None:
    """What the report says of an item all of whose outputs are there already; None if one is not."""
    if not source.identity:
        return None
    outputs: list[ReportOutput] = []
    for rendition in spec.renditions:
        content = content_key(source.identity, for_source(rendition, source.name), spec.destination.headers)
        output = await proofs.of(finals[rendition.name].key, rendition.name, content)
        if output is None:
            return None
        outputs.append(output)
    # What a report said of the source is still so: the content keys have its identity in them.
    before = proofs.item_with(outputs[0].key)
    return ReportItem(
        source=source.name,
        size=source.size,
        outputs=tuple(outputs),
        skipped=True,
        sha256=before.sha256 if before else "",
        image=before.image if before else None,
    )


class _Proofs:
    """What proves that an object has a content key: a report that names its ETag, else its own metadata."""

    def __init__(
        self, store: ObjectStore, job: ImageJob, root: str, there: Mapping[str, StoredObject]
    ) -> None:
        self._store = store
        self._job = job
        self._root = root
        self._there = there
        self._told: dict[str, ReportOutput] = {}
        self._items: dict[str, ReportItem] = {}

    async def read_reports(self) -> None:
        """Take from the newest reports what they say of the objects that are there."""
        if not self._there:
            return
        async for report in recent_reports(self._store, self._job.key):
            for item in report.items:
                self._take(item)
            if len(self._told) == len(self._there):
                return

    def _take(self, item: ReportItem) -> None:
        for output in item.outputs:
            stored = self._there.get(output.key)
            proven = stored and output.content and (output.etag, output.bytes) == (stored.etag, stored.size)
            if proven and output.key not in self._told:
                self._told[output.key], self._items[output.key] = output, item

    def item_with(self, key: str) -> ReportItem | None:
        """The item of a report that proves what is at a key, if one does."""
        return self._items.get(key)

    async def of(self, key: str, rendition: str, content: str) -> ReportOutput | None:
        """What is at a key, if it is the output with this content key."""
        if key not in self._there:
            return None
        if told := self._told.get(key):
            # The rendition may have been given another name since.
            same = told.content == content
            return msgspec.structs.replace(told, rendition=rendition) if same else None
        try:
            stored = await self._store.stat(self._root + key)
        except ObjectMissing:
            return None
        facts = read_facts(stored)
        if stored.metadata.get(CONTENT) != content or facts is None:
            return None
        width, height, digest = facts
        return ReportOutput(rendition, key, stored.size, width, height, digest, stored.etag, content)
