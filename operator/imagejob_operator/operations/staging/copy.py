"""Holding the items of a run still: a copy of each in the staging, or a note of what it is where it lies."""

from __future__ import annotations

from collections.abc import Sequence

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.spec import Spec, item_limits
from imagejob_operator.documents.staging import ManifestItem, input_key
from imagejob_operator.operations.concurrency import AT_ONCE, for_each
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.staging.download import DOWNLOADS_AT_ONCE, Downloader
from imagejob_operator.operations.staging.sources import Found
from imagejob_operator.ports.object_store import ObjectChanged, ObjectMissing, ObjectStore, StoredObject
from imagejob_operator.ports.telemetry import Telemetry

MAX_COPY_BYTES = 5 * 1024**3
"""S3's own limit on a copy within one request."""

Placed = tuple[int, Found]
"""A source and its place among all."""


def refer(sources: Sequence[Placed]) -> list[ManifestItem]:
    """Items that Pods read where they lie, if each is still what it was when it was found."""
    return [_referred(index, position, source) for index, (position, source) in enumerate(sources)]


def _referred(index: int, position: int, source: Found) -> ManifestItem:
    stored = source.stored
    assert stored is not None  # noqa: S101  (the spec is refused if its sources lie elsewhere)
    return ManifestItem(
        index=index,
        source=source.name,
        etag=stored.etag,
        size=stored.size,
        position=None if position == index else position,
        identity=source.identity,
        key=stored.key,
    )


async def copy_all(  # noqa: PLR0913  (where from, where to, and who is told)
    store: ObjectStore,
    downloader: Downloader,
    telemetry: Telemetry,
    job: ImageJob,
    spec: Spec,
    prefix: str,
    sources: Sequence[Placed],
) -> list[ManifestItem]:
    """A snapshot of all items below `prefix`; what is there already is not copied again.

    What is larger than an item may be is not copied either: its Pod reads it where it lies, and refuses it by
    its size.

    Raises:
        EffortFailed: with JOB_002.
        StoreError: when the store fails.
    """
    largest = item_limits(spec.limits).item_bytes
    for _, source in sources:
        _check_size(source, largest)
    present = {o.key: o async for o in store.walk(f"{prefix}in/")}

    async def copy(one: tuple[int, Placed]) -> ManifestItem:
        index, (position, source) = one
        if source.stored and source.stored.size > largest:
            return _referred(index, position, source)
        key = input_key(prefix, index)
        identity = source.identity
        if source.url is None:
            copied, identity = await _copy(store, source, key, present.get(key))
        elif key in present:
            copied = present[key]
        else:
            async with downloader.fetch(job, source.url, spec.limits) as data:
                copied = await store.put(key, data, "application/octet-stream")
        telemetry.staged(copied.size)
        return ManifestItem(
            index=index,
            source=source.name,
            etag=copied.etag,
            size=copied.size,
            position=None if position == index else position,
            # What was downloaded is known by what the store calls its copy.
            identity=identity or copied.etag,
        )

    return await for_each(enumerate(sources), copy, DOWNLOADS_AT_ONCE if spec.source.urls else AT_ONCE)


def _check_size(source: Found, largest: int) -> None:
    if source.stored and MAX_COPY_BYTES < source.stored.size <= largest:
        text = (
            f"the source {source.name!r} has {source.stored.size} bytes; a store copies at most "
            f"{MAX_COPY_BYTES} (5Gi); leave it out, set spec.staging.mode Reference, or lower "
            "spec.limits.itemSize so that it fails alone"
        )
        raise OperationFailed(Failure(Code.STAGING, Reason.SOURCE_TOO_LARGE, text))


async def _copy(
    store: ObjectStore, source: Found, key: str, present: StoredObject | None
) -> tuple[StoredObject, str]:
    """The copy of a source, and what its bytes are known by."""
    if source.stored is None:
        return await store.put(key, source.data, "application/octet-stream"), source.identity
    if present and (present.etag, present.size) == (source.stored.etag, source.stored.size):
        return present, source.identity
    try:
        return await store.copy(source.stored, key), source.identity
    except ObjectChanged:
        # Written anew since it was listed: the new one is as good, if it holds still now.
        now = await store.stat(source.stored.key)
        return await store.copy(now, key), now.etag
    except ObjectMissing:
        text = f"the source {source.name!r} was deleted while it was being staged"
        raise OperationFailed(Failure(Code.STAGING, Reason.SOURCE_NOT_FOUND, text)) from None
