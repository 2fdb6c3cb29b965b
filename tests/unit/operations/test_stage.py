"""Staging: every source is copied once, the manifest is written last, a second try continues."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from fakes.build import PREFIX, job, spec, status
from fakes.memory_store import MemoryStore, key_of
from fakes.memory_web import downloader
from fakes.telemetry import CountingTelemetry
from fakes.world import World
from imagejob_contract.order import Order
from imagejob_operator.api.phase import Phase
from imagejob_operator.decision.action import Launch
from imagejob_operator.decision.operation import Stage, Staged
from imagejob_operator.documents.staging import input_key, manifest_key, order_key, read_manifest
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.manifest import manifest_head
from imagejob_operator.operations.processing.orders import write_order
from imagejob_operator.operations.staging.stage import stage
from imagejob_operator.ports.object_store import (
    ObjectChanged,
    ObjectHeaders,
    StoredObject,
    StoreUnavailable,
)

KEYS = {"keys": ["uploads/a.jpg", "uploads/b.png"]}
MATCH = {"match": {"prefix": "uploads/", "include": ["**/*.jpg"], "exclude": ["**/no/**"]}}


HEADERS = ObjectHeaders("image/x", metadata={"a": "1"})


def store_with(*keys: str) -> MemoryStore:
    store = MemoryStore()
    for key in keys:
        store.set(f"shop/{key}", f"bytes of {key}".encode(), headers=HEADERS)
    return store


async def staged(store: MemoryStore, source: dict[str, Any], **more: Any) -> Staged:
    of = job(status(Phase.STAGING), spec(source=source, **more))
    return await stage(store, downloader(), CountingTelemetry(), FreshRuns(), of, Stage(PREFIX))


async def refused(store: MemoryStore, source: dict[str, Any], **more: Any) -> str:
    with pytest.raises(OperationFailed) as refusal:
        await staged(store, source, **more)
    assert manifest_key(PREFIX) not in store.objects
    failure = refusal.value.failure
    return f"{failure.code}/{failure.reason}: {failure.message}"


def sources(store: MemoryStore) -> list[str]:
    return [item.source for item in read_manifest(store.objects[manifest_key(PREFIX)].data).items]


async def test_keys_are_copied_in_their_order() -> None:
    store = store_with("uploads/b.png", "uploads/a.jpg")
    done = await staged(store, KEYS)
    assert sources(store) == KEYS["keys"]
    assert store.objects[input_key(PREFIX, 1)].data == b"bytes of uploads/b.png"
    assert (done.items, done.objects, done.bytes) == (2, 2, 2 * len("bytes of uploads/a.jpg"))


async def test_the_manifest_is_written_last() -> None:
    store = store_with("uploads/a.jpg", "uploads/b.png")
    await staged(store, KEYS)
    written = [key for operation, key in store.hooks.calls if operation in ("put", "copy")]
    assert written[-1] == manifest_key(PREFIX)
    assert len(written) == 3


async def test_a_match_takes_what_its_globs_say_and_no_folders() -> None:
    store = store_with("uploads/a.jpg", "uploads/x/b.jpg", "uploads/no/c.jpg", "uploads/d.png", "other/e.jpg")
    store.set("shop/uploads/folder.jpg/", b"")
    await staged(store, MATCH)
    assert sources(store) == ["uploads/a.jpg", "uploads/x/b.jpg"]


async def test_other_namespaces_are_never_looked_into() -> None:
    store = store_with("uploads/a.jpg")
    store.set("shop2/uploads/b.jpg", b"not ours")
    await staged(store, {"match": {"prefix": "uploads/"}})
    assert sources(store) == ["uploads/a.jpg"]


async def test_inline_files_are_written() -> None:
    store = store_with()
    data = base64.b64encode(b"picture").decode()
    await staged(store, {"inline": [{"name": "logo.png", "data": data}]})
    assert store.objects[input_key(PREFIX, 0)].data == b"picture"
    assert store.objects[input_key(PREFIX, 0)].headers.content_type == "application/octet-stream"


@pytest.mark.parametrize(
    ("present", "source", "more", "wanted"),
    [
        ([], MATCH, {}, "JOB_002/SourceEmpty: spec.source.match: no object exists under 'shop/uploads/'"),
        (["uploads/a.jpg", "uploads/b.jpg", "uploads/folder/"],
         {"match": {"prefix": "uploads/", "include": ["uploads/*.gif", "*.jpg"]}}, {},
         "JOB_002/SourceEmpty: spec.source.match: none of 2 objects under 'shop/uploads/' matches include "
         "and exclude; globs match the whole key, not only the name: use '**/*.jpg' instead of '*.jpg'"),
        (["uploads/a.jpg"], {"match": {"prefix": "uploads/", "exclude": ["**/*"]}}, {},
         "JOB_002/SourceEmpty: spec.source.match: none of 1 objects under 'shop/uploads/' matches"),
        (["up/web/x.jpg", "up/web/web/x.jpg"], {"match": {"prefix": "up/web/"}},
         {"destination": {"prefix": "up/"}},
         "JOB_001/KeyCollision: spec.destination: the output 'up/web/x-web.webp' would be a source of the "
         "next run, because it matches spec.source.match under 'up/web/'"),
        (["up/web/x.jpg", "up/web/web/x.jpg"], {"match": {"prefix": "up/web/", "include": ["**/*.jpg"]}},
         {"destination": {"prefix": "up/"}}, ""),
        (["uploads/1", "uploads/2"], {"match": {"prefix": "uploads/", "maxItems": 1}}, {},
         "JOB_002/TooManyItems: spec.source.match: the objects that match under 'uploads/' exceed"),
        (["uploads/a.jpg", "uploads/b.png"], KEYS, {"destination": {"keyTemplate": "{rendition}"}},
         "JOB_001/KeyCollision: spec.destination.keyTemplate: 'uploads/b.png'"),
        (["uploads/a.jpg", "uploads/b.png", "uploads/a-web.webp"],
         {"keys": ["uploads/a.jpg", "uploads/a-web.webp"]}, {"destination": {}},
         "JOB_001/KeyCollision: spec.destination: the output 'uploads/a-web.webp' would overwrite a source"),
        ([], {"inline": [{"name": "a", "data": "AAA="}]}, {"destination": {"keyTemplate": "{stem}/x"}}, ""),
    ],
    ids=["empty", "globs", "excluded", "leads-back", "leads-back-unmatched", "too-many", "collision",
         "overwrites-source", "inline-fine"],
)  # fmt: skip
async def test_what_cannot_be_staged_is_reported(
    present: list[str], source: dict[str, Any], more: dict[str, Any], wanted: str
) -> None:
    store = store_with(*present)
    if wanted:
        assert (await refused(store, source, **more)).startswith(wanted)
    else:
        await staged(store, source, **more)


async def test_it_goes_on_from_where_it_was_left() -> None:
    store = store_with("uploads/a.jpg", "uploads/b.png")
    store.hooks.fail(StoreUnavailable("away"), "copy", about="in/000001", times=1)
    with pytest.raises(StoreUnavailable):
        await staged(store, KEYS)
    copied = store.hooks.count("copy")
    await staged(store, KEYS)
    again = [key for operation, key in store.hooks.calls if operation == "copy"][copied:]
    assert input_key(PREFIX, 1) in again
    assert (input_key(PREFIX, 0) in again) == (input_key(PREFIX, 0) not in store.objects)


async def test_what_is_staged_to_the_end_is_not_touched_again() -> None:
    store = store_with("uploads/a.jpg", "uploads/b.png")
    first = await staged(store, KEYS)
    del store.objects["shop/uploads/a.jpg"]
    writes = store.hooks.count("put", "copy")
    assert await staged(store, KEYS) == first
    assert store.hooks.count("put", "copy") == writes


async def test_a_half_staged_copy_of_another_source_is_replaced() -> None:
    store = store_with("uploads/a.jpg", "uploads/b.png")
    store.set(input_key(PREFIX, 0), b"of a listing that looked otherwise")
    await staged(store, KEYS)
    assert store.objects[input_key(PREFIX, 0)].data == b"bytes of uploads/a.jpg"


async def test_a_source_overwritten_during_staging_is_used_in_its_new_state() -> None:
    store = store_with("uploads/a.jpg", "uploads/b.png")

    async def rewrite(operation: str, about: str, done: bool) -> None:
        if operation == "copy" and about.endswith("in/000000") and not done:
            store.hooks.remove(rewrite)
            store.set("shop/uploads/a.jpg", b"a new one")

    store.hooks.install(rewrite)
    await staged(store, KEYS)
    assert store.objects[input_key(PREFIX, 0)].data == b"a new one"
    manifest = read_manifest(store.objects[manifest_key(PREFIX)].data)
    assert manifest.items[0].etag == store.objects[input_key(PREFIX, 0)].etag


async def test_a_source_that_will_not_hold_still_is_tried_again_later() -> None:
    store = store_with("uploads/a.jpg", "uploads/b.png")

    async def rewrite(operation: str, about: str, done: bool) -> None:
        if operation == "copy" and about.endswith("in/000000") and not done:
            store.set("shop/uploads/a.jpg", store.objects["shop/uploads/a.jpg"].data + b"!")

    store.hooks.install(rewrite)
    with pytest.raises(ObjectChanged):
        await staged(store, KEYS)
    assert manifest_key(PREFIX) not in store.objects


class Sized(MemoryStore):
    """A store that reports a larger size for one object."""

    size = 0

    def _seen(self, key: str) -> StoredObject:
        seen = super()._seen(key)
        return replace(seen, size=self.size) if key == "shop/uploads/b.png" else seen


@pytest.mark.parametrize("source", [KEYS, {"match": {"prefix": "uploads/"}}], ids=["keys", "match"])
@pytest.mark.parametrize("size", [1025, 6 * 1024**3], ids=["a-byte-too-many", "six-gibibytes"])
async def test_what_no_pod_will_take_is_not_copied(source: dict[str, Any], size: int) -> None:
    """It fails as an item: its Pod reads the source itself, and checks its size."""
    store = Sized()
    store.size = size
    for key in ("uploads/a.jpg", "uploads/b.png"):
        store.set(f"shop/{key}", f"bytes of {key}".encode())
    done = await staged(store, source, limits={"itemSize": "1Ki"})
    assert (done.items, done.objects, done.bytes) == (2, 1, len("bytes of uploads/a.jpg"))
    assert [key for operation, key in store.hooks.calls if operation == "copy"] == [input_key(PREFIX, 0)]
    too_large = read_manifest(store.objects[manifest_key(PREFIX)].data).items[1]
    assert (too_large.key, too_large.size) == ("shop/uploads/b.png", size)
    launching = status(Phase.LAUNCHING, items=2, per_shard=2)
    of = job(launching, spec(source=source, limits={"itemSize": "1Ki"}))
    await write_order(store, of, await manifest_head(store, PREFIX), Launch(PREFIX, 0, 1), timedelta(hours=1))
    order = msgspec.json.decode(store.objects[order_key(PREFIX, 0, 1)].data, type=Order)
    assert [key_of(item.url) for item in order.items] == [input_key(PREFIX, 0), "shop/uploads/b.png"]
    assert order.items[1].etag == too_large.etag


async def test_what_a_store_cannot_copy_in_one_request_is_read_where_it_is() -> None:
    store = Sized()
    store.size = 5 * 1024**3 + 1
    for key in ("uploads/a.jpg", "uploads/b.png"):
        store.set(f"shop/{key}", b"bytes")
    await staged(store, KEYS, limits={"itemSize": "6Gi"})
    assert [key for operation, key in store.hooks.calls if operation == "copy"] == [input_key(PREFIX, 0)]
    manifest = read_manifest(store.objects[manifest_key(PREFIX)].data)
    assert [item.key for item in manifest.items] == ["", "shop/uploads/b.png"]


async def test_a_source_deleted_while_it_is_staged_fails_its_item() -> None:
    """See test_refused_sources.py for other refusals."""
    store = store_with("uploads/a.jpg", "uploads/b.png")

    async def delete(operation: str, about: str, done: bool) -> None:
        if operation == "copy" and about.endswith("in/000000") and not done:
            store.objects.pop("shop/uploads/a.jpg", None)

    store.hooks.install(delete)
    done = await staged(store, KEYS)
    assert (done.items, done.objects, done.failed) == (2, 1, 1)
    assert [(failure.item, failure.code) for failure in done.failures] == [("uploads/a.jpg", "IMG_010")]
    manifest = read_manifest(store.objects[manifest_key(PREFIX)].data)
    assert [item.error.code if item.error else "" for item in manifest.items] == ["IMG_010", ""]
    assert await staged(store, KEYS) == done, "it is read from the manifest"


PREFIXES = {
    "both end with a slash": ("uploads/", "catalog/", ""),
    "neither does": (
        "uploads/a",
        "catalog/mine",
        "spec.source.match.prefix 'uploads/a' does not end with '/': every key that begins with it matches, "
        "and {dir} is relative to 'uploads/'; spec.destination.prefix 'catalog/mine' does not end with '/': "
        "output keys go on in its last segment",
    ),
}


@pytest.mark.parametrize(("prefix", "destination", "wanted"), PREFIXES.values(), ids=PREFIXES)
async def test_a_prefix_without_a_slash_is_noted(prefix: str, destination: str, wanted: str) -> None:
    more: dict[str, Any] = {
        "source": {"match": {"prefix": prefix}},
        "destination": {"prefix": destination},
    }
    world = World()
    world.create(**more)
    await world.run()
    found = world.job.status.condition("Staged")
    assert found
    assert (found.status, found.message) == ("True", wanted)
    validated = World()
    validated.create(**more, run={"id": "1", "mode": "Validate"})
    await validated.run()
    report = json.loads(validated.store.objects[validated.job.status.report].data)
    assert report["checks"][0]["message"].endswith(wanted or "their output keys are unique")


INCLUDE = (
    "spec.source.match.include: globs match the whole key, not only the name, and exclude removes keys; "
    "no source is left for"
)
GLOBS = {
    "each selects a source": (["**/*.jpg", "**/*.png"], [], ""),
    "one selects none": (
        ["**/*.jpg", "*.png", "**/*.gif"],
        [],
        f"{INCLUDE} '*.png', '**/*.gif'",
    ),
    "the sources of one are excluded": (
        ["**/*.jpg", "**/*.png"],
        ["**/b.*"],
        f"{INCLUDE} '**/*.png'",
    ),
    "many select none": (
        ["**/*.jpg", *(f"{number}.gif" for number in range(5))],
        [],
        f"{INCLUDE} '0.gif', '1.gif', '2.gif' and 2 more",
    ),
    "an exclude glob may match nothing": (["**/*.jpg"], ["**/*.gif"], ""),
}


@pytest.mark.parametrize("last", ["uploads/a.jpg", "uploads/z.jpg"])
@pytest.mark.parametrize(("include", "exclude", "wanted"), GLOBS.values(), ids=GLOBS)
async def test_a_glob_that_selects_nothing_beside_others_is_noted(
    include: list[str], exclude: list[str], wanted: str, last: str
) -> None:
    store = store_with("uploads/b.png", *(f"uploads/{number:03d}.jpg" for number in range(150)), last)
    source = {"match": {"prefix": "uploads/", "include": include, "exclude": exclude}}
    done = await staged(store, source)
    assert done.note == wanted
    assert await staged(store, source) == done, "it is read from the manifest"


async def test_a_validation_notes_it_too() -> None:
    world = World()
    match = {"prefix": "uploads/", "include": ["**/*.jpg", "**/*.png", "*.gif"]}
    world.create(source={"match": match}, run={"id": "1", "mode": "Validate"})
    await world.run()
    report = json.loads(world.store.objects[world.job.status.report].data)
    found = report["checks"][0]["message"]
    assert found == f"found 2 items; their output keys are unique; {INCLUDE} '*.gif'"
