"""Sources that are archived, denied or deleted: one fails its item, all of them fail the run."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping

import pytest

from fakes.hooks import Hook
from fakes.world import World
from imagejob_operator.operations.staging.refusals import Refusals
from imagejob_operator.ports.object_store import ObjectRefused, StoreDenied, StoreUnavailable

OK, ARCHIVED, DENIED, GONE = "ok", "archived", "denied", "gone"
CODES = {OK: None, ARCHIVED: "IMG_011", DENIED: "IMG_011", GONE: "IMG_010"}


def world_of(states: Mapping[str, str]) -> World:
    """A store whose sources are in these states by the time they are copied."""
    world = World(sources={f"uploads/{name}.jpg": name.encode() for name in states})
    store = world.store
    keys = {state: {f"shop/uploads/{n}.jpg" for n, its in states.items() if its == state} for state in CODES}
    store.archived |= keys[ARCHIVED] | keys[DENIED]

    async def change(operation: str, about: str, done: bool) -> None:
        if operation == "stat" and not done and about in keys[DENIED]:
            raise ObjectRefused(f"HeadObject {about!r}: AccessDenied")
        if operation == "copy" and not done:
            for key in keys[GONE]:
                store.objects.pop(key, None)

    store.hooks.install(change)
    return world


async def outcome(world: World, names: list[str], **more: object) -> str:
    """How a run ends: its error, or the code of each item."""
    world.create(source={"keys": [f"uploads/{name}.jpg" for name in names]}, **more)
    await world.run()
    if world.error():
        return world.error()
    report = json.loads(world.store.objects[world.job.status.report].data)
    codes = {item["source"]: (item.get("error") or {}).get("code") for item in report["items"]}
    return " ".join(str(codes[f"uploads/{name}.jpg"]) for name in names)


def expected(states: tuple[str, ...]) -> str:
    if OK in states:
        return " ".join(str(CODES[state]) for state in states)
    return "JOB_002/SourceNotFound" if set(states) == {GONE} else "JOB_002/AccessDenied"


async def differences() -> list[str]:
    """The states of three sources, in all combinations, that do not end as they should."""
    found = []
    for states in itertools.combinations_with_replacement(CODES, 3):
        names = ["a", "b", "c"]
        world = world_of(dict(zip(names, states, strict=True)))
        ended = await outcome(world, names, failurePolicy={"maxFailedItems": 3})
        allowed = {expected(states)}
        if OK not in states and GONE in states:
            allowed |= {"JOB_002/SourceNotFound", "JOB_002/AccessDenied"}  # which one is met first
        if ended not in allowed or world.staged():
            found.append(f"{states}: {ended}")
    return found


async def test_every_combination_of_three_sources() -> None:
    assert await differences() == []


@pytest.mark.parametrize("planted", ["fails the run", "never fails the run"])
async def test_a_planted_bug_is_found(monkeypatch: pytest.MonkeyPatch, planted: str) -> None:
    if planted == "fails the run":

        def refuse(self: Refusals, name: str, error: Exception) -> None:
            raise StoreDenied(str(error))

        monkeypatch.setattr(Refusals, "refuse", refuse)
    else:
        monkeypatch.setattr(Refusals, "check", lambda self: None)
    assert await differences() != []


async def test_one_refused_source_counts_as_a_failed_item() -> None:
    world = world_of({"a": OK, "b": ARCHIVED})
    assert await outcome(world, ["a", "b"]) == "JOB_005/ItemsFailed"
    [failure] = world.job.status.failures
    assert (failure.item, failure.code) == ("uploads/b.jpg", "IMG_011")


async def test_a_store_that_refuses_all_sources_is_not_asked_for_each() -> None:
    names = [f"{number:03d}" for number in range(200)]
    world = world_of(dict.fromkeys(names, ARCHIVED))
    assert await outcome(world, names) == "JOB_002/AccessDenied"
    error = world.job.status.error
    assert error
    assert "the source 'uploads/0" in error.message
    assert "InvalidObjectState" in error.message
    assert world.store.hooks.count("copy") < 50
    assert world.cluster.attempts() == []


async def test_a_refusal_by_the_whole_store_fails_the_run_and_names_the_source() -> None:
    world = world_of({"a": OK, "b": OK})
    world.store.hooks.fail(StoreDenied("InvalidAccessKeyId: unknown"), "copy", "in/000001")
    assert await outcome(world, ["a", "b"], failurePolicy={"maxFailedItems": 2}) == "JOB_002/AccessDenied"
    error = world.job.status.error
    assert error
    assert "the source 'uploads/b.jpg': InvalidAccessKeyId" in error.message


@pytest.mark.parametrize("state", [ARCHIVED, GONE])
async def test_sources_that_are_read_where_they_are_fail_in_the_same_way(state: str) -> None:
    world = world_of({"a": OK, "b": state})
    if state == GONE:
        world.store.hooks.install(gone_after_staging(world))
    more = {"staging": {"mode": "Reference"}, "failurePolicy": {"maxFailedItems": 1}}
    assert await outcome(world, ["a", "b"], **more) == f"None {CODES[state]}"


def gone_after_staging(world: World) -> Hook:
    async def hook(operation: str, about: str, done: bool) -> None:
        if operation == "put" and about.endswith("manifest.json"):
            world.store.objects.pop("shop/uploads/b.jpg", None)

    return hook


async def test_a_second_try_does_not_forget_what_was_allowed() -> None:
    """The copies of the first try are there; only the refused source is left."""
    world = world_of({"a": OK, "b": ARCHIVED})
    world.store.hooks.fail(StoreUnavailable("away"), "put", "manifest.json", times=1)
    assert await outcome(world, ["a", "b"], failurePolicy={"maxFailedItems": 1}) == "None IMG_011"
