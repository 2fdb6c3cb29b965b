"""Objects that exist at output keys: replaced, refused, or kept if they are what would be made."""

from __future__ import annotations

import json
from typing import Any

import pytest

from fakes.build import SPEC
from fakes.scripts import well
from fakes.world import KEY, World
from imagejob_operator.documents import outputs
from imagejob_operator.ports.object_store import ObjectHeaders, StoreUnavailable

A, B = "shop/catalog/uploads/a-web.webp", "shop/catalog/uploads/b-web.webp"
NEVER = {"prefix": "catalog/", "overwrite": "Never"}
IF_DIFFERENT = {"prefix": "catalog/", "overwrite": "IfDifferent"}


def report(world: World) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(world.store.objects[world.job.status.report].data)
    return found


async def made(destination: dict[str, Any]) -> World:
    """A world in which the job has run once; the calls are counted from here on."""
    world = World()
    world.create(destination=destination)
    await world.run()
    assert world.job.status.phase == "Succeeded"
    forget_calls(world)
    return world


def forget_calls(world: World) -> None:
    world.store.hooks.calls.clear()
    world.cluster.hooks.calls.clear()
    world.phases.clear()


async def again(world: World, **fields: Any) -> None:
    """The next run."""
    await again_as(world, {"id": "2"}, **fields)


async def again_as(world: World, run: dict[str, Any], **fields: Any) -> None:
    world.cluster.edit(KEY, run=run, **fields)
    await world.run(until=lambda: bool(world.job.status.run and world.job.status.run.id == run["id"]))
    await world.run()


def copied(world: World) -> list[str]:
    """The final keys that were written."""
    return sorted(k for op, k in world.store.hooks.calls if op == "copy" and k.startswith("shop/"))


def skipped(world: World) -> int:
    items = world.job.status.items
    assert items
    return items.skipped


# --- Never -------------------------------------------------------------------------------------------------


async def test_a_key_that_is_taken_is_refused_before_anything_is_staged_or_launched() -> None:
    world = World()
    world.store.set(A, b"older")
    world.create(destination=NEVER)
    await world.run()
    assert world.error() == "JOB_007/OverwriteRefused"
    error = world.job.status.error
    assert error
    assert "'catalog/uploads/a-web.webp'" in error.message
    assert world.store.objects[A].data == b"older"
    assert world.cluster.hooks.count("launch") == 0
    assert world.store.hooks.count("copy") == 0


async def test_all_that_are_taken_are_counted() -> None:
    world = World()
    world.store.set(A, b"older")
    world.store.set(B, b"older")
    world.create(destination=NEVER)
    await world.run()
    assert world.job.status.error
    assert "(and 1 more)" in world.job.status.error.message


async def test_a_key_that_is_taken_while_the_pods_run_is_refused_and_stays() -> None:
    world = World()
    world.create(destination=NEVER)
    await world.run(until=lambda: world.job.status.phase == "Running")
    world.store.set(
        B, b"somebody else's", headers=ObjectHeaders("image/webp", metadata={"imagejob-run": "x/1"})
    )
    await world.run()
    assert world.error() == "JOB_007/OverwriteRefused"
    assert world.store.objects[B].data == b"somebody else's"
    assert world.staged() == []


async def test_what_the_run_itself_published_is_not_in_its_way() -> None:
    world = World()
    world.create(destination=NEVER)
    world.store.hooks.fail(StoreUnavailable("away"), "copy", about=A, times=1, lost_answer=True)
    world.store.hooks.fail(StoreUnavailable("away"), "put_if_absent", about=".imagejob/", times=1)
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert copied(world) == [A, B], "existing outputs of this run are not copied again"


async def test_what_the_run_published_before_it_was_suspended_is_not_in_its_way() -> None:
    world = World()
    world.create(destination=NEVER)
    away = world.store.hooks.fail(StoreUnavailable("away"), "put_if_absent", about=".imagejob/")
    await world.run(until=lambda: {A, B} <= world.store.objects.keys())
    world.cluster.edit(KEY, suspend=True)
    await world.run(until=lambda: world.job.status.phase == "Suspended" and not world.staged())
    world.store.hooks.remove(away)
    world.cluster.edit(KEY, suspend=False)
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert {A, B} <= world.store.objects.keys()


async def test_the_next_run_is_another_one() -> None:
    world = await made(NEVER)
    await again(world)
    assert world.error() == "JOB_007/OverwriteRefused"


