"""A validation: it ends as a run would, reports its checks, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from fakes.world import KEY, World
from imagejob_operator.api.errors import Reason
from imagejob_operator.decision.attempt import Problem
from imagejob_operator.ports.object_store import CallNotSupported, StoreDenied, StoreUnavailable

DENIED = StoreDenied("AccessDenied")
AWAY = StoreUnavailable("the store cannot be reached")
VALIDATE = {"run": {"id": "1", "mode": "Validate"}}
WRITES = {"put", "copy", "delete_prefix", "put_if_absent"}


async def validated(world: World, **spec: Any) -> None:
    world.create(**{**VALIDATE, **spec})
    await world.run()


def checks(world: World) -> dict[str, bool]:
    report = json.loads(world.store.objects[world.job.status.report].data)
    assert report["items"] == []
    return {check["name"]: check["passed"] for check in report["checks"]}


def outcome(world: World) -> str:
    return world.job.status.run.outcome if world.job.status.run else ""


async def test_a_run_that_could_be_carried_out_is_not() -> None:
    world = World()
    before = set(world.store.objects)
    await validated(world)
    assert (world.job.status.phase, outcome(world)) == ("Succeeded", "Validated")
    assert world.phases == ["Validating", "Succeeded"]
    assert [(e.warning, e.reason) for e in world.cluster.events.values()] == [(False, "Validated")]
    assert set(world.store.objects) - before == {world.job.status.report}
    assert checks(world) == dict.fromkeys(("items", "staging", "pods", "destination"), True)
    assert not {"launch", "deliver", "add_finalizer"} & {name for name, _ in world.cluster.hooks.calls}
    written = [key for name, key in world.store.hooks.calls if name in WRITES]
    assert all(key.startswith(".imagejob-staging/") and "/probe/" in key for key in written[:-1])
    assert written[-1] == world.job.status.report
    assert world.job.status.items
    assert world.job.status.items.total == 2


def refusing(problem: Problem) -> Callable[[World], object]:
    return lambda world: world.cluster.refusals.update({0: problem})


QUOTA = Problem(Reason.QUOTA_EXCEEDED, "exceeded quota")
CASES: dict[str, tuple[str, dict[str, Any], Callable[[World], object], set[str]]] = {
    "no-source": ("JOB_002/SourceNotFound", {"source": {"keys": ["no.jpg"]}}, lambda w: None, {"items"}),
    "nothing-matches": (
        "JOB_002/SourceEmpty",
        {"source": {"match": {"prefix": "none/"}}},
        lambda w: None,
        {"items"},
    ),
    "collision": (
        "JOB_001/KeyCollision",
        {"destination": {"keyTemplate": "one"}},
        lambda w: None,
        {"items"},
    ),
    "sources-denied": (
        "JOB_002/AccessDenied",
        {},
        lambda w: w.store.hooks.fail(DENIED, "stat", "shop/uploads/"),
        {"items"},
    ),
    "call-not-supported": (
        "JOB_002/AccessDenied",
        {},
        lambda w: w.store.hooks.fail(CallNotSupported("NotImplemented"), "put_if_absent", "/probe/"),
        {"staging"},
    ),
    "staging-denied": (
        "JOB_002/AccessDenied",
        {},
        lambda w: w.store.hooks.fail(DENIED, "put", ".imagejob-staging/"),
        {"staging"},
    ),
    "pod-refused": ("JOB_003/QuotaExceeded", {}, refusing(QUOTA), {"pods"}),
    "destination-denied": (
        "JOB_007/DestinationDenied",
        {},
        lambda w: w.store.hooks.fail(DENIED, "put_if_match", "shop/catalog/"),
        {"destination"},
    ),
    "everything": (
        "JOB_002/SourceNotFound",
        {"source": {"keys": ["no.jpg"]}},
        lambda w: (
            refusing(QUOTA)(w),
            w.store.hooks.fail(DENIED, "put_if_match"),
            w.store.hooks.fail(DENIED, "put", "/probe/"),
        ),
        {"items", "staging", "pods", "destination"},
    ),
}


@pytest.mark.parametrize(("wanted", "spec", "prepare", "failed"), CASES.values(), ids=CASES)
async def test_an_obstacle_is_reported_as_a_run_would_report_it(
    wanted: str, spec: dict[str, Any], prepare: Callable[[World], object], failed: set[str]
) -> None:
    world = World()
    prepare(world)
    await validated(world, **spec)
    assert (world.job.status.phase, world.error(), outcome(world)) == ("Failed", wanted, "")
    assert {name for name, passed in checks(world).items() if not passed} == failed
    assert world.cluster.attempts() == []
    assert world.staged() == []
    assert [e.reason for e in world.cluster.events.values()] == [wanted.partition("/")[2]]


async def test_a_report_that_cannot_be_written_is_a_failure() -> None:
    world = World()
    world.store.hooks.fail(DENIED, "put", ".imagejob/")
    await validated(world)
    assert world.error() == "JOB_007/DestinationDenied"


async def test_too_many_pods_are_reported() -> None:
    world = World(sources={f"uploads/{n:04d}.jpg": b"x" for n in range(1001)})
    await validated(world, source={"match": {"prefix": "uploads/"}}, execution={"itemsPerPod": 1})
    assert world.error() == "JOB_001/InvalidSpec"


async def test_a_check_that_is_not_possible_does_not_fail_the_validation() -> None:
    world = World()
    world.cluster.untold = "a webhook does not support dry run"
    await validated(world)
    assert outcome(world) == "Validated"
    report = json.loads(world.store.objects[world.job.status.report].data)
    message = next(check["message"] for check in report["checks"] if check["name"] == "pods")
    assert message == "not checked: a webhook does not support dry run"


async def test_a_store_that_comes_back_is_waited_for() -> None:
    world = World()
    world.store.hooks.fail(AWAY, times=3)
    await validated(world)
    assert outcome(world) == "Validated"


async def test_a_store_that_stays_away_ends_at_the_staging_deadline() -> None:
    world = World()
    world.store.hooks.fail(AWAY)
    world.create(**VALIDATE, execution={"stagingDeadlineSeconds": 20})
    assert await world.run() <= 21
    assert world.error() == "JOB_002/StoreUnavailable"


async def test_a_store_that_knows_no_conditions_is_tidied() -> None:
    world = World()

    async def write(key: str, data: bytes, etag: str, content_type: str) -> str:
        return world.store.set(key, data, content_type).etag

    world.store.put_if_match = write  # type: ignore[method-assign]
    await validated(world)
    assert outcome(world) == "Validated"
    assert [key for key in world.store.objects if "probe" in key] == []


async def test_the_run_itself_follows_with_a_new_id() -> None:
    world = World()
    await validated(world)
    world.cluster.edit(KEY, run={"id": "2"})
    await world.run(until=lambda: outcome(world) == "" and world.ended())
    assert world.job.status.phase == "Succeeded"
    assert world.job.status.run
    assert world.job.status.run.number == 2
    assert [(past.phase, past.reason) for past in world.job.status.history] == [("Succeeded", "Validated")]


async def test_a_validation_is_no_run_that_left_items_out() -> None:
    """`items: Failed` skips it and uses the run before."""
    world = World()
    world.create()
    await world.run()
    for number, run in enumerate(({"mode": "Validate"}, {"items": "Failed"}), 2):
        world.cluster.edit(KEY, run={"id": str(number), **run})
        await world.run(until=lambda n=number: world.job.status.run.number == n and world.ended())  # type: ignore
    assert world.error() == "JOB_002/SourceEmpty", "the first run published all"


@pytest.mark.parametrize("how", ["suspend", "cancel", "supersede", "delete"])
async def test_it_ends_at_once(how: str) -> None:
    world = World()
    world.hang("stat")
    world.create(**VALIDATE)
    await world.run(until=lambda: world.job.status.phase == "Validating")
    if how == "delete":
        world.cluster.user_deletes(KEY)
        assert world.cluster.job(KEY) is None, "it holds up no deletion"
        await world.run(
            until=lambda: not world.operator.queue.ready and not world.operator.running_operations()
        )
        return
    change: dict[str, Any] = {
        "suspend": {"suspend": True},
        "cancel": {"cancelRunID": "1"},
        "supersede": {"run": {"id": "2"}, "suspend": True},
    }[how]
    world.cluster.edit(KEY, **change)
    wanted = "Cancelled" if how == "cancel" else "Suspended"
    assert await world.run(until=lambda: world.job.status.phase == wanted, within=2) <= 2
    assert (world.error(), world.staged()) == ("JOB_008/Cancelled" if how == "cancel" else "", [])
