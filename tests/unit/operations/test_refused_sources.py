"""Sources that are archived, denied, deleted or missing: each is a failed item, too many fail the run."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping

import pytest

from fakes.hooks import Hook
from fakes.world import World, killed_everywhere
from imagejob_contract.result import ItemError
from imagejob_operator.api.errors import Failure
from imagejob_operator.operations.staging import stage
from imagejob_operator.ports.object_store import ObjectRefused, StoreDenied, StoreUnavailable

OK, ARCHIVED, DENIED, GONE, MISSING = "ok", "archived", "denied", "gone", "missing"
CODES = {OK: None, ARCHIVED: "IMG_011", DENIED: "IMG_011", GONE: "IMG_010", MISSING: "IMG_010"}
REASONS = {"IMG_010": "JOB_002/SourceNotFound", "IMG_011": "JOB_002/AccessDenied"}


def world_of(states: Mapping[str, str]) -> World:
    """A store whose sources are in these states by the time they are copied."""
    world = World(sources={f"uploads/{name}.jpg": name.encode() for name in states})
    store = world.store
    keys = {state: {f"shop/uploads/{n}.jpg" for n, its in states.items() if its == state} for state in CODES}
    for key in keys[MISSING]:
        del store.objects[key]
    store.archived |= keys[ARCHIVED] | keys[DENIED]

    async def change(operation: str, about: str, done: bool) -> None:
        if operation == "stat" and not done and about in keys[DENIED]:
            raise ObjectRefused(f"HeadObject {about!r}: AccessDenied")
        if operation == "copy" and not done:
            for key in keys[GONE]:
                store.objects.pop(key, None)

    store.hooks.install(change)
    return world


def create(world: World, names: list[str], tolerated: int, **more: object) -> None:
    source = {"keys": [f"uploads/{name}.jpg" for name in names]}
    world.create(source=source, failurePolicy={"maxFailedItems": tolerated}, **more)


def reported(world: World) -> dict[str, str | None]:
    """The code of each item in the report."""
    report = json.loads(world.store.objects[world.job.status.report].data)
    return {item["source"]: (item.get("error") or {}).get("code") for item in report["items"]}


async def outcome(world: World, names: list[str], tolerated: int, **more: object) -> str:
    """How a run ends: its error, or the code of each item."""
    create(world, names, tolerated, **more)
    await world.run()
    codes = reported(world)
    return world.error() or " ".join(str(codes[f"uploads/{name}.jpg"]) for name in names)


def expected(states: tuple[str, ...], tolerated: int) -> str:
    codes = [CODES[state] for state in states]
    failed = [code for code in codes if code]
    return " ".join(map(str, codes)) if len(failed) <= tolerated else REASONS[failed[0]]


async def difference() -> str:
    """The first states of two sources, of all combinations, that do not end as they should."""
    for first, second, tolerated in itertools.product(CODES, CODES, (0, 1)):
        states, names = (first, second), ["a", "b"]
        world = world_of(dict(zip(names, states, strict=True)))
        ended = await outcome(world, names, tolerated)
        failures = [(failure.item, failure.code) for failure in world.job.status.failures]
        named = [
            (f"uploads/{name}.jpg", CODES[state])
            for name, state in zip(names, states, strict=True)
            if CODES[state]
        ]
        codes = [(source, code) for source, code in reported(world).items() if code]
        if ended != expected(states, tolerated) or world.staged() or not failures == named == codes:
            return f"{states}, {tolerated} tolerated: {ended}"
    return ""


async def test_every_combination_of_two_sources() -> None:
    assert await difference() == ""


@pytest.mark.parametrize("planted", ["fails the run", "never fails the run"])
async def test_a_planted_bug_is_found(monkeypatch: pytest.MonkeyPatch, planted: str) -> None:
    if planted == "fails the run":

        def refuse(failure: Failure) -> ItemError | None:
            return None

        monkeypatch.setattr(stage, "item_error", refuse)
    else:
        monkeypatch.setattr(
            "imagejob_operator.decision.phases.staging.too_many_unstaged", lambda *arguments: None
        )
    assert await difference()


async def test_too_many_end_the_run_before_it_has_pods_and_all_are_named() -> None:
    names = [f"{number:02d}" for number in range(14)]
    world = world_of({name: OK if name in ("00", "01") else MISSING for name in names})
    assert await outcome(world, names, 11) == "JOB_002/SourceNotFound"
    error, items = world.job.status.error, world.job.status.items
    assert error
    assert error.message.startswith(
        "12 of 14 sources cannot be staged, but spec.failurePolicy.maxFailedItems allows only 11; "
        "maxFailedItems: 12 would process the other 2; not staged: "
        "'uploads/02.jpg', 'uploads/03.jpg', 'uploads/04.jpg' and 9 more; first failure: IMG_010 "
        "spec.source.keys: there is no object 'uploads/02.jpg'"
    )
    assert items
    assert (items.total, items.failed) == (14, 12)
    assert [failure.item for failure in world.job.status.failures] == [
        f"uploads/{name}.jpg" for name in names[2:12]
    ]
    assert sum(code == "IMG_010" for code in reported(world).values()) == 12
    assert world.cluster.attempts() == []


async def test_no_pod_reads_a_source_that_cannot_be_staged() -> None:
    world = world_of({"a": OK, "b": MISSING, "c": ARCHIVED})
    visited: list[str] = []
    visit = world.store.visit

    def seen(method: str, url: str, *arguments: object, **more: object) -> tuple[int, bytes]:
        visited.append(url)
        return visit(method, url, *arguments, **more)  # type: ignore[arg-type]

    world.store.visit = seen  # type: ignore[method-assign]
    assert await outcome(world, ["a", "b", "c"], 2) == "None IMG_010 IMG_011"
    assert not [url for url in visited if "uploads/" in url]
    items = world.job.status.items
    assert items
    assert (items.total, items.succeeded, items.failed) == (3, 1, 2)


async def test_a_run_in_which_no_source_can_be_staged_may_succeed() -> None:
    world = world_of({"a": MISSING, "b": DENIED})
    assert await outcome(world, ["a", "b"], 2) == "IMG_010 IMG_011"
    assert world.job.status.run
    assert world.job.status.run.outcome == "SucceededWithFailures"


@pytest.mark.parametrize("tolerated", [0, 1])
async def test_a_validation_names_all_of_them(tolerated: int) -> None:
    world = world_of({"a": OK, "b": MISSING, "c": DENIED})
    create(world, ["a", "b", "c"], tolerated, run={"id": "1", "mode": "Validate"})
    await world.run()
    assert world.error() == "JOB_002/SourceNotFound"
    assert [(failure.item, failure.code) for failure in world.job.status.failures] == [
        ("uploads/b.jpg", "IMG_010"),
        ("uploads/c.jpg", "IMG_011"),
    ]
    report = json.loads(world.store.objects[world.job.status.report].data)
    listed = [(item["source"], item["error"]["code"]) for item in report["checks"][0]["items"]]
    assert listed == [("uploads/b.jpg", "IMG_010"), ("uploads/c.jpg", "IMG_011")]
    assert report["items"] == [], "or the next run would take it for a run that processed something"


async def test_a_validation_within_the_policy_says_what_would_fail() -> None:
    world = world_of({"a": OK, "b": MISSING})
    create(world, ["a", "b"], 1, run={"id": "1", "mode": "Validate"})
    await world.run()
    ready, items = world.job.status.condition("Ready"), world.job.status.items
    assert ready
    assert items
    assert (ready.reason, items.total, items.failed) == ("Validated", 2, 1)
    assert "1 of 2 sources cannot be staged, which spec.failurePolicy allows" in ready.message


async def test_a_refusal_by_the_whole_store_fails_the_run_and_names_the_source() -> None:
    world = world_of({"a": OK, "b": OK})
    world.store.hooks.fail(StoreDenied("InvalidAccessKeyId: unknown"), "copy", "in/000001")
    create(world, ["a", "b"], 2)
    await world.run()
    assert world.error() == "JOB_002/AccessDenied"
    error = world.job.status.error
    assert error
    assert "the source 'uploads/b.jpg': InvalidAccessKeyId" in error.message


@pytest.mark.parametrize("state", [ARCHIVED, GONE])
async def test_sources_that_are_read_where_they_are_fail_in_the_same_way(state: str) -> None:
    world = world_of({"a": OK, "b": state})
    if state == GONE:
        world.store.hooks.install(gone_after_staging(world))
    assert await outcome(world, ["a", "b"], 1, staging={"mode": "Reference"}) == f"None {CODES[state]}"


def gone_after_staging(world: World) -> Hook:
    async def hook(operation: str, about: str, done: bool) -> None:
        if operation == "put" and about.endswith("manifest.json"):
            world.store.objects.pop("shop/uploads/b.jpg", None)

    return hook


async def test_a_second_try_does_not_forget_what_was_allowed() -> None:
    """The copies of the first try are there; only the refused source is left."""
    world = world_of({"a": OK, "b": ARCHIVED})
    world.store.hooks.fail(StoreUnavailable("away"), "put", "manifest.json", times=1)
    assert await outcome(world, ["a", "b"], 1) == "None IMG_011"


@pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("tolerated", [0, 1])
async def test_the_outcome_is_the_same_wherever_the_operator_dies(tolerated: int, after_effect: bool) -> None:
    async def run(world: World) -> None:
        create(world, ["a", "none"], tolerated)
        await world.run()

    async for world, where in killed_everywhere(after_effect, run):
        assert world.error() == ("" if tolerated else "JOB_002/SourceNotFound"), where
        assert [failure.item for failure in world.job.status.failures] == ["uploads/none.jpg"], where
        assert reported(world) == {"uploads/a.jpg": None, "uploads/none.jpg": "IMG_010"}, where
        assert world.staged() == [], where
