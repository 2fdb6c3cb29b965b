"""Reads what the Pods left in staging, and verifies it against the store's own listing."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from imagejob_contract.result import MAX_RESULT_BYTES
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
from imagejob_operator.operations.concurrency import for_each
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.manifest import read_skipped, whole_manifest
from imagejob_operator.ports.object_store import ObjectMissing, ObjectStore


async def read_staged(store: ObjectStore, prefix: str) -> tuple[Manifest, tuple[ReportItem, ...]]:
    """The manifest, and the report items of skipped items; JOB_005/ResultsInvalid if unreadable."""
    try:
        manifest = await whole_manifest(store, prefix)
        return manifest, await read_skipped(store, prefix, manifest)
    except (ObjectMissing, msgspec.DecodeError) as error:
        raise _invalid(f"the manifest of the staged items cannot be read: {error}") from None


async def all_outcomes(
    store: ObjectStore, job: ImageJob, manifest: Manifest, prefix: str, lost: int
) -> list[ItemOutcome]:
    """The outcome of every item; JOB_005 if a result is invalid, or more than `lost` shards have none."""
    run = job.status.run
    total = run.shards.total if run and run.shards else 0

    def indexes(shard: int) -> range:
        return shard_items(len(manifest.items), job.status.items_per_shard, shard)

    async def read(shard: int) -> list[ItemOutcome] | None:
        try:
            return await _shard_outcomes(store, job, prefix, shard, indexes(shard))
        except ObjectMissing:
            return None

    try:
        found = await for_each(range(total), read)
    except InvalidResult as error:
        raise _invalid(str(error)) from None
    missing = [shard for shard, outcomes in enumerate(found) if outcomes is None]
    if len(missing) > lost:
        raise _invalid(f"the Pod of shard {missing[0]} succeeded but left no result")
    return [
        outcome
        for shard, outcomes in enumerate(found)
        for outcome in (lost_outcomes(shard, indexes(shard)) if outcomes is None else outcomes)
    ]


async def known_outcomes(
    store: ObjectStore, job: ImageJob, manifest: Manifest, prefix: str
) -> list[ItemOutcome]:
    """The outcomes of the shards with a valid result."""
    known: list[ItemOutcome] = []
    async for stored in store.walk(f"{prefix}results/"):
        shard = int(stored.key.rpartition("/")[2].removesuffix(".json"))
        indexes = shard_items(len(manifest.items), job.status.items_per_shard, shard)
        try:
            known += await _shard_outcomes(store, job, prefix, shard, indexes)
        except (InvalidResult, ObjectMissing):
            continue  # the failure itself is in the report
    return known


async def _shard_outcomes(
    store: ObjectStore, job: ImageJob, prefix: str, shard: int, indexes: Sequence[int]
) -> list[ItemOutcome]:
    result = read_result(await store.read(result_key(prefix, shard), MAX_RESULT_BYTES), shard)
    below = output_prefix(prefix, shard, result.attempt)
    listing = {o.key.removeprefix(below): Listed(o.size, o.etag) async for o in store.walk(below)}
    return verify(result, indexes, whole_spec(job).renditions, listing)


def _invalid(message: str) -> OperationFailed:
    return OperationFailed(Failure(Code.PROCESSING, Reason.RESULTS_INVALID, message))
