"""A run in which nothing has changed, against a real store, held against what its first run costs.

The first run's cost is that of making the pictures alone: a photo of 12 megapixels, decoded once, three
renditions. Both are CPU of this machine in the same process, so that only their ratio is told.
"""

from __future__ import annotations

import asyncio
import io
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import minio
import msgspec
import pytest
from PIL import Image

from contract.conftest import S3Server
from contract.conftest import s3 as s3
from demo import photos
from fakes.build import KEY, UID, job, later, spec, status
from fakes.memory_owners import FOLDER
from fakes.telemetry import CountingTelemetry
from imagejob_contract.order import ItemLimits, output_name
from imagejob_contract.recipe import Rendition
from imagejob_contract.result import ItemResult, OutputRecord, Result, encode_result
from imagejob_operator.adapters.s3.store import S3Store
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.decision.operation import Publish, Published, Stage, Staged
from imagejob_operator.documents.staging import output_prefix, result_key
from imagejob_operator.naming.prefixes import report_key, staging_prefix
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.publishing.publish import publish
from imagejob_operator.operations.staging.stage import stage
from imagejob_processor.rendering.pipeline import render

ITEMS = 500
WIDTHS = {"large": 1600, "web": 800, "thumb": 200}
RENDITIONS = [
    {"name": name, "steps": [{"resize": {"width": width}}], "output": {"format": "JPEG"}}
    for name, width in WIDTHS.items()
]
SPEC = spec(
    source={"match": {"prefix": "uploads/"}},
    renditions=RENDITIONS,
    destination={"prefix": "catalog/", "overwrite": "IfDifferent"},
)


@pytest.fixture
def store(s3: S3Server) -> Iterator[S3Store]:
    client = minio.Minio(s3.endpoint, s3.access_key, s3.secret_key, secure=False, region="us-east-1")
    client.make_bucket("bench")
    made = S3Store(StoreLocation(s3.endpoint, "bench", secure=False), s3.credentials)
    yield made
    made.close()


def photo_of_12_megapixels() -> bytes:
    picture = Image.open(io.BytesIO(photos.photo("china.jpg"))).resize((4000, 3000))
    stored = io.BytesIO()
    picture.save(stored, "JPEG", quality=90)
    return stored.getvalue()


def cost_of_an_item() -> float:
    """CPU seconds of making the renditions of one photo; the median of five."""
    data, limits = photo_of_12_megapixels(), ItemLimits(2**26, 50_000_000, 100, 30)
    renditions = msgspec.convert(RENDITIONS, tuple[Rendition, ...])
    costs: list[float] = []
    for _ in range(5):
        begun = time.process_time()
        assert len(list(render(data, renditions, limits))) > len(RENDITIONS)
        costs.append(time.process_time() - begun)
    return statistics.median(costs)


def in_phase(phase: Phase, number: int, items: int) -> ImageJob:
    stands = status(phase, items=items, per_shard=max(1, items))
    assert stands.run
    shards = msgspec.structs.replace(stands.run.shards, total=int(items > 0)) if stands.run.shards else None
    run = msgspec.structs.replace(stands.run, number=number, id=str(number), shards=shards)
    return job(msgspec.structs.replace(stands, run=run), {**SPEC, "run": {"id": str(number)}})


async def staged(store: S3Store, number: int) -> Staged:
    prefix = staging_prefix(FOLDER, KEY.namespace, UID, number, 1)
    done = await stage(
        store, Web(), CountingTelemetry(), FreshRuns(), in_phase(Phase.STAGING, number, 0), Stage(prefix)
    )
    assert isinstance(done, Staged)
    return done


async def published(store: S3Store, number: int, items: int) -> Published:
    prefix = staging_prefix(FOLDER, KEY.namespace, UID, number, 1)
    report = report_key(KEY.namespace, KEY.name, UID, number)
    of = in_phase(Phase.PUBLISHING, number, items)
    return await publish(
        store, lambda: datetime.now(UTC), FreshRuns(), of, Publish(prefix, report, later(10**9))
    )


async def do_the_work_of_the_pods(store: S3Store) -> None:
    """Outputs and a result, as if they had been made: their making is measured by itself."""
    prefix = staging_prefix(FOLDER, KEY.namespace, UID, 1, 1)
    below = output_prefix(prefix, 0, 1)

    async def put(index: int, name: str) -> None:
        await store.put(below + output_name(index, name), f"{index} {name}".encode(), "image/jpeg")

    await asyncio.gather(*(put(index, name) for index in range(ITEMS) for name in WIDTHS))
    results = tuple(
        ItemResult(
            index,
            tuple(OutputRecord(name, len(f"{index} {name}"), 1, 1, "0" * 64) for name in WIDTHS),
        )
        for index in range(ITEMS)
    )
    await store.put(result_key(prefix, 0), encode_result(Result(1, 0, 1, results)), "application/json")


class Web:
    """No source of this run is on the web."""


@pytest.mark.timeout(300)
async def test_five_hundred_unchanged_items(store: S3Store) -> None:
    for start in range(0, ITEMS, 100):
        await asyncio.gather(
            *(
                store.put(f"shop/uploads/{n:04d}.jpg", f"{n}".encode(), "image/jpeg")
                for n in range(start, start + 100)
            )
        )
    assert (await staged(store, 1)).items == ITEMS
    await do_the_work_of_the_pods(store)
    assert (await published(store, 1, ITEMS)).objects == ITEMS * len(WIDTHS)

    begun = time.process_time()
    again = await staged(store, 2)
    done = await published(store, 2, 0)
    cost = time.process_time() - begun

    assert (again.items, again.skipped, done.objects) == (0, ITEMS, 0)
    first = ITEMS * cost_of_an_item()
    print(
        f"\n{ITEMS} items of {len(WIDTHS)} renditions: first run {first:.0f} s CPU, "
        f"again {cost:.2f} s: 1/{first / cost:.0f}"
    )
    assert first / cost >= 30
