"""Staging: plan the items, copy each source, write the manifest last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from imagejob_contract.result import ItemError
from imagejob_operator.api.imagejob import ImageJob, whole_spec
from imagejob_operator.api.status import MAX_FAILURES
from imagejob_operator.decision.operation import Stage, Staged
from imagejob_operator.decision.unstaged import item_error, stopped_retrying
from imagejob_operator.documents.staging import URLS_SLACK, Manifest, ManifestItem, input_key
from imagejob_operator.operations.concurrency import for_each
from imagejob_operator.operations.failed import OperationFailed, failed_item
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.manifest import manifest_head, write_manifest
from imagejob_operator.operations.staging.download import Downloader
from imagejob_operator.operations.staging.existing_outputs import Candidate
from imagejob_operator.operations.staging.one_try import OneTry
from imagejob_operator.operations.staging.plan import plan_items
from imagejob_operator.operations.staging.sources import StagingRun
from imagejob_operator.operations.staging.watermark_images import copy_watermark_images
from imagejob_operator.ports.object_store import ObjectMissing, ObjectStore, StoredObject
from imagejob_operator.ports.telemetry import Telemetry


async def stage(
    store: ObjectStore,
    downloader: Downloader,
    telemetry: Telemetry,
    fresh: FreshRuns,
    job: ImageJob,
    operation: Stage,
) -> Staged:
    """Stage all sources of a job; continues with what the prefix already has."""
    spec, prefix = whole_spec(job), operation.prefix
    tried = not fresh.is_first_try(prefix) and await _has_objects(store, prefix)
    if tried:
        try:
            return _staged(await manifest_head(store, prefix))
        except ObjectMissing:
            pass
    plan = await plan_items(store, job, spec, prefix)
    run = StagingRun(store, downloader, job, spec, prefix, operation.last_try)
    copied = await _copies(run, len(plan.items)) if tried else {}
    items = await _stage_items(run, telemetry, plan.items, copied)
    started = job.status.run.counted_from if job.status.run else None
    copies = [item.size for item in items if not item.key and not item.error]
    failed = [item for item in items if item.error]
    manifest = Manifest(
        tuple(items),
        count=len(items),
        copies=len(copies),
        bytes=sum(copies),
        urls_until=job.ends_at_the_latest(started) + URLS_SLACK if started else None,
        skipped=len(plan.skipped),
        failed=len(failed),
        failures=tuple(failed[:MAX_FAILURES]),
        note=plan.note,
        watermark_images=await copy_watermark_images(store, prefix, plan.watermark_images),
    )
    await write_manifest(store, prefix, manifest, plan.skipped)
    fresh.staged(prefix, manifest)
    return _staged(manifest)


async def _has_objects(store: ObjectStore, prefix: str) -> bool:
    """Whether an earlier try left anything."""
    async for _ in store.walk(prefix):
        return True
    return False


async def _stage_items(
    run: StagingRun, telemetry: Telemetry, sources: list[Candidate], copies: Mapping[str, StoredObject]
) -> list[ManifestItem]:
    """Stage each source, and empty the list of them; what was copied before is not copied again.

    A source that cannot be staged is an item with an error. If a retry may succeed, and this is not the last
    try, the first such error is raised in the end.
    """
    if not sources:
        return []
    this = OneTry(run.last_try)

    async def stage_item(one: tuple[int, Candidate]) -> ManifestItem:
        index, (place, source) = one
        key = input_key(run.prefix, index)
        try:
            if key not in copies:
                this.check(source)
            staged, identity = await source.stage(run, key, copies.get(key))
        except OperationFailed as error:
            if error.transient:
                this.failed(source, error)
            return ManifestItem(index, source.name, "", source.size, place, error=_item_error(run, error))
        copied = staged.key == key
        if copied:
            telemetry.staged(staged.size)
        return ManifestItem(
            index=index,
            source=source.name,
            # The same string, not an equal one.
            etag=identity if identity == staged.etag else staged.etag,
            size=staged.size,
            place=place,
            identity=identity,
            key="" if copied else staged.key,
        )

    at_once = sources[0].source.at_once
    items = await for_each(enumerate(_drained(sources)), stage_item, at_once)
    if this.first_error is not None and not run.last_try:
        raise this.first_error
    return items


def _drained(sources: list[Candidate]) -> Iterator[Candidate]:
    """The sources in their order, each removed from the list: 100,000 of them and their items are large."""
    sources.reverse()
    while sources:
        yield sources.pop()


def _item_error(run: StagingRun, error: OperationFailed) -> ItemError:
    """The error of the item; one that is not about a single source is raised."""
    found = item_error(stopped_retrying(error.failure, run.spec) if error.transient else error.failure)
    if found is None:
        raise error
    return found


async def _copies(run: StagingRun, count: int) -> dict[str, StoredObject]:
    """What an earlier try copied, by its keys; other objects there are not remembered."""
    found: dict[str, StoredObject] = {}
    if run.by_reference or not count:
        return found
    wanted = {input_key(run.prefix, index) for index in range(count)}
    async for stored in run.store.walk(f"{run.prefix}in/"):
        if stored.key in wanted:
            found[stored.key] = stored
        if stored.key >= input_key(run.prefix, count):
            break
    return found


def _staged(manifest: Manifest) -> Staged:
    failures = [failed_item(item.source, item.error) for item in manifest.failures if item.error]
    return Staged(
        items=manifest.count,
        objects=manifest.copies,
        bytes=manifest.bytes,
        skipped=manifest.skipped,
        failed=manifest.failed,
        failures=tuple(failures),
        note=manifest.note,
    )
