"""Orders: exactly the shard's items, URLs that live as long as the run and no longer than S3 lets them."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from fakes.build import PREFIX, job, spec, status
from fakes.clock import START
from fakes.memory_store import MemoryStore, key_of
from fakes.memory_web import downloader
from fakes.telemetry import CountingTelemetry
from imagejob_contract.order import (
    MAX_ORDER_BYTES,
    PADDED_LENGTHS,
    Order,
    Upload,
    output_name,
    padded_length,
)
from imagejob_contract.result import MAX_OUTPUT_BYTES, Progress, encode_progress
from imagejob_operator.adapters.s3.store import S3Store
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.decision.action import Launch
from imagejob_operator.decision.attempt import AttemptCounts
from imagejob_operator.decision.operation import Stage
from imagejob_operator.documents.staging import input_key, output_prefix, progress_prefix, result_key
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.manifest import manifest_head
from imagejob_operator.operations.processing.orders import lifetime, write_order
from imagejob_operator.operations.staging.stage import stage
from imagejob_operator.ports.credentials import Credentials

HOUR = timedelta(hours=1)
KEYS = [f"uploads/{n}.jpg" for n in range(5)]


@pytest.mark.parametrize(
    ("left", "wanted"),
    [
        (timedelta(hours=2), timedelta(hours=2, minutes=1)),
        (timedelta(0), timedelta(minutes=1)),
        (timedelta(hours=-5), timedelta(minutes=1)),
        (timedelta(days=30), timedelta(days=7)),
    ],
    ids=["of-the-run", "at-its-end", "after-it", "s3-limit"],
)
def test_urls_live_as_long_as_the_run(left: timedelta, wanted: timedelta) -> None:
    assert lifetime(START, START + left) == wanted


async def ordered(shard: int, attempt: int) -> tuple[MemoryStore, str, Order]:
    store = MemoryStore()
    for key in KEYS:
        store.set(f"shop/{key}", key.encode())
    of = job(
        status(Phase.LAUNCHING, counts=(AttemptCounts(1),) * 3, items=5, per_shard=2),
        spec(source={"keys": KEYS}, limits={"itemSize": "1Ki"}),
    )
    await stage(store, downloader(), CountingTelemetry(), FreshRuns(), of, Stage(PREFIX))
    url = await write_order(
        store, of, await manifest_head(store, PREFIX), Launch(PREFIX, shard, attempt), HOUR
    )
    data = store.visit("GET", url)[1]
    assert len(data) < MAX_ORDER_BYTES
    return store, url, msgspec.json.decode(data, type=Order)


@pytest.mark.parametrize(("shard", "indexes"), [(0, [0, 1]), (1, [2, 3]), (2, [4])])
async def test_an_order_names_the_items_of_its_shard(shard: int, indexes: list[int]) -> None:
    store, _, order = await ordered(shard, 1)
    assert [item.index for item in order.items] == indexes
    assert [item.source for item in order.items] == [KEYS[i] for i in indexes]
    for item in order.items:
        assert key_of(item.url) == input_key(PREFIX, item.index)
        assert item.etag == store.objects[input_key(PREFIX, item.index)].etag
    assert (order.job, order.run, order.shard, order.attempt) == ("shop/spring", 1, shard, 1)
    assert order.limits.item_bytes == 1024


async def test_two_attempts_share_the_result_and_never_the_outputs() -> None:
    _, first_url, first = await ordered(0, 1)
    _, second_url, second = await ordered(0, 2)
    assert first_url != second_url
    assert key_of(first.result_url) == key_of(second.result_url) == result_key(PREFIX, 0)
    assert first.upload.key_prefix == output_prefix(PREFIX, 0, 1)
    assert second.upload.key_prefix == output_prefix(PREFIX, 0, 2)
    assert not second.upload.key_prefix.startswith(first.upload.key_prefix)


async def test_a_store_without_forms_gets_a_url_for_each_output_and_length() -> None:
    store = MemoryStore()
    store.forms = False
    for key in KEYS:
        store.set(f"shop/{key}", key.encode())
    of = job(
        status(Phase.LAUNCHING, counts=(AttemptCounts(1),) * 3, items=5, per_shard=2),
        spec(source={"keys": KEYS}),
    )
    await stage(store, downloader(), CountingTelemetry(), FreshRuns(), of, Stage(PREFIX))
    url = await write_order(store, of, await manifest_head(store, PREFIX), Launch(PREFIX, 1, 1), HOUR)
    upload = msgspec.json.decode(store.visit("GET", url)[1], type=Order).upload
    renditions = [rendition.name for rendition in of.spec.renditions]  # type: ignore[union-attr]
    assert upload.fields == {}
    assert list(upload.signatures) == [output_name(item, name) for item in (2, 3) for name in renditions]
    name = next(iter(upload.signatures))
    put = upload.put_url(name, 32768)
    assert store.visit("PUT", put, bytes(32767))[0] == 403
    assert store.visit("PUT", put, bytes(32768))[0] == 200
    assert store.keys(output_prefix(PREFIX, 1, 1)) == [output_prefix(PREFIX, 1, 1) + name]


def test_every_output_has_the_shortest_length_that_it_fits_in() -> None:
    assert PADDED_LENGTHS[-1] == MAX_OUTPUT_BYTES
    for size in (1, 16384, 16385, 100_000, MAX_OUTPUT_BYTES):
        assert padded_length(size) == min(length for length in PADDED_LENGTHS if length >= size)
    for size in (0, MAX_OUTPUT_BYTES + 1):
        with pytest.raises(ValueError, match="no padded length"):
            padded_length(size)


async def test_the_largest_order_with_urls_for_outputs_can_be_read() -> None:
    """A hundred items, as many as a Pod has by default, in 32 renditions."""
    store = S3Store(StoreLocation("store.example", "bucket"), lambda: Credentials("a", "b"))
    names = [output_name(item, "r" * 32) for item in range(3200)]
    puts = store.sign_puts(output_prefix(PREFIX, 1, 1), names, PADDED_LENGTHS, HOUR)
    upload = Upload(puts.url, "", {}, MAX_OUTPUT_BYTES, puts.query, dict(puts.signatures))
    store.close()
    assert len(msgspec.json.encode(upload)) < MAX_ORDER_BYTES / 4


async def test_an_attempt_may_report_its_progress_and_nothing_longer() -> None:
    store, _, order = await ordered(1, 2)
    report = encode_progress(Progress(succeeded=1))
    assert store.visit("PUT", order.progress_url, report)[0] == 200
    assert store.objects[f"{progress_prefix(PREFIX)}1-2"].data == report
    assert store.visit("PUT", order.progress_url, report + b" ")[0] == 403
