"""Two hundred photos, a bomb and a broken file among them, in one Pod of 256 MiB; and the report."""

from __future__ import annotations

import struct
import zlib
from collections import Counter

from demo import photos
from e2e.world import Shop, image_job, verdict

NAMES = ("china.jpg", "flower.jpg", "chelsea.png", "hubble.jpg", "rocket.jpg", "coffee.png")
GOOD = 198
RENDITIONS = [
    {"name": "web", "steps": [{"resize": {"width": 320, "height": 320}}], "output": {"format": "WebP"}},
    {"name": "small", "steps": [{"resize": {"width": 160, "height": 160}}], "output": {"format": "WebP"}},
    {
        "name": "thumb",
        "steps": [{"resize": {"width": 64, "height": 64, "fit": "Cover", "smartCrop": "Edges"}}],
        "output": {"format": "JPEG"},
    },
]


def bomb(side: int = 60_000) -> bytes:
    """A PNG of few bytes that says it has 3,600 million pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(10_000_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def test_two_hundred_photos_in_a_small_pod(shop: Shop) -> None:
    keys: list[str] = []
    for number, name in enumerate(NAMES):
        keys += shop.upload_copies(photos.photo(name), GOOD // len(NAMES), f"photos/{number}/")
    shop.upload("photos/bomb.png", bomb())
    shop.upload("photos/cut.jpg", photos.photo("china.jpg")[:20_000])
    keys[50:50] = ["photos/bomb.png"]
    keys[150:150] = ["photos/cut.jpg"]
    name = shop.apply(
        image_job(
            {"keys": keys},
            renditions=RENDITIONS,
            limits={"pixels": 6_000_000, "itemSize": "4Mi"},
            failurePolicy={"maxFailedItems": 2},
            retention={"pods": "Always"},
            execution={
                "itemsPerPod": 200,
                "podTemplate": {
                    "resources": {
                        "requests": {"cpu": "100m", "memory": "128Mi"},
                        "limits": {"cpu": "2", "memory": "256Mi"},
                    }
                },
            },
        )
    )
    job = shop.await_end(name, 240)
    assert verdict(job) == ("Succeeded", "", "SucceededWithFailures")
    assert job["status"]["items"] == {"total": 200, "succeeded": GOOD, "failed": 2, "skipped": 0}
    assert {f["item"]: f["code"] for f in job["status"]["failures"]} == {
        "photos/bomb.png": "IMG_002",
        "photos/cut.jpg": "IMG_001",
    }
    assert job["status"]["run"]["shards"]["attempts"] == "0=1", "the Pod was never killed"
    (pod,) = shop.world.core.list_namespaced_pod(shop.name).items
    ended = pod.status.container_statuses[0].state.terminated
    assert (ended.exit_code, ended.reason) == (0, "Completed")

    report = shop.report(job)
    done = [item for item in report["items"] if "error" not in item]
    assert report["totals"]["outputs"] == 3 * GOOD
    assert report["totals"]["sourceBytes"] == sum(item["size"] for item in report["items"])
    assert report["totals"]["bytesSaved"] > 0
    assert all(item["image"]["thumbHash"] and item["sha256"] for item in done)
    assert Counter(Counter(item["sha256"] for item in done).values()) == {GOOD // len(NAMES): len(NAMES)}
    first = done[0]
    (webp,) = [each for each in first["srcset"] if each["type"] == "image/webp"]
    assert webp["srcset"] == f"{first['outputs'][1]['key']} 160w, {first['outputs'][0]['key']} 320w"