async def test_a_validation_reports_a_key_that_is_taken() -> None:
    world = World()
    world.store.set(A, b"older")
    world.create(destination=NEVER, run={"id": "1", "mode": "Validate"})
    await world.run()
    assert world.error() == "JOB_007/OverwriteRefused"


# --- IfDifferent -------------------------------------------------------------------------------------------


async def test_a_validation_counts_what_need_not_be_made() -> None:
    world = await made(IF_DIFFERENT)
    await again_as(world, {"id": "2", "mode": "Validate"})
    assert world.job.status.phase == "Succeeded"
    checks = {check["name"]: check["message"] for check in report(world)["checks"]}
    assert "2 items are up to date" in checks["items"]


async def test_nothing_left_to_do_is_a_success_without_pods() -> None:
    world = await made(IF_DIFFERENT)
    before = {key: world.store.objects[key] for key in (A, B)}
    await again(world)
    assert world.phases == ["Pending", "Staging", "Publishing", "Succeeded"]
    assert skipped(world) == 2
    assert world.job.status.progress == "2/2"
    assert world.cluster.hooks.count("launch") == 0
    assert world.store.hooks.count("copy") == 0
    assert {key: world.store.objects[key] for key in (A, B)} == before
    assert world.staged() == []
    events = [event.message for event in world.cluster.events.values()]
    assert events[-1] == (
        "2 items, 0 outputs, 0 bytes published; 2 items skipped, with outputs that are up to date"
    )


async def created_again(destination: dict[str, Any]) -> World:
    """A world in which the job has run, was deleted, and was created again with the same spec."""
    world = await made(destination)
    world.cluster.vanish(KEY)
    await world.step()
    forget_calls(world)
    world.create(destination=destination)
    await world.run()
    run = world.job.status.run
    assert run
    assert (world.job.status.phase, run.outcome) == ("Succeeded", "")
    assert world.job.uid[:8] in world.job.status.report
    return world


async def test_a_job_that_is_created_again_skips_what_is_there() -> None:
    world = await created_again(IF_DIFFERENT)
    assert world.phases == ["Staging", "Publishing", "Succeeded"]
    assert (skipped(world), copied(world), world.cluster.hooks.count("launch")) == (2, [], 0)


async def test_a_job_that_is_created_again_runs_again() -> None:
    world = await created_again({"prefix": "catalog/"})
    assert (skipped(world), copied(world)) == (0, [A, B])


async def test_skipped_items_are_in_the_report_with_their_outputs() -> None:
    world = await made(IF_DIFFERENT)
    first = report(world)
    await again(world)
    second = report(world)
    assert [item["skipped"] for item in second["items"]] == [True, True]
    assert [item["outputs"] for item in second["items"]] == [item["outputs"] for item in first["items"]]
    assert world.job.status.outputs
    assert world.job.status.outputs.objects == 0, "this run published nothing"


async def test_what_a_source_looks_like_is_taken_over_from_the_report() -> None:
    world = await made(IF_DIFFERENT)
    edited = report(world)
    looks = {
        "format": "JPEG",
        "width": 3,
        "height": 2,
        "perceptualHash": "00ff00ff00ff00ff",
        "dominantColor": "#102030",
        "thumbHash": "1QcSHQRnh493V4dIh4eXh1h4kJUI",
    }
    for item in edited["items"]:
        item |= {"sha256": "1" * 64, "image": looks}
    world.store.set(world.job.status.report, json.dumps(edited).encode())
    await again(world)
    assert [(i["sha256"], i["image"]) for i in report(world)["items"]] == [("1" * 64, looks)] * 2


async def test_it_goes_on_for_run_after_run() -> None:
    world = await made(IF_DIFFERENT)
    for number in ("2", "3", "4"):
        world.cluster.edit(KEY, run={"id": number})
        await world.run(until=lambda n=number: world.job.status.run.id == n)  # type: ignore[misc, union-attr]
        await world.run()
        assert skipped(world) == 2


async def test_no_object_is_checked_one_by_one_where_a_report_and_a_listing_prove_it() -> None:
    world = World()
    world.create(destination=IF_DIFFERENT, source={"match": {"prefix": "uploads/"}})
    await world.run()
    forget_calls(world)
    await again(world)
    assert skipped(world) == 2
    assert world.store.hooks.count("stat") == 0


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (lambda w: w.store.set("shop/uploads/a.jpg", b"new"), [A]),
        (lambda w: w.store.objects.pop(B), [B]),
        (lambda w: w.store.set(B, b"of somebody else"), [B]),
        (lambda w: w.store.set(A, w.store.objects[A].data + b"!", headers=w.store.objects[A].headers), [A]),
    ],
    ids=["source-changed", "output-gone", "output-replaced", "output-changed-under-our-name"],
)
async def test_only_what_differs_is_made(change: Any, left: list[str]) -> None:
    world = await made(IF_DIFFERENT)
    change(world)
    await again(world)
    assert world.job.status.phase == "Succeeded"
    assert skipped(world) == 1
    assert copied(world) == left


