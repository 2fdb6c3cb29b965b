"""Images of watermarks: copied once per run, named by every order, part of content keys."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from fakes.build import PREFIX, job, spec, status
from fakes.memory_store import MemoryStore
from fakes.memory_web import downloader
from fakes.telemetry import CountingTelemetry
from imagejob_contract.order import MAX_WATERMARK_IMAGE_BYTES, Order
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import InvalidSpec, parse_spec, watermark_image_keys
from imagejob_operator.decision.action import Launch
from imagejob_operator.decision.attempt import AttemptCounts
from imagejob_operator.decision.operation import Stage
from imagejob_operator.documents.outputs import PlannedItem, planned_outputs
from imagejob_operator.documents.staging import manifest_key, read_manifest
from imagejob_operator.documents.watermark_images import WatermarkImage, copy_key, identified
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.manifest import manifest_head
from imagejob_operator.operations.processing.orders import write_order
from imagejob_operator.operations.staging.stage import stage

SOURCE = {"keys": ["uploads/a.jpg"]}
LOGO, SEAL = "brand/logo.png", "brand/seal.png"


def marked(*images: str) -> list[dict[str, Any]]:
    """One rendition for each image, and one with all of them."""
    steps = [{"watermark": {"image": image}} for image in images]
    alone = [{"name": f"r{n}", "steps": [step], "output": {"format": "JPEG"}} for n, step in enumerate(steps)]
    return [*alone, {"name": "all", "steps": steps, "output": {"format": "PNG"}}]


def job_with(*images: str) -> ImageJob:
    of = spec(source=SOURCE, renditions=marked(*images))
    return job(status(Phase.STAGING, counts=(AttemptCounts(1),), items=1, per_shard=1), of)


def store_with(**objects: bytes) -> MemoryStore:
    store = MemoryStore()
    store.set("shop/uploads/a.jpg", b"photo")
    for name, data in objects.items():
        store.set(f"shop/brand/{name}.png", data)
    return store


async def staged(store: MemoryStore, of: ImageJob) -> tuple[WatermarkImage, ...]:
    await stage(store, downloader(), CountingTelemetry(), FreshRuns(), of, Stage(PREFIX))
    return read_manifest(store.objects[manifest_key(PREFIX)].data).watermark_images


async def test_each_image_is_copied_once_and_named_by_the_order() -> None:
    store, of = store_with(logo=b"logo", seal=b"seal"), job_with(LOGO, SEAL, LOGO)
    assert [image.key for image in await staged(store, of)] == [LOGO, SEAL]
    # What is put in its place later is not what this run takes.
    store.set(f"shop/{LOGO}", b"another")
    url = await write_order(
        store, of, await manifest_head(store, PREFIX), Launch(PREFIX, 0, 1), timedelta(hours=1)
    )
    order = msgspec.json.decode(store.visit("GET", url)[1], type=Order)
    assert [image.key for image in order.watermark_images] == [LOGO, SEAL]
    assert [store.visit("GET", image.url) for image in order.watermark_images] == [
        (200, b"logo"),
        (200, b"seal"),
    ]
    assert [store.objects[copy_key(PREFIX, n)].etag for n in (0, 1)] == [
        image.etag for image in order.watermark_images
    ]


async def test_without_images_nothing_is_copied() -> None:
    store = store_with()
    assert await staged(store, job(status(Phase.STAGING), spec(source=SOURCE))) == ()
    assert not [key for key in store.objects if "/watermarks/" in key]


@pytest.mark.parametrize(
    ("objects", "wanted"),
    [
        (
            {},
            "JOB_002/SourceNotFound: spec.renditions: watermark.image: there is no object 'brand/logo.png'",
        ),
        (
            {"logo": b"x" * (MAX_WATERMARK_IMAGE_BYTES + 1)},
            "JOB_002/SourceTooLarge: spec.renditions: watermark.image: 'brand/logo.png' has "
            f"{MAX_WATERMARK_IMAGE_BYTES + 1} bytes",
        ),
    ],
    ids=["gone", "too-large"],
)
async def test_an_image_that_cannot_be_had_launches_nothing(objects: dict[str, bytes], wanted: str) -> None:
    store = store_with(**objects)
    store.set("other/brand/logo.png", b"not ours")
    with pytest.raises(OperationFailed) as refusal:
        await staged(store, job_with(LOGO))
    failure = refusal.value.failure
    assert f"{failure.code}/{failure.reason}: {failure.message}".startswith(wanted)
    assert manifest_key(PREFIX) not in store.objects


@pytest.mark.parametrize(
    "key", ["../other/logo.png", "a/../../other/logo.png", "./logo.png", ".imagejob/x.png", ""]
)
def test_no_key_leads_out_of_the_jail(key: str) -> None:
    raw = {"source": SOURCE, "renditions": marked(key)}
    with pytest.raises(InvalidSpec, match=r"watermark\.image"):
        parse_spec(raw)


def test_an_output_is_another_one_with_another_image() -> None:
    first = job_with(LOGO).spec
    assert not isinstance(first, InvalidSpec)
    assert watermark_image_keys(first.renditions) == [LOGO]
    item = PlannedItem("a.jpg", 0, "source")
    keys = {
        planned_outputs(identified(first, {LOGO: etag}), [item])[0][0].content_key
        for etag in ("one", "other", "one")
    }
    assert len(keys) == 2
    assert identified(first, {}) == first
