"""Sources that are broken or not there."""

from __future__ import annotations

from e2e.world import Shop, image_job, reason, verdict


def test_one_bad_image_among_good_ones(shop: Shop) -> None:
    good = shop.upload_photos("china.jpg", "chelsea.png")
    shop.upload("photos/bad.jpg", b"this is no picture")
    keys = [good[0], "photos/bad.jpg", good[1]]
    shop.apply(image_job({"keys": keys}, name="strict", destination={"prefix": "strict/"}))
    tolerant = {"destination": {"prefix": "tolerant/"}, "failurePolicy": {"maxFailedItems": 1}}
    shop.apply(image_job({"keys": keys}, name="tolerant", **tolerant))

    strict = shop.await_end("strict")
    assert verdict(strict) == ("Failed", "JOB_005", "ItemsFailed")
    assert [(f["item"], f["code"]) for f in strict["status"]["failures"]] == [("photos/bad.jpg", "IMG_001")]
    assert shop.outputs("strict/") == []
    assert shop.report(strict)["outcome"] == "Failed"
    assert [(e.type, e.reason) for e in shop.await_events("strict")] == [("Warning", "ItemsFailed")]

    tolerated = shop.await_end("tolerant")
    assert verdict(tolerated) == ("Succeeded", "", "SucceededWithFailures")
    assert [(e.type, e.reason) for e in shop.await_events("tolerant")] == [
        ("Normal", "SucceededWithFailures")
    ]
    succeeded = next(c for c in tolerated["status"]["conditions"] if c["type"] == "Succeeded")
    assert (succeeded["status"], succeeded["reason"]) == ("True", "SucceededWithFailures")
    assert succeeded["message"].startswith("1 of 3 items failed")
    assert tolerated["status"]["items"] == {"total": 3, "succeeded": 2, "failed": 1, "skipped": 0}
    assert [f["code"] for f in tolerated["status"]["failures"]] == ["IMG_001"]
    assert shop.outputs("tolerant/") == [
        "tolerant/photos/chelsea-thumb.jpg",
        "tolerant/photos/china-thumb.jpg",
    ]
    assert shop.staging() == []


def test_a_missing_source_launches_nothing(shop: Shop) -> None:
    keys = [*shop.upload_photos("china.jpg"), "photos/lost.jpg"]
    since = shop.world.audit.mark()
    name = shop.apply(image_job({"keys": keys}))
    job = shop.await_end(name)
    assert verdict(job) == ("Failed", "JOB_002", "SourceNotFound")
    assert "photos/lost.jpg" in job["status"]["error"]["message"]
    assert shop.leaks() == []
    created = [w for w in shop.world.audit.writes(since, namespace=shop.name) if w.resource == "pods"]
    assert created == []


def test_a_namespace_is_served_once_it_has_the_label(shop: Shop) -> None:
    shop.world.kubectl("label", "namespace", shop.name, "imagejob.dev/store-")
    name = shop.apply(image_job({"keys": shop.upload_photos("china.jpg")}))
    shop.await_job(name, lambda job: reason(job) == "NotPermitted", "it waits for the label")
    assert "NotPermitted" in shop.world.kubectl("get", "imagejobs", "-n", shop.name)
    shop.world.kubectl("label", "namespace", shop.name, "imagejob.dev/store=default")
    assert verdict(shop.await_end(name)) == ("Succeeded", "", "")
