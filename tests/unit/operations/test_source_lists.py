"""Sources by a list: copied when staging begins; every error names line and value."""

from __future__ import annotations

import pytest

from fakes.build import NOW, PREFIX, job, spec, status
from fakes.memory_store import MemoryStore
from fakes.memory_web import downloader
from fakes.telemetry import CountingTelemetry
from fakes.world import World, killed_everywhere
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.decision.operation import Stage, Staged
from imagejob_operator.documents.source_list import MAX_LIST_BYTES
from imagejob_operator.documents.staging import input_key, list_key, manifest_key, read_manifest
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.staging.finding import LISTED_FROM
from imagejob_operator.operations.staging.stage import stage
from imagejob_operator.ports.object_store import ObjectChanged, StoredObject, StoreUnavailable

LIST = {"list": {"key": "lists/spring"}}
LINES = b'uploads/b.png\n\n{"key": "uploads/a.jpg"}\n'


def store_with(lines: bytes = LINES) -> MemoryStore:
    store = MemoryStore()
    for key in ("uploads/a.jpg", "uploads/b.png", "uploads/c.jpg"):
        store.set(f"shop/{key}", f"bytes of {key}".encode())
    store.set("shop/lists/spring", lines)
    return store


async def staged(store: MemoryStore) -> Staged:
    of = job(status(Phase.STAGING), spec(source=LIST))
    return await stage(store, downloader(), CountingTelemetry(), FreshRuns(), of, Stage(PREFIX))


async def refused(store: MemoryStore) -> str:
    with pytest.raises(OperationFailed) as refusal:
        await staged(store)
    failure = refusal.value.failure
    return f"{failure.code}/{failure.reason}: {failure.message}"


def sources(store: MemoryStore) -> list[str]:
    return [item.source for item in read_manifest(store.objects[manifest_key(PREFIX)].data).items]


async def test_items_come_in_the_order_of_the_lines() -> None:
    store = store_with()
    assert (await staged(store)).items == 2
    assert sources(store) == ["uploads/b.png", "uploads/a.jpg"]
    assert store.objects[input_key(PREFIX, 1)].data == b"bytes of uploads/a.jpg"


async def test_the_list_stays_as_it_was_when_staging_began() -> None:
    store = store_with()
    store.hooks.fail(StoreUnavailable("away"), "copy", about="in/", times=1)
    with pytest.raises(StoreUnavailable):
        await staged(store)
    store.set("shop/lists/spring", b"uploads/c.jpg\n")
    await staged(store)
    assert sources(store) == ["uploads/b.png", "uploads/a.jpg"]


async def test_a_list_that_changes_while_it_is_pinned_is_taken_again() -> None:
    store = store_with()

    async def rewrite(operation: str, about: str, done: bool) -> None:
        if operation == "copy" and about == list_key(PREFIX) and not done:
            store.hooks.remove(rewrite)
            store.set("shop/lists/spring", b"uploads/c.jpg\n")

    store.hooks.install(rewrite)
    with pytest.raises(ObjectChanged):
        await staged(store)
    await staged(store)
    assert sources(store) == ["uploads/c.jpg"]


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (b"", "JOB_002/SourceEmpty: spec.source.list: 'lists/spring' is empty"),
        (b"\n\n", "JOB_002/SourceEmpty"),
        (b"uploads/a.jpg\n../x\n", "JOB_001/InvalidSpec: spec.source.list: line 2 of 'lists/spring': '../x'"),
        (b'uploads/a.jpg\n"uploads/a.jpg"\n', "JOB_001/KeyCollision: spec.source.list: line 2 of 'lists/"),
        (b"uploads/a.jpg\n{\n", "JOB_001/InvalidSpec: spec.source.list: line 2 of 'lists/spring': '{'"),
        (b"\n".join(b"%d" % n for n in range(100_001)),
         "JOB_002/TooManyItems: spec.source.list: line 100001 of 'lists/spring': the list exceeds"),
    ],
    ids=["empty", "blank", "climbs", "twice", "broken", "too-many"],
)  # fmt: skip
async def test_an_error_names_its_line(lines: bytes, wanted: str) -> None:
    store = store_with(lines)
    assert (await refused(store)).startswith(wanted)
    assert not [key for key in store.keys(PREFIX) if "/in/" in key]


