"""Objects that exist at output keys: how they are found, and what is known of them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fakes.build import KEY, RUN_UID, UID, at_phase, job, spec, status
from fakes.memory_store import MemoryStore
from imagejob_contract.result import ImageFacts
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob, whole_spec
from imagejob_operator.api.phase import Phase
from imagejob_operator.documents.report import ReportItem, ReportOutput, encode_report
from imagejob_operator.naming.prefixes import report_key
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.listed import listed_objects
from imagejob_operator.operations.object_metadata import CONTENT, FACTS, RUN
from imagejob_operator.operations.publishing.report import make_report
from imagejob_operator.operations.staging.existing_outputs import (
    Candidate,
    existing_objects,
    overwrite_refused,
    own_outputs,
    skip_unchanged,
)
from imagejob_operator.operations.staging.sources import StoredSource
from imagejob_operator.ports.object_store import ObjectHeaders, StoredObject

ROOT = "shop/"


def store_with(*keys: str, **metadata: str) -> MemoryStore:
    store = MemoryStore()
    for key in keys:
        store.set(f"{ROOT}{key}", b"bytes", headers=ObjectHeaders("image/webp", metadata=metadata))
    return store


# --- finding them ------------------------------------------------------------------------------------------


async def test_one_listing_of_what_the_keys_have_in_common_finds_them() -> None:
    store = store_with("out/a", "out/b", "out/c", "other")
    found = await existing_objects(store, ROOT, ["out/a", "out/c", "out/d"])
    assert {key: stored.key for key, stored in found.items()} == {
        "out/a": "shop/out/a",
        "out/c": "shop/out/c",
    }
    assert store.hooks.calls == [("list", "shop/out/")]


async def test_without_keys_nothing_is_asked() -> None:
    store = store_with("out/a")
    assert await existing_objects(store, ROOT, []) == {}
    assert store.hooks.calls == []


@pytest.mark.parametrize(
    ("listed", "per_key", "stats"),
    [(1, 1, []), (0, 2, []), (3, 0, ["z"]), (0, 1, ["z"]), (2, 0, ["y", "z"]), (1, 0, ["b", "y", "z"])],
)
async def test_a_listing_ends_at_its_limit_and_the_other_keys_are_read(
    listed: int, per_key: int, stats: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{listed_objects.__module__}.MAX_LISTED", listed)
    monkeypatch.setattr(f"{listed_objects.__module__}.MAX_LISTED_PER_KEY", per_key)
    store = store_with("a", "b", "y")
    found = await existing_objects(store, ROOT, ["z", "y", "b"])
    asked = [key.removeprefix(ROOT) for name, key in store.hooks.calls if name == "stat"]
    assert sorted(found) == ["b", "y"]
    assert asked == stats


async def test_only_objects_that_the_run_wrote_are_its_own() -> None:
    store = store_with("a", **{RUN: RUN_UID})
    store.set(f"{ROOT}b", b"bytes", headers=ObjectHeaders("image/webp", metadata={RUN: "another"}))
    store.set(f"{ROOT}c", b"bytes")
    found = await own_outputs(store, job(status(Phase.PUBLISHING)), ["a", "b", "c", "d"])
    assert [(key, stored.metadata) for key, stored in found.items()] == [("a", {RUN: RUN_UID})]


# --- Never -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("more", "others"), [(0, ""), (1, " (and 1 more)"), (2, " (and 2 more)")])
def test_the_message_of_a_refused_overwrite(more: int, others: str) -> None:
    text = (
        f"spec.destination.overwrite Never: an object that this run did not write exists at 'a'{others}; "
        "delete it, choose another prefix, or set overwrite to IfDifferent or Always"
    )
    error = overwrite_refused("a", more)
    assert error.failure == Failure(Code.PUBLISH, Reason.OVERWRITE_REFUSED, text)
    assert not error.transient


def of(overwrite: str, epoch: int = 1) -> ImageJob:
    current = status(Phase.STAGING)
    run = msgspec.structs.replace(current.run, epoch=epoch) if current.run else None
    wanted = spec(destination={"prefix": "catalog/", "overwrite": overwrite})
    return job(msgspec.structs.replace(current, run=run), wanted)


def candidates(of: ImageJob, *names: str, identity: str = "etag") -> list[Candidate]:
    sources = [StoredSource(ROOT, name, identity, 9) for name in names]
    return [Candidate(place, source) for place, source in enumerate(sources)]


A, B = "catalog/a-web.webp", "catalog/b-web.webp"


@pytest.mark.parametrize(
    ("epoch", "there", "refused"),
    [(1, {}, ""), (1, {A: RUN_UID, B: "x"}, f"{A}+1"), (2, {A: RUN_UID, B: "x"}, B), (2, {A: RUN_UID}, "")],
)
async def test_what_the_run_wrote_in_an_earlier_epoch_may_be_overwritten(
    epoch: int, there: dict[str, str], refused: str
) -> None:
    store = MemoryStore()
    for key, run in there.items():
        store.set(f"{ROOT}{key}", b"x", headers=ObjectHeaders("image/webp", metadata={RUN: run}))
    of_epoch = of("Never", epoch)
    items = candidates(of_epoch, "a.jpg", "b.jpg")
    if not refused:
        assert await skip_unchanged(store, of_epoch, whole_spec(of_epoch), items) == (items, [])
        return
    with pytest.raises(OperationFailed) as caught:
        await skip_unchanged(store, of_epoch, whole_spec(of_epoch), items)
    key, _, more = refused.partition("+")
    assert caught.value.failure == overwrite_refused(key, int(more or 0)).failure


# --- IfDifferent -------------------------------------------------------------------------------------------

KEEP = of("IfDifferent")
LOOKS = ImageFacts("JPEG", 3, 2, "00ff00ff00ff00ff", "#102030", "1QcSHQRnh493V4dIh4eXh1h4kJUI")


def output(item: Candidate, stored: StoredObject, **changed: Any) -> ReportOutput:
    """The output of an item as the report of an earlier run has it."""
    planned = item.outputs(whole_spec(KEEP))[0]
    made = ReportOutput(
        "old-name", planned.key, "image/old", stored.size, 3, 2, "d" * 64, stored.etag, planned.content_key
    )
    return msgspec.structs.replace(made, **changed)


def report(
    store: MemoryStore, *items: ReportItem, place: str = "memory://bucket/shop/", run: int = 1
) -> None:
    made = make_report(job(at_phase(Phase.SUCCEEDED)), store._clock(), "Succeeded", items, place, "y")
    store.set(report_key(KEY.namespace, KEY.name, UID, run, RUN_UID), encode_report(made))


async def skipped(store: MemoryStore, items: list[Candidate]) -> tuple[list[int], list[ReportItem]]:
    changed, unchanged = await skip_unchanged(store, KEEP, whole_spec(KEEP), items)
    return [item.place for item in changed], unchanged


async def test_an_output_that_a_report_has_is_kept_with_what_it_says_of_the_source() -> None:
    store = MemoryStore()
    first, second = items = candidates(KEEP, "a.jpg", "b.jpg")
    stored = store.set(f"{ROOT}{A}", b"bytes")
    report(store, ReportItem("old.jpg", 1, (output(first, stored),), sha256="s" * 64, image=LOOKS))
    named = output(first, stored, rendition="web", type="image/webp")
    kept = ReportItem("a.jpg", 9, (named,), skipped=True, sha256="s" * 64, image=LOOKS)
    assert await skipped(store, items) == ([second.place], [kept])
    assert store.hooks.count("stat") == 0


@pytest.mark.parametrize(
    ("changed", "place"),
    [
        ({"etag": "another"}, "memory://bucket/shop/"),
        ({"bytes": 6}, "memory://bucket/shop/"),
        ({"content": ""}, "memory://bucket/shop/"),
        ({"content": "another"}, "memory://bucket/shop/"),
        ({"key": "another"}, "memory://bucket/shop/"),
        ({}, "memory://other/shop/"),
    ],
    ids=["etag", "size", "no-content", "content", "key", "place"],
)
async def test_a_report_of_another_object_proves_nothing(changed: dict[str, Any], place: str) -> None:
    store = MemoryStore()
    (first,) = items = candidates(KEEP, "a.jpg")
    report(
        store,
        ReportItem("a.jpg", 1, (output(first, store.set(f"{ROOT}{A}", b"bytes"), **changed),)),
        place=place,
    )
    assert await skipped(store, items) == ([0], [])


async def test_an_object_without_a_report_is_known_by_its_metadata() -> None:
    (first,) = items = candidates(KEEP, "a.jpg")
    metadata = {FACTS: f"3x2/5/{'d' * 64}", CONTENT: first.outputs(whole_spec(KEEP))[0].content_key}
    store = store_with(A, **metadata)
    stored = await store.stat(f"{ROOT}{A}")
    kept = ReportItem("a.jpg", 9, (output(first, stored, rendition="web", type="image/webp"),), skipped=True)
    assert await skipped(store, items) == ([], [kept])


async def test_the_first_item_of_the_newest_report_counts() -> None:
    store = MemoryStore()
    (first,) = items = candidates(KEEP, "a.jpg")
    stored = store.set(f"{ROOT}{A}", b"bytes")
    made = output(first, stored)
    report(store, ReportItem("x", 1, (made,), sha256="1" * 64), ReportItem("y", 1, (made,), sha256="2" * 64))
    _, (kept,) = await skipped(store, items)
    assert kept.sha256 == "1" * 64


async def test_a_source_whose_bytes_are_not_known_is_processed() -> None:
    store = MemoryStore()
    (first,) = items = candidates(KEEP, "a.jpg", identity="")
    report(store, ReportItem("a.jpg", 1, (output(first, store.set(f"{ROOT}{A}", b"bytes")),)))
    assert await skipped(store, items) == ([0], [])


async def test_always_asks_nothing() -> None:
    store, always = store_with(A), of("Always")
    items = candidates(always, "a.jpg")
    assert await skip_unchanged(store, always, whole_spec(always), items) == (items, [])
    assert store.hooks.calls == []
