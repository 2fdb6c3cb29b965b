"""Reads what the Pods left in staging, and verifies it against the store's own listing.

A Pod is not trusted. Its result is bounded by what was ordered from it, so is the listing of its outputs, and
only a few shards are in memory at a time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import msgspec

from imagejob_contract.order import output_name
from imagejob_contract.result import Result, max_result_bytes
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob, whole_spec
from imagejob_operator.decision.shards import shard_items
from imagejob_operator.documents.report import ReportItem
from imagejob_operator.documents.results import (
    InvalidResult,
    ItemOutcome,
    Listed,
    lost_outcomes,
    read_result,
    verify,
)
from imagejob_operator.documents.staging import Manifest, output_prefix, result_key
from imagejob_operator.operations.concurrency import AT_ONCE, compute, for_each
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.manifest import read_skipped, whole_manifest
from imagejob_operator.ports.object_store import ObjectMissing, ObjectStore, ObjectTooLarge

MAX_HELD_BYTES = 16 * 1024 * 1024
"""Results that are read at the same time."""
MAX_RUN_BYTES = 96 * 1024 * 1024
"""Results of all shards together: what the report repeats of them is held in memory."""


async def read_staged(
    store: ObjectStore, prefix: str, fresh: FreshRuns
) -> tuple[Manifest, tuple[ReportItem, ...]]:
    """The manifest, and the report items of skipped items; JOB_005/ResultsInvalid if unreadable."""
    try:
        manifest = fresh.manifest(prefix) or await whole_manifest(store, prefix)
        return manifest, await read_skipped(store, prefix, manifest)
    except (ObjectMissing, ObjectTooLarge, msgspec.DecodeError) as error:
        raise invalid(f"the manifest of the staged items cannot be read: {error}") from None


async def shard_result(
    store: ObjectStore, job: ImageJob, prefix: str, shard: int, indexes: range
) -> tuple[Result, int]:
    """The result of a shard and its size in bytes; raises ObjectMissing or InvalidResult."""
    renditions = len(whole_spec(job).renditions)
    try:
        data = await store.read(result_key(prefix, shard), max_result_bytes(len(indexes), renditions))
    except ObjectTooLarge as error:
        raise InvalidResult(f"the result of shard {shard} is too large: {error}") from None
    return await compute(read_result, data, shard, len(indexes), renditions), len(data)


async def all_outcomes(
    store: ObjectStore, job: ImageJob, manifest: Manifest, prefix: str, lost: int
) -> AsyncIterator[list[ItemOutcome]]:
    """The outcomes of all items in their order, in batches.

    Fails with JOB_005 if a result is invalid, or more than `lost` shards have none.
    """
    missing = read = 0
    for shards in _batches(job, manifest):
        try:
            found = await for_each(shards, lambda shard: _outcomes(store, job, manifest, prefix, shard))
        except InvalidResult as error:
            raise invalid(str(error)) from None
        batch: list[ItemOutcome] = []
        for shard, (outcomes, size) in zip(shards, found, strict=True):
            missing, read = missing + (outcomes is None), read + size
            if missing > lost:
                raise invalid(f"the Pod of shard {shard} succeeded but left no result")
            if read > MAX_RUN_BYTES:
                raise invalid(
                    f"the results up to shard {shard} have {read} bytes; at most {MAX_RUN_BYTES} are allowed "
                    "for all shards; use fewer items or renditions"
                )
            batch += lost_outcomes(shard, _indexes(job, manifest, shard)) if outcomes is None else outcomes
        yield batch


class OutcomesTwice:
    """The outcomes of a run, to be gone through twice: a single batch is kept, several are read again."""

    def __init__(self, read: Callable[[], AsyncIterator[list[ItemOutcome]]]) -> None:
        self._read = read
        self._single: list[ItemOutcome] | None = None

    async def __aiter__(self) -> AsyncIterator[list[ItemOutcome]]:
        """Each batch."""
        if self._single is not None:
            yield self._single
            return
        batches, last = 0, None
        async for last in self._read():
            batches += 1
            yield last
        self._single = last if batches == 1 else None


async def known_outcomes(
    store: ObjectStore, job: ImageJob, manifest: Manifest, prefix: str
) -> AsyncIterator[list[ItemOutcome]]:
    """The outcomes of the shards with a valid result, in batches."""

    async def known(shard: int) -> tuple[list[ItemOutcome] | None, int]:
        try:
            return await _outcomes(store, job, manifest, prefix, shard)
        except InvalidResult:
            return None, 0  # the failure itself is in the report

    read = 0
    for shards in _batches(job, manifest):
        found = await for_each(shards, known)
        read += sum(size for _, size in found)
        if read > MAX_RUN_BYTES:
            return
        yield [outcome for outcomes, _ in found for outcome in outcomes or ()]


def _batches(job: ImageJob, manifest: Manifest) -> list[range]:
    """The shards in batches: as many as are read at the same time."""
    run = job.status.run
    total = run.shards.total if run and run.shards else 0
    largest = max_result_bytes(job.status.items_per_shard, len(whole_spec(job).renditions))
    at_once = max(1, min(AT_ONCE, MAX_HELD_BYTES // largest))
    return [range(first, min(first + at_once, total)) for first in range(0, total, at_once)]


def _indexes(job: ImageJob, manifest: Manifest, shard: int) -> range:
    return shard_items(len(manifest.items), job.status.items_per_shard, shard)


async def _outcomes(
    store: ObjectStore, job: ImageJob, manifest: Manifest, prefix: str, shard: int
) -> tuple[list[ItemOutcome] | None, int]:
    """The outcomes of a shard, None if it has no result, and the size of the result."""
    indexes, renditions = _indexes(job, manifest, shard), whole_spec(job).renditions
    try:
        result, size = await shard_result(store, job, prefix, shard, indexes)
    except ObjectMissing:
        return None, 0
    below = output_prefix(prefix, shard, result.attempt)
    ordered = {output_name(index, rendition.name) for index in indexes for rendition in renditions}
    listing: dict[str, Listed] = {}
    async for stored in store.walk(below):
        name = stored.key.removeprefix(below)
        if name not in ordered:
            raise InvalidResult(f"the Pod of shard {shard} stored {name[:80]!r}, which was not ordered")
        listing[name] = Listed(stored.size, stored.etag)
    return await compute(verify, result, indexes, renditions, listing), size


def invalid(message: str) -> OperationFailed:
    """The failure of a run whose staging or results cannot be used."""
    return OperationFailed(Failure(Code.PROCESSING, Reason.RESULTS_INVALID, message))
