"""What became of the runs before the current one stays readable."""

from __future__ import annotations

from e2e.world import Job, Shop, ended, image_job, verdict


def run_of(job: Job) -> int:
    return int(job["status"]["run"]["number"]) if ended(job) else 0


def test_the_last_five_runs_are_remembered(shop: Shop) -> None:
    good = shop.upload_photos("china.jpg")
    shop.upload("photos/bad.jpg", b"this is no picture")
    name = shop.apply(image_job({"keys": [*good, "photos/bad.jpg"]}))
    assert verdict(shop.await_end(name)) == ("Failed", "JOB_005", "ItemsFailed")
    for number in range(2, 8):
        shop.apply(image_job({"keys": good}, run={"id": f"r{number}"}))
        shop.await_job(name, lambda job, number=number: run_of(job) == number, f"the end of run {number}")  # type: ignore[misc]
        if number == 2:
            (first,) = shop.get(name)["status"]["history"]
            assert (first["id"], first["number"], first["phase"]) == ("1", 1, "Failed")
            assert (first["code"], first["reason"]) == ("JOB_005", "ItemsFailed")
            assert first["items"]["failed"] == 1
            assert shop.report({"status": first})["outcome"] == "Failed"
    history = shop.get(name)["status"]["history"]
    assert [(past["id"], past["phase"]) for past in history] == [
        (f"r{n}", "Succeeded") for n in (6, 5, 4, 3, 2)
    ]
    shop.await_clean()
