"""Reads how many items the running attempts have done: counts for people, from Pods that are not trusted."""

from __future__ import annotations

import msgspec

from imagejob_contract.result import PROGRESS_BYTES, Progress, Summary
from imagejob_contract.wire import decode
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.status import ItemCounts
from imagejob_operator.decision.operation import Count, Counted
from imagejob_operator.decision.shards import limited, ordered_items
from imagejob_operator.documents.staging import progress_name, progress_prefix
from imagejob_operator.operations.concurrency import for_each
from imagejob_operator.ports.object_store import ObjectStore, StoreError


async def count(store: ObjectStore, job: ImageJob, operation: Count) -> Counted:
    """Add what each attempt reports, at most the items of its shard; one that cannot be read adds nothing."""

    async def read(attempt: tuple[int, int]) -> Summary:
        shard, number = attempt
        key = f"{progress_prefix(operation.prefix)}{progress_name(shard, number)}"
        try:
            found = decode(await store.read(key, PROGRESS_BYTES), Progress)
        except (StoreError, msgspec.DecodeError):
            return Summary()
        return limited(Summary(found.succeeded, found.failed), len(ordered_items(job.status, shard)))

    found = await for_each(operation.attempts, read)
    known = operation.known
    left = known.total - known.finished
    done = limited(Summary(sum(one.succeeded for one in found), sum(one.failed for one in found)), left)
    return Counted(
        ItemCounts(known.total, known.succeeded + done.succeeded, known.failed + done.failed, known.skipped)
    )