RENDITION = SPEC["renditions"][0]


@pytest.mark.parametrize(
    "fields",
    [
        {"renditions": [{**RENDITION, "steps": [{"resize": {"width": 101}}]}]},
        {"renditions": [{**RENDITION, "output": {"format": "WebP", "quality": 3}}]},
        {"destination": {**IF_DIFFERENT, "headers": {"cacheControl": "no-cache"}}},
        {"destination": {**IF_DIFFERENT, "headers": {"tags": {"a": "b"}}}},
    ],
    ids=["steps", "output", "cache-control", "tags"],
)
async def test_what_is_asked_for_in_another_way_is_made(fields: dict[str, Any]) -> None:
    world = await made(IF_DIFFERENT)
    await again(world, **fields)
    assert (skipped(world), copied(world)) == (0, [A, B])


async def test_what_another_engine_made_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    world = await made(IF_DIFFERENT)
    monkeypatch.setattr(outputs, "PIXELS_VERSION", outputs.PIXELS_VERSION + 1)
    await again(world)
    assert (skipped(world), copied(world)) == (0, [A, B])


async def test_one_new_rendition_makes_the_item_again_but_writes_only_what_is_new() -> None:
    world = await made(IF_DIFFERENT)
    await again(world, renditions=[RENDITION, {"name": "thumb", "output": {"format": "JPEG"}}])
    assert skipped(world) == 0
    assert copied(world) == [key.replace("-web.webp", "-thumb.jpg") for key in (A, B)]


async def test_without_any_report_the_objects_say_themselves_what_they_are() -> None:
    world = await made(IF_DIFFERENT)
    for key in world.store.keys(".imagejob/"):
        world.store.objects.pop(key)
    await again(world)
    assert skipped(world) == 2
    output = report(world)["items"][0]["outputs"][0]
    assert (output["width"], output["height"], len(output["sha256"])) == (1, 1, 64)


async def test_a_report_that_cannot_be_read_proves_nothing_and_is_no_trouble() -> None:
    world = await made(IF_DIFFERENT)
    for key in world.store.keys(".imagejob/"):
        world.store.set(key, b"{")
    for key in (A, B):
        world.store.set(key, world.store.objects[key].data)
    await again(world)
    assert (skipped(world), copied(world)) == (0, [A, B])


async def test_a_destination_full_of_other_things_is_not_listed_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = await made(IF_DIFFERENT)
    monkeypatch.setattr("imagejob_operator.operations.listed.MAX_LISTED", 3)
    monkeypatch.setattr("imagejob_operator.operations.listed.MAX_LISTED_PER_KEY", 0)
    for number in range(5):
        world.store.set(f"shop/catalog/uploads/a-{number}", b"x")
    await again(world)
    assert skipped(world) == 2
    assert ("stat", B) in world.store.hooks.calls


async def test_a_skipped_item_is_published_for_who_asks_for_the_failed_ones() -> None:
    world = await made(IF_DIFFERENT)
    await again(world)
    world.cluster.edit(KEY, run={"id": "3", "items": "Failed"})
    await world.run(until=lambda: world.job.status.run.id == "3")  # type: ignore[union-attr]
    await world.run()
    assert world.error() == "JOB_002/SourceEmpty"


async def test_items_that_fail_are_counted_beside_those_that_were_skipped() -> None:
    world = await made(IF_DIFFERENT)
    world.store.set("shop/uploads/a.jpg", b"broken")
    world.cluster.script = well(failing=["uploads/a.jpg"])
    await again(world)
    assert world.error() == "JOB_005/ItemsFailed"
    items = world.job.status.items
    assert items
    assert (items.total, items.succeeded, items.failed, items.skipped) == (2, 0, 1, 1)
    assert {item["source"]: bool(item.get("outputs")) for item in report(world)["items"]} == {
        "uploads/a.jpg": False,
        "uploads/b.png": True,
    }


async def test_always_makes_all_of_it_again() -> None:
    world = await made({"prefix": "catalog/"})
    await again(world)
    assert (skipped(world), copied(world)) == (0, [A, B])
