"""An ImageJob that is gone, and comes again as a re-created cluster brings it."""

from __future__ import annotations

from e2e.world import Shop, condition, image_job, verdict


def test_what_was_published_before_is_not_done_again(shop: Shop) -> None:
    keys = shop.upload_photos("china.jpg")
    wanted = image_job({"keys": keys})
    name = shop.apply(wanted)
    first = shop.await_end(name)
    shop.delete(name)
    shop.apply(wanted)
    again = shop.await_end(name)
    assert verdict(again) == ("Succeeded", "", "AlreadyPublished")
    assert again["metadata"]["uid"] != first["metadata"]["uid"]
    assert again["status"]["report"] == first["status"]["report"]
    assert again["status"]["items"] == first["status"]["items"]
    assert again["status"]["outputs"] == first["status"]["outputs"]
    assert "shards" not in again["status"]["run"], "it had no Pod"
    assert condition(again, "StagingCleaned") == "True"
    shop.await_clean()