async def test_a_key_without_an_object_is_a_failed_item_that_names_its_line() -> None:
    store = store_with(b"uploads/a.jpg\nuploads/no.jpg\n")
    [failure] = (await staged(store)).failures
    assert (failure.item, failure.code) == ("uploads/no.jpg", "IMG_010")
    assert failure.message.startswith("spec.source.list: line 2: there is no object 'uploads/no.jpg'")
    assert sources(store) == ["uploads/a.jpg", "uploads/no.jpg"]


async def test_no_output_takes_the_place_of_the_list() -> None:
    store = store_with()
    destination = {"prefix": "lists/", "keyTemplate": "spring"}
    of = job(status(Phase.STAGING), spec(source=LIST, destination=destination))
    store.set("shop/lists/spring", b"uploads/a.jpg")
    with pytest.raises(OperationFailed, match="'lists/spring' would overwrite a source"):
        await stage(store, downloader(), CountingTelemetry(), FreshRuns(), of, Stage(PREFIX))


async def test_a_run_has_no_more_outputs_than_its_report_can_name() -> None:
    store = store_with(b"\n".join(b"uploads/%d.jpg" % n for n in range(10_001)))
    for number in range(10_001):
        store.set(f"shop/uploads/{number}.jpg", b"x")
    many = [{"name": f"r{n}", "output": {"format": "JPEG"}} for n in range(32)]
    of = job(status(Phase.STAGING), spec(source=LIST, renditions=many))
    with pytest.raises(OperationFailed, match="each would create 320032 outputs") as refusal:
        await stage(store, downloader(), CountingTelemetry(), FreshRuns(), of, Stage(PREFIX))
    assert refusal.value.failure.reason is Reason.TOO_MANY_ITEMS


async def test_no_list_and_a_list_that_is_no_list() -> None:
    store = store_with()
    del store.objects["shop/lists/spring"]
    assert (await refused(store)).startswith("JOB_002/SourceNotFound: spec.source.list: there is no object")

    class Huge(MemoryStore):
        async def stat(self, key: str) -> StoredObject:
            if key == "shop/lists/spring":
                return StoredObject(key, MAX_LIST_BYTES + 1, "etag", NOW)
            return await super().stat(key)

    failure = await refused(Huge())
    assert failure.startswith("JOB_002/SourceTooLarge: spec.source.list: 'lists/spring' has 67108865 bytes")


async def test_a_list_of_another_namespace_is_out_of_reach() -> None:
    store = store_with()
    del store.objects["shop/lists/spring"]
    store.set("shop2/lists/spring", LINES)
    assert (await refused(store)).startswith("JOB_002/SourceNotFound")


@pytest.mark.parametrize("after_effect", [False, True], ids=["before", "after"])
async def test_it_succeeds_once_wherever_the_operator_dies(after_effect: bool) -> None:
    async def run(world: World) -> None:
        world.store.set("shop/lists/spring", LINES)
        world.create(source=LIST, execution={"itemsPerPod": 50})
        await world.run()

    async for world, where in killed_everywhere(after_effect, run):
        assert world.job.status.phase == "Succeeded", where
        assert len(world.store.keys("shop/catalog/")) == 2, where
        assert world.staged() == [], where


async def test_many_keys_are_found_by_listing_and_only_the_others_are_asked_for() -> None:
    keys = [f"uploads/{number:03}.jpg" for number in range(LISTED_FROM)]
    store = store_with("\n".join([*keys, "uploads/lost.jpg"]).encode())
    for key in keys:
        store.set(f"shop/{key}", b"x")
    assert (await staged(store)).failed == 1
    asked = [key for call, key in store.hooks.calls if call == "stat" and key.startswith("shop/uploads/")]
    assert asked == ["shop/uploads/lost.jpg"]


async def test_a_listed_source_is_staged_as_one_that_was_asked_for() -> None:
    keys = [f"uploads/{number:03}.jpg" for number in range(LISTED_FROM)]
    store = store_with("\n".join(reversed(keys)).encode())
    for key in keys:
        store.set(f"shop/{key}", key.encode())
    assert (await staged(store)).items == LISTED_FROM
    assert sources(store) == keys[::-1]
    assert store.objects[input_key(PREFIX, 1)].data == keys[-2].encode()
    items = read_manifest(store.objects[manifest_key(PREFIX)].data).items
    assert {item.identity for item in items} == {store.objects[f"shop/{key}"].etag for key in keys}
