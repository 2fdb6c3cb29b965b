"""What a user gets when all is well."""

from __future__ import annotations

import base64
import io
from contextlib import closing

import pytest
from PIL import Image

from demo import photos
from e2e.tenants import Tenant
from e2e.world import Shop, condition, image_job, verdict

WEB = {
    "name": "web",
    "steps": [
        {"resize": {"width": 400, "height": 400, "fit": "Inside"}},
        {"watermark": {"text": "© shop", "gravity": "SouthEast", "opacityPercent": 40}},
    ],
    "output": {"format": "WebP", "quality": 82},
}
SQUARE = {
    "name": "square",
    "steps": [{"resize": {"width": 100, "height": 100, "fit": "Cover"}}],
    "output": {"format": "JPEG"},
}


pytestmark = pytest.mark.conformance


def test_real_photos_become_renditions(shop: Shop) -> None:
    keys = shop.upload_photos("china.jpg", "chelsea.png", "rocket.jpg")
    name = shop.apply(image_job({"keys": keys}, renditions=[WEB, SQUARE], execution={"itemsPerPod": 2}))

    words = ("wait", f"imagejob/{name}", "--for=condition=Finished", "--timeout=90s", "-n", shop.name)
    shop.world.kubectl(*words)
    job = shop.get(name)
    assert verdict(job) == ("Succeeded", "", "")
    assert job["status"]["items"] == {"total": 3, "succeeded": 3, "failed": 0, "skipped": 0}
    assert job["status"]["run"]["shards"]["attempts"] == "0-1=1"
    assert condition(job, "StagingCleaned") == "True"

    expected = {
        "out/photos/china-web.webp": ("WEBP", (400, 267), "image/webp"),
        "out/photos/chelsea-web.webp": ("WEBP", (400, 266), "image/webp"),
        "out/photos/rocket-web.webp": ("WEBP", (400, 267), "image/webp"),
        **{
            f"out/photos/{stem}-square.jpg": ("JPEG", (100, 100), "image/jpeg")
            for stem in ("china", "chelsea", "rocket")
        },
    }
    store, found = shop.world.store, {}
    for key in shop.outputs():
        with Image.open(io.BytesIO(shop.read(f"{shop.name}/{key}"))) as image:
            image.load()
            stat = store.client.stat_object(store.bucket, f"{shop.name}/{key}")
            found[key] = (image.format, image.size, stat.content_type)
    assert found == expected

    report = shop.report(job)
    assert report["outcome"] == "Succeeded"
    assert sorted(o["key"] for item in report["items"] for o in item["outputs"]) == sorted(expected)
    assert job["status"]["outputs"]["objects"] == len(expected)

    shop.await_clean()
    cleaned = shop.await_job(name, lambda j: not j["metadata"].get("finalizers"), "its finalizer is gone")
    assert verdict(cleaned) == ("Succeeded", "", "")
    assert [(e.type, e.reason, e.count) for e in shop.await_events(name)] == [("Normal", "Succeeded", 1)]

    table = shop.world.kubectl("get", "imagejobs", "-n", shop.name).splitlines()
    assert table[0].split() == ["NAME", "PHASE", "PROGRESS", "FAILED", "REASON", "AGE", "MESSAGE"]
    assert table[1].split()[:5] == ["job", "Succeeded", "3/3", "0", "Succeeded"]


def test_sources_by_prefix_and_inline(shop: Shop) -> None:
    shop.upload_photos("china.jpg", "flower.jpg", prefix="in/2026/")
    shop.upload_photos("coffee.png", prefix="in/2026/drafts/")
    match = {"prefix": "in/2026/", "include": ["**/*.jpg", "**/*.png"], "exclude": ["**/drafts/*"]}
    shop.apply(image_job({"match": match}, name="by-prefix", destination={"prefix": "matched/"}))
    file = io.BytesIO()
    Image.new("RGB", (16, 16), (20, 90, 200)).save(file, "PNG")
    inline = [{"name": "logo.png", "data": base64.b64encode(file.getvalue()).decode()}]
    shop.apply(image_job({"inline": inline}, name="in-line", destination={"prefix": "icons/"}))

    assert verdict(shop.await_end("by-prefix")) == ("Succeeded", "", "")
    assert verdict(shop.await_end("in-line")) == ("Succeeded", "", "")
    assert shop.outputs("matched/") == ["matched/china-thumb.jpg", "matched/flower-thumb.jpg"]
    assert shop.outputs("icons/") == ["icons/logo-thumb.jpg"]


