"""`kubectl delete` at any time leaves nothing."""

from __future__ import annotations

import pytest

from e2e.world import LARGE, Shop, condition, image_job

pytestmark = pytest.mark.conformance


def test_delete_while_running(shop: Shop, large_photo: bytes) -> None:
    keys = shop.upload_copies(large_photo, 12)
    pods = {"parallelism": 2, "itemsPerPod": 3}
    name = shop.apply(image_job({"keys": keys}, renditions=[LARGE], execution=pods))
    shop.await_phase(name, "Running")
    assert shop.staging()
    assert shop.pods()
    assert shop.secrets()
    shop.delete(name, seconds=60)
    shop.await_clean(seconds=30)
    assert shop.outputs() == []


def test_delete_at_once(shop: Shop) -> None:
    keys = shop.upload_photos("china.jpg")
    name = shop.apply(image_job({"keys": keys}))
    shop.delete(name, seconds=60)
    shop.await_clean(seconds=30)


@pytest.mark.parametrize("outcome", ["True", "False"])
def test_delete_when_finished(shop: Shop, outcome: str) -> None:
    keys = shop.upload_photos("china.jpg")
    if outcome == "False":
        shop.upload("photos/bad.jpg", b"this is no picture")
        keys.append("photos/bad.jpg")
    name = shop.apply(image_job({"keys": keys}, retention={"pods": "Always"}))
    assert condition(shop.await_end(name), "Succeeded") == outcome
    assert shop.pods()
    shop.delete(name, seconds=60)
    shop.await_clean(seconds=30)
