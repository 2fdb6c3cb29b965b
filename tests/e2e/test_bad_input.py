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
    assert "maxFailedItems: 1 would publish the 2 that succeeded" in strict["status"]["error"]["message"]
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


LOST = ["photos/lost.jpg", "photos/lost2.jpg"]


def test_missing_sources_are_failed_items_within_the_policy(shop: Shop) -> None:
    source = {"keys": [LOST[0], *shop.upload_photos("china.jpg"), LOST[1]]}
    job = shop.await_end(shop.apply(image_job(source, failurePolicy={"maxFailedItems": 2})))
    assert verdict(job) == ("Succeeded", "", "SucceededWithFailures")
    status = job["status"]
    assert status["items"] == {"total": 3, "succeeded": 1, "failed": 2, "skipped": 0}
    failed = [(one["item"], one["code"]) for one in status["failures"]]
    assert failed == [(key, "IMG_010") for key in LOST]
    assert [(i["source"], i["error"]["code"]) for i in shop.report(job)["items"] if "error" in i] == failed


def test_a_validation_names_all_missing_sources(shop: Shop) -> None:
    source = {"keys": [LOST[0], *shop.upload_photos("china.jpg"), LOST[1]]}
    job = shop.await_end(shop.apply(image_job(source, run={"id": "1", "mode": "Validate"})))
    assert verdict(job) == ("Failed", "JOB_002", "SourceNotFound")
    assert [one["item"] for one in job["status"]["failures"]] == LOST
    [listed] = [check["items"] for check in shop.report(job)["checks"] if check["name"] == "items"]
    assert [item["source"] for item in listed] == LOST


def test_a_missing_source_launches_nothing(shop: Shop) -> None:
    keys = [*shop.upload_photos("china.jpg"), *LOST]
    since = shop.world.audit.mark()
    name = shop.apply(image_job({"keys": keys}))
    job = shop.await_end(name)
    assert verdict(job) == ("Failed", "JOB_002", "SourceNotFound")
    message = job["status"]["error"]["message"]
    assert message.startswith(
        "2 of 3 sources cannot be staged, but spec.failurePolicy.maxFailedItems allows only 0; "
        "maxFailedItems: 2 would process the other 1; not staged: 'photos/lost.jpg', "
        "'photos/lost2.jpg'; first failure: IMG_010"
    )
    assert [one["item"] for one in job["status"]["failures"]] == LOST
    assert [item["source"] for item in shop.report(job)["items"] if "error" in item] == LOST
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