def test_sources_by_list_and_url(shop: Shop) -> None:
    keys = shop.upload_photos("china.jpg", "coffee.png")
    shop.upload("lists/a", "\n".join(keys).encode())
    shop.apply(image_job({"list": {"key": "lists/a"}}, name="by-list", destination={"prefix": "listed/"}))
    url = f"http://{shop.world.pictures}/flower.jpg"
    shop.apply(image_job({"urls": [{"url": url}]}, name="by-url", destination={"prefix": "fetched/"}))

    assert verdict(shop.await_end("by-list")) == ("Succeeded", "", "")
    assert verdict(shop.await_end("by-url")) == ("Succeeded", "", "")
    assert shop.outputs("listed/") == ["listed/photos/china-thumb.jpg", "listed/photos/coffee-thumb.jpg"]
    assert shop.outputs("fetched/") == ["fetched/flower-thumb.jpg"]


def test_an_imagestore_as_source_and_as_destination(shop: Shop) -> None:
    with closing(Tenant(shop)) as tenant:
        tenant.upload("photos/china.jpg", photos.photo("china.jpg"))
        tenant.declare()
        tenant.await_reason("Ready")
        keys, media = shop.upload_photos("coffee.png"), {"name": "media"}
        shop.apply(image_job({"keys": ["photos/china.jpg"]}, name="own", storeRef=media))
        archive = {"prefix": "archive/", "storeRef": media}
        shop.apply(image_job({"keys": keys}, name="archive", destination=archive))

        assert verdict(shop.await_end("own")) == ("Succeeded", "", "")
        assert verdict(shop.await_end("archive")) == ("Succeeded", "", "")
        assert tenant.keys("out/") == ["out/photos/china-thumb.jpg"]
        assert tenant.keys("archive/") == ["archive/photos/coffee-thumb.jpg"]
        for name in ("own", "archive"):
            shop.delete(name)
        shop.await_clean()


def test_applying_the_same_manifest_again_does_nothing(shop: Shop) -> None:
    keys = shop.upload_photos("china.jpg")
    name = shop.apply(image_job({"keys": keys}))
    done = shop.await_end(name)
    before = shop.await_job(name, lambda j: not j["metadata"].get("finalizers"), "its finalizer is gone")
    shop.apply(image_job({"keys": keys}))
    assert shop.get(name)["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]
    assert done["status"]["run"]["number"] == 1


MOST_WRITES = 11
"""With the phases Running and Publishing, which are written if they last longer than a second."""


def test_a_job_of_one_pod_is_few_writes(shop: Shop, figures: list[str]) -> None:
    keys = shop.upload_photos(*list(photos.PACKAGED)[:3])
    since = shop.world.audit.mark()
    name = shop.apply(image_job({"keys": keys}, execution={"parallelism": 1}))
    assert verdict(shop.await_end(name)) == ("Succeeded", "", "")
    shop.await_job(name, lambda j: not j["metadata"].get("finalizers"), "its finalizer is gone")
    shop.await_clean()

    writes = shop.world.audit.writes(since, namespace=shop.name)
    extent = "by the operator for a job of one Pod, apply to cleaned"
    figures.append(f"writes {extent}: {len(writes)} (at most {MOST_WRITES})")
    figures.extend(f"  {write.verb} {write.resource} {write.code}" for write in writes)
    assert len(writes) <= MOST_WRITES, "\n".join(map(str, writes))
