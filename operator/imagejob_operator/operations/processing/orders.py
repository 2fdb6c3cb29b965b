"""The order of an attempt: written into the staging, with URLs signed until the run's deadline."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from imagejob_contract.order import (
    PADDED_LENGTHS,
    Order,
    OrderItem,
    OrderWatermark,
    Upload,
    output_name,
)
from imagejob_contract.result import MAX_OUTPUT_BYTES, PROGRESS_BYTES
from imagejob_operator.api.imagejob import ImageJob, whole_spec
from imagejob_operator.api.spec import item_limits
from imagejob_operator.decision.action import Launch
from imagejob_operator.decision.shards import shard_items
from imagejob_operator.documents.staging import (
    Manifest,
    input_key,
    order_key,
    output_prefix,
    progress_name,
    progress_prefix,
    result_key,
)
from imagejob_operator.documents.watermark_images import copy_key
from imagejob_operator.operations.concurrency import compute
from imagejob_operator.operations.manifest import JSON, items_of
from imagejob_operator.ports.object_store import ObjectStore

SLACK = timedelta(minutes=1)
"""URLs outlive the run by this much, so that a Pod is stopped by its deadline and not by an expired URL."""
LONGEST = timedelta(days=7)
"""S3's own limit on a signed URL."""


def lifetime(now: datetime, ends_by: datetime) -> timedelta:
    """The lifetime of a URL that is signed now, for a run that ends at `ends_by`."""
    return min(LONGEST, max(SLACK, ends_by - now + SLACK))


async def write_order(
    store: ObjectStore, job: ImageJob, head: Manifest, launch: Launch, live: timedelta
) -> str:
    """Write the order of an attempt, and return its signed URL; `head` is the manifest of the run."""
    prefix, shard, attempt = launch.prefix, launch.shard, launch.number
    run = job.status.run
    assert run is not None  # noqa: S101
    spec = whole_spec(job)
    indexes = shard_items(head.count, job.status.items_per_shard, shard)
    items = await items_of(store, prefix, head, indexes)
    names = [output_name(item.index, rendition.name) for item in items for rendition in spec.renditions]
    reported = progress_name(shard, attempt)
    order = Order(
        version=1,
        job=str(job.key),
        run=run.number,
        shard=shard,
        attempt=attempt,
        items=tuple(
            OrderItem(
                index=item.index,
                source=item.source,
                url="" if item.error else store.sign_get(item.key or input_key(prefix, item.index), live),
                etag=item.etag,
                error=item.error,
            )
            for item in items
        ),
        renditions=spec.renditions,
        limits=item_limits(spec.limits),
        upload=await _upload(store, prefix, output_prefix(prefix, shard, attempt), names, live),
        result_url=store.sign_put(result_key(prefix, shard), live),
        progress_url=store.sign_puts(progress_prefix(prefix), [reported], [PROGRESS_BYTES], live).url_of(
            reported
        ),
        watermark_images=tuple(
            OrderWatermark(image.key, store.sign_get(copy_key(prefix, position), live), image.etag)
            for position, image in enumerate(head.watermark_images)
        ),
    )
    key = order_key(prefix, shard, attempt)
    await store.put(key, msgspec.json.encode(order), JSON)
    return store.sign_get(key, live)


async def _upload(
    store: ObjectStore, prefix: str, below: str, names: Sequence[str], live: timedelta
) -> Upload:
    """How a Pod stores outputs with these names: by a form, or by URLs if the store takes no forms."""
    if await store.takes_forms(f"{prefix}probe/"):
        form = store.sign_post(below, MAX_OUTPUT_BYTES, live)
        return Upload(form.url, form.key_prefix, dict(form.fields), MAX_OUTPUT_BYTES)
    puts = await compute(store.sign_puts, below, names, PADDED_LENGTHS, live)
    return Upload(puts.url, below, {}, MAX_OUTPUT_BYTES, puts.query, dict(puts.signatures))
