"""A store that cannot write each key in its listings: it lists some objects by a key that no object has."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from fakes.memory_store import MemoryStore
from fakes.world import World
from imagejob_operator.naming.listed_keys import listed_as
from imagejob_operator.operations.staging.existing_outputs import existing_objects
from imagejob_operator.ports.object_store import StoredObject
from unit.operations.test_refused_sources import reported

BAD, AND_BAD = "uploads/a\x01.jpg", "uploads/a\x1f.jpg"


class Unencoded(MemoryStore):
    """Ignores encoding-type=url, as versitygw does."""

    async def walk(self, prefix: str) -> AsyncIterator[StoredObject]:
        async for found in super().walk(prefix):
            yield replace(found, key=prefix + listed_as(found.key.removeprefix(prefix)))


def world_of(*keys: str) -> World:
    world = World(sources={key: key.encode() for key in keys})
    world.store.__class__ = Unencoded
    return world


@pytest.mark.parametrize("mode", ["Copy", "Reference"])
async def test_such_a_source_of_a_match_fails_at_once_and_the_others_are_processed(mode: str) -> None:
    world = world_of(BAD, AND_BAD, "uploads/ab.jpg")
    begun = world.clock()
    match = {"prefix": "uploads/"}
    world.create(source={"match": match}, staging={"mode": mode}, failurePolicy={"maxFailedItems": 1})
    await world.run()
    assert world.error() == ""
    # Two objects that are listed by the same key are one item.
    assert reported(world) == {"uploads/a\ufffd.jpg": "IMG_010", "uploads/ab.jpg": None}
    assert (world.clock() - begun).total_seconds() < 60


async def test_the_message_names_the_key_and_what_to_do() -> None:
    world = world_of(BAD, "uploads/ab.jpg")
    begun = world.clock()
    world.create(source={"match": {"prefix": "uploads/"}}, failurePolicy={"maxFailedItems": 0})
    await world.run()
    assert world.error() == "JOB_002/SourceNotFound"
    message = world.job.status.failures[0].message
    assert message == (
        r"spec.source.match: the store lists 'uploads/a\ufffd.jpg', where \ufffd stands for a control "
        "character, and does not say which (it ignores encoding-type=url); rename the object, or exclude it "
        "by a glob, which matches the whole key"
    )
    assert (world.clock() - begun).total_seconds() < 60


@pytest.mark.parametrize("match", [{"exclude": ["**/a?.jpg"]}, {"include": ["**/*b.jpg"]}])
async def test_a_glob_excludes_it(match: dict[str, list[str]]) -> None:
    world = world_of(BAD, "uploads/abb.jpg")
    world.create(source={"match": {"prefix": "uploads/", **match}}, failurePolicy={"maxFailedItems": 0})
    await world.run()
    assert reported(world) == {"uploads/abb.jpg": None}


async def test_a_key_that_has_the_character_itself_is_a_source() -> None:
    world = world_of("uploads/a\ufffd.jpg")
    world.create(source={"match": {"prefix": "uploads/"}})
    await world.run()
    assert reported(world) == {"uploads/a\ufffd.jpg": None}


async def test_outputs_that_exist_are_found_by_their_own_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or `overwrite: Never` would replace them."""
    store = Unencoded()
    for key in ("a\x01.webp", "ab.webp", "b.webp", "d\ufffd.webp"):
        store.set(f"shop/{key}", b"x")
    keys = ["a\x01.webp", "a\x02.webp", "a\ufffd.webp", "ab.webp", "b.webp", "c.webp", "d\ufffd.webp"]
    there = {"a\x01.webp", "ab.webp", "b.webp", "d\ufffd.webp"}
    assert set(await existing_objects(store, "shop/", keys)) == there
    monkeypatch.setattr("imagejob_operator.operations.listed.MAX_LISTED", 1)
    monkeypatch.setattr("imagejob_operator.operations.listed.MAX_LISTED_PER_KEY", 0)
    assert set(await existing_objects(store, "shop/", keys)) == there
