"""What people see of a run while it is going on."""

from __future__ import annotations

import time
from contextlib import closing
from itertools import pairwise

from kubernetes import watch

from demo import photos
from demo.stack import NAMESPACE, OPERATOR
from e2e.test_suspend import rests, wish
from e2e.world import GROUP, LARGE, PLURAL, ROOMY, VERSION, Shop, ended, image_job, phase, until, verdict

MOST = 6.5
"""Seconds between two changes: five, and the time to read and to write."""


def test_the_progress_moves_every_five_seconds(shop: Shop, large_photo: bytes) -> None:
    keys = shop.upload_copies(large_photo, 120)
    execution = {"itemsPerPod": 40, "parallelism": 3, "podTemplate": ROOMY}
    name = shop.apply(image_job({"keys": keys}, renditions=[LARGE], execution=execution))
    shop.await_phase(name, "Running")
    moments, shown = [time.monotonic()], [0]
    stream = watch.Watch().stream(
        shop.world.objects.list_namespaced_custom_object,
        *(GROUP, VERSION, shop.name, PLURAL),
        field_selector=f"metadata.name={name}",
        timeout_seconds=220,
    )
    with closing(stream):
        for event in stream:
            job = event["object"]
            if phase(job) != "Running":
                break
            done = int(job["status"]["progress"].partition("/")[0])
            if done > shown[-1]:
                moments.append(time.monotonic())
                shown.append(done)
    assert shown == sorted(shown)
    assert len(shown) > 3
    # The first counts come after five seconds in Running and the first item.
    assert max(after - before for before, after in pairwise(moments[1:])) <= MOST, shown
    job = shop.await_end(name, seconds=220)
    assert verdict(job) == ("Succeeded", "", "")
    assert job["status"]["progress"] == "120/120"


def test_a_short_run_writes_no_more_than_its_steps(shop: Shop) -> None:
    since = shop.world.audit.mark()
    for key in ("china.jpg", "flower.jpg"):
        shop.upload(f"photos/{key}", photos.photo("china.jpg"))
    name = shop.apply(image_job({"match": {"prefix": "photos/"}}, execution={"itemsPerPod": 50}))
    assert ended(shop.await_end(name))
    shop.await_clean()
    writes = shop.world.audit.writes(since, namespace=shop.name)
    mine = [w for w in writes if w.resource in ("imagejobs", "imagejobs/status", "events")]
    # Finalizer on and off, five phases, one Event.
    assert len(mine) <= 8, [str(write) for write in mine]


def test_a_long_run_records_its_steps(shop: Shop, large_photo: bytes) -> None:
    keys = shop.upload_copies(large_photo, 80)
    # Items take 0.3 to 1 second: the Events come after fifteen.
    execution = {"itemsPerPod": 80, "parallelism": 1}
    name = shop.apply(image_job({"keys": keys}, renditions=[LARGE], execution=execution))
    until("the Events of the steps", lambda: len(shop.steps(name)) == 2, 60)
    assert not ended(shop.get(name))
    assert {(e.type, e.reason, e.count) for e in shop.steps(name)} == {
        ("Normal", "Staged", 1),
        ("Normal", "Launched", 1),
    }
    for number in (1, 2):
        wish(shop, name, suspend=True)
        shop.await_job(name, rests, "suspended and cleaned", seconds=90)
        wish(shop, name, suspend=False)
        shop.await_phase(name, "Running", seconds=90)
        counts = {e.reason: e.count for e in shop.steps(name)}
        assert (counts["Suspended"], counts["Resumed"]) == (number, number)
    assert verdict(shop.await_end(name, seconds=220)) == ("Succeeded", "", "")
    assert len(shop.steps(name)) <= 10


def test_a_store_that_is_away_is_named_within_five_seconds(shop: Shop, large_photo: bytes) -> None:
    keys = shop.upload_copies(large_photo, 40)
    name = shop.apply(image_job({"keys": keys}, renditions=[LARGE], execution={"parallelism": 1}))
    shop.await_phase(name, "Running")

    def reason() -> str:
        found = shop.get(name)["status"]["conditions"]
        return next(c["reason"] for c in found if c["type"] == "Reconciling")

    def logged(words: str) -> int:
        log = shop.world.kubectl("logs", f"deployment/{OPERATOR}", "-n", NAMESPACE, "--since=2m")
        return log.count(words)

    away, back = logged("does not answer"), logged("answers again")
    with shop.world.store_outage():
        until("the job names the store", lambda: reason() == "StoreUnavailable", 6)
        until("the operator's log names it", lambda: logged("does not answer") == away + 1, 2)
    until("the job goes on", lambda: reason() == "Running", 10)
    assert (logged("does not answer"), logged("answers again")) == (away + 1, back + 1)
    (event,) = [e for e in shop.steps(name) if e.reason == "StoreUnavailable"]
    assert event.type == "Warning"
    assert verdict(shop.await_end(name, seconds=220)) == ("Succeeded", "", "")
