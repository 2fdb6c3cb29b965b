"""An ImageJob that is gone, and is created again, as when a cluster is rebuilt."""

from __future__ import annotations

from e2e.world import Shop, condition, image_job, verdict


def test_a_job_that_is_created_again_makes_only_what_is_missing(shop: Shop) -> None:
    keys = shop.upload_photos("china.jpg")
    wanted = image_job({"keys": keys}, destination={"prefix": "out/", "overwrite": "IfDifferent"})
    name = shop.apply(wanted)
    first = shop.await_end(name)
    assert verdict(first) == ("Succeeded", "", "")
    shop.delete(name)
    since = shop.world.audit.mark()
    shop.apply(wanted)
    again = shop.await_end(name)
    assert verdict(again) == ("Succeeded", "", "")
    assert again["metadata"]["uid"] != first["metadata"]["uid"]
    assert again["status"]["report"] != first["status"]["report"]
    assert again["status"]["items"]["skipped"] == 1
    writes = shop.world.audit.writes(since, namespace=shop.name)
    assert not [w for w in writes if (w.verb, w.resource) == ("create", "pods")]
    assert condition(again, "StagingCleaned") == "True"
    shop.await_clean()
