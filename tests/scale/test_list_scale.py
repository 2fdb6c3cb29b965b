"""A list of 100,000 sources: what the operator holds, reads and writes for it stays bounded."""

from __future__ import annotations

import resource
import time
from datetime import timedelta

import msgspec
import pytest

from fakes.build import PREFIX, job, spec, status
from fakes.memory_store import MemoryStore
from fakes.memory_web import downloader
from fakes.telemetry import CountingTelemetry
from imagejob_contract.order import MAX_ORDER_BYTES, Order
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import InvalidSpec
from imagejob_operator.api.status import MAX_SHARDS, status_body
from imagejob_operator.decision.action import Launch
from imagejob_operator.decision.attempt import AttemptCounts
from imagejob_operator.decision.operation import Stage
from imagejob_operator.decision.shards import items_per_pod
from imagejob_operator.documents.source_list import MAX_LISTED
from imagejob_operator.documents.staging import MAX_PART_BYTES, manifest_key, order_key, part_key
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.manifest import manifest_head
from imagejob_operator.operations.processing.orders import write_order
from imagejob_operator.operations.staging.stage import stage

SOURCE = {"list": {"key": "lists/a"}}
STAGING_SECONDS = 600
"""The default deadline, which the operator's own share must leave nearly whole to the store."""


def peak() -> int:
    """The most memory that this process ever had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


@pytest.mark.timeout(240)
async def test_as_many_sources_as_a_list_may_have(figures: list[str]) -> None:
    store = MemoryStore()
    keys = [f"uploads/2026/spring/collection-{n // 1000:03d}/picture-{n:06d}.jpg" for n in range(MAX_LISTED)]
    for key in keys:
        store.set(f"shop/{key}", b"x")
    store.set("shop/lists/a", "\n".join(keys).encode())
    wanted = spec(source=SOURCE, execution={"itemsPerPod": 100})

    before, begun = peak(), time.process_time()
    done = await stage(
        store,
        downloader(),
        CountingTelemetry(),
        FreshRuns(),
        job(status(Phase.STAGING), wanted),
        Stage(PREFIX),
    )
    seconds, memory = time.process_time() - begun, peak() - before
    figures.append(f"staging {MAX_LISTED} listed items: {seconds:.1f} s of processor time, +{memory} MiB")
    assert (done.items, done.objects) == (MAX_LISTED, MAX_LISTED)
    assert seconds < STAGING_SECONDS / 10
    assert memory < 300, "with the store's own 100,000 copies in it"
    assert len(store.objects[manifest_key(PREFIX)].data) < 1024
    parts = [len(store.objects[key].data) for key in store.keys(f"{PREFIX}items/")]
    assert len(parts) == 100
    assert max(parts) < MAX_PART_BYTES / 10

    of = job(wanted=wanted)
    assert not isinstance(of.spec, InvalidSpec)
    per_shard = items_per_pod(of.spec.execution, done.items)
    shards = -(-done.items // per_shard)
    assert shards == MAX_SHARDS
    current = status(Phase.RUNNING, counts=[AttemptCounts(1)] * shards, items=done.items, per_shard=per_shard)
    calls, begun = len(store.hooks.calls), time.process_time()
    await write_order(
        store,
        job(current, wanted),
        await manifest_head(store, PREFIX),
        Launch(PREFIX, shards - 1, 1),
        timedelta(hours=1),
    )
    seconds = time.process_time() - begun
    figures.append(f"the order of one of its {shards} shards: {seconds * 1000:.0f} ms of processor time")
    assert [key for operation, key in store.hooks.calls[calls:] if operation == "get"] == [
        manifest_key(PREFIX),
        part_key(PREFIX, 99),
    ]
    data = store.objects[order_key(PREFIX, shards - 1, 1)].data
    assert len(data) < MAX_ORDER_BYTES / 10
    assert [item.source for item in msgspec.json.decode(data, type=Order).items] == keys[-per_shard:]
    # All tried in another way, so that no two stand together: what the status says at most of attempts.
    worst = status(
        Phase.RUNNING,
        counts=[AttemptCounts(n % 3 + 1, n % 2) for n in range(shards)],
        items=done.items,
        per_shard=per_shard,
    )
    assert len(msgspec.json.encode(status_body(worst))) < 32 * 1024
