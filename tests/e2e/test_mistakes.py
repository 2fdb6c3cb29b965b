"""Mistakes that are easy to make, and what the job says about them."""

from __future__ import annotations

from e2e.world import Job, Shop, image_job, verdict


def condition_message(job: Job, kind: str) -> str:
    """The message of a condition; empty if it is not set."""
    found = [one["message"] for one in job["status"]["conditions"] if one["type"] == kind]
    return str(found[0]) if found else ""


def test_globs_that_match_nothing_say_how_many_objects_were_checked(shop: Shop) -> None:
    shop.upload_photos("china.jpg", "chelsea.png")
    job = shop.await_end(shop.apply(image_job({"match": {"prefix": "photos/", "include": ["*.jpg"]}})))
    assert verdict(job) == ("Failed", "JOB_002", "SourceEmpty")
    message = job["status"]["error"]["message"]
    assert "none of 2 objects" in message
    assert "use '**/*.jpg' instead of '*.jpg'" in message


def test_prefixes_without_a_slash_are_noted(shop: Shop) -> None:
    shop.upload_photos("china.jpg")
    source = {"match": {"prefix": "photos/ch"}}
    job = shop.await_end(shop.apply(image_job(source, destination={"prefix": "out/mine"})))
    assert verdict(job) == ("Succeeded", "", "")
    message = condition_message(job, "Staged")
    assert "spec.source.match.prefix 'photos/ch' does not end with '/'" in message
    assert "spec.destination.prefix 'out/mine' does not end with '/'" in message


def test_a_destination_that_leads_back_to_the_sources_is_refused(shop: Shop) -> None:
    [key] = shop.upload_photos("china.jpg")
    shop.upload("up/web/web/x.jpg", shop.read(f"{shop.name}/{key}"))
    source = {"match": {"prefix": "up/web/"}}
    job = shop.await_end(shop.apply(image_job(source, destination={"prefix": "up/"})))
    assert verdict(job) == ("Failed", "JOB_001", "KeyCollision")
    assert "'up/web/x-thumb.jpg' would be a source of the next run" in job["status"]["error"]["message"]


def test_the_second_job_that_writes_a_key_names_the_first(shop: Shop) -> None:
    keys = shop.upload_photos("china.jpg")
    first = shop.await_end(shop.apply(image_job({"keys": keys}, name="first")))
    second = shop.await_end(shop.apply(image_job({"keys": keys}, name="second")))
    assert [verdict(job)[0] for job in (first, second)] == ["Succeeded", "Succeeded"]
    assert condition_message(first, "Overwrote") == ""
    assert condition_message(second, "Overwrote").startswith(
        "'out/photos/china-thumb.jpg' replaced an output of the ImageJob 'first'"
    )
