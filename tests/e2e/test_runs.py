"""A new run id starts a new run, whatever the one before is doing."""

from __future__ import annotations

from e2e.world import LARGE, THUMB, Job, Shop, condition, ended, image_job, verdict


def of_run(job: Job, number: int) -> bool:
    return bool(ended(job) and job["status"]["run"]["number"] == number)


def test_a_second_run_after_success(shop: Shop) -> None:
    keys = shop.upload_photos("china.jpg")
    first = image_job({"keys": keys})
    name = shop.apply(first)
    report = shop.await_end(name)["status"]["report"]
    second = image_job({"keys": [*keys, *shop.upload_photos("coffee.png")]}, run={"id": "two"})
    shop.apply(second)
    job = shop.await_job(name, lambda j: of_run(j, 2), "the end of run 2")
    assert verdict(job) == ("Succeeded", "", "")
    assert job["status"]["run"]["id"] == "two"
    assert job["status"]["report"] != report
    assert shop.outputs() == ["out/photos/china-thumb.jpg", "out/photos/coffee-thumb.jpg"]
    shop.await_clean()


def test_a_second_run_while_the_first_one_runs(shop: Shop, large_photo: bytes) -> None:
    keys = shop.upload_copies(large_photo, 8)
    name = shop.apply(image_job({"keys": keys}, renditions=[LARGE], execution={"parallelism": 1}))
    shop.await_phase(name, "Running")
    small = shop.upload_photos("coffee.png")
    second = {"run": {"id": "2"}, "renditions": [THUMB], "destination": {"prefix": "second/"}}
    shop.apply(image_job({"keys": small}, **second))
    # The end of run 1 is not taken for that of the generation which asks for run 2.
    job = shop.await_end(name)
    assert (job["status"]["run"]["number"], *verdict(job)) == (2, "Succeeded", "", "")
    assert condition(job, "StagingCleaned") == "True"
    assert shop.outputs() == []
    assert shop.outputs("second/") == ["second/photos/coffee-thumb.jpg"]
    assert sorted((e.type, e.reason) for e in shop.await_events(name, 2)) == [
        ("Normal", "Succeeded"),
        ("Normal", "Superseded"),
    ]
    shop.await_clean()
