"""A run of the items that the run before did not publish, on a real cluster."""

from __future__ import annotations

import copy
from pathlib import Path

import yaml

from e2e.world import Job, Shop, ended, image_job, verdict

EXAMPLE = Path(__file__).parents[2] / "examples" / "rerun-failed.yaml"


def of_run(job: Job, run_id: str) -> bool:
    return bool(ended(job) and job["status"]["run"]["id"] == run_id)


def test_the_example_runs_only_the_failed_item_again(shop: Shop) -> None:
    first: Job = yaml.safe_load(EXAMPLE.read_text())
    name = shop.apply(first)
    done = shop.await_end(name)
    assert verdict(done) == ("Succeeded", "", "SucceededWithFailures")
    assert [(f["item"], f["code"]) for f in done["status"]["failures"]] == [("broken.png", "IMG_001")]
    assert shop.outputs("rerun/") == ["rerun/logo-64px.png"]

    second = copy.deepcopy(first)
    good, broken = second["spec"]["source"]["inline"]
    broken["data"] = good["data"]
    second["spec"]["run"] = {"id": "2", "items": "Failed"}
    shop.apply(second)
    again = shop.await_job(name, lambda job: of_run(job, "2"), "the end of run 2")
    assert verdict(again) == ("Succeeded", "", "")
    assert again["status"]["progress"] == "1/1"
    assert [item["source"] for item in shop.report(again)["items"]] == ["broken.png"]
    assert shop.outputs("rerun/") == ["rerun/broken-64px.png", "rerun/logo-64px.png"]
    assert [past["report"] for past in again["status"]["history"]] == [done["status"]["report"]]
    shop.await_clean()


def test_without_a_run_before_nothing_is_launched(shop: Shop) -> None:
    since = shop.world.audit.mark()
    name = shop.apply(image_job({"keys": shop.upload_photos("china.jpg")}, run={"items": "Failed"}))
    assert verdict(shop.await_end(name)) == ("Failed", "JOB_001", "NoPreviousReport")
    assert shop.leaks() == []
    assert not [w for w in shop.world.audit.writes(since, namespace=shop.name) if w.resource == "pods"]
