"""What every object store must do, one check for each promise of the port."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Protocol

import pytest

from imagejob_operator.ports.object_store import (
    CallNotSupported,
    Halted,
    ObjectChanged,
    ObjectHeaders,
    ObjectMissing,
    ObjectStore,
    PostForm,
    StoreDenied,
    StoredObject,
)
from imagejob_operator.ports.store_calls import check_calls

HOUR = timedelta(hours=1)
MANY = 1003
"""More than one page of a listing, and of a bulk delete."""

_numbers = itertools.count()


class Bench(Protocol):
    """A store, and somebody who has nothing but signed URLs."""

    store: ObjectStore

    def visit(
        self, verb: str, url: str, data: bytes = b"", if_none_match: bool = False
    ) -> tuple[int, bytes]: ...

    def visit_form(self, form: PostForm, key: str, data: bytes, content_type: str) -> int: ...

    def headers(self, key: str) -> tuple[str, Mapping[str, str]]:
        """Content type and headers of an object, by their lower-case names."""
        ...

    def tags(self, key: str) -> Mapping[str, str]: ...


Check = Callable[[Bench], Awaitable[None]]
CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    CHECKS[function.__name__] = function
    return function


NEEDS: dict[str, str] = {}
"""What a check needs of the store, if it is more than every store implements."""


def needs(feature: str) -> Callable[[Check], Check]:
    def note(function: Check) -> Check:
        NEEDS[function.__name__] = feature
        return function

    return note


def place() -> str:
    """A prefix that no other check uses."""
    return f"check-{next(_numbers)}/"


async def names(store: ObjectStore, prefix: str) -> list[str]:
    return [found.key async for found in store.walk(prefix)]


async def fill(store: ObjectStore, prefix: str, count: int) -> None:
    async def one(number: int) -> None:
        await store.put(f"{prefix}{number:05d}", b"x", "text/plain")

    for start in range(0, count, 100):
        await asyncio.gather(*(one(n) for n in range(start, min(count, start + 100))))


@check
async def what_was_put_is_there(bench: Bench) -> None:
    key = place() + "ä b+c&d=e?.txt"
    put = await bench.store.put(key, b"hello", "text/plain")
    seen = await bench.store.stat(key)
    assert (seen.key, seen.size, seen.etag) == (key, 5, put.etag)
    assert seen.etag
    assert '"' not in seen.etag
    assert seen.modified_at.tzinfo is not None
    assert await bench.store.read(key, 5) == b"hello"
    assert bench.headers(key)[0] == "text/plain"


@check
async def an_empty_object_is_an_object(bench: Bench) -> None:
    key = place() + "empty"
    await bench.store.put(key, b"", "text/plain")
    assert (await bench.store.stat(key)).size == 0
    assert await bench.store.read(key, 10) == b""


@check
async def what_is_not_there_is_missing(bench: Bench) -> None:
    key = place() + "nothing"
    with pytest.raises(ObjectMissing):
        await bench.store.stat(key)
    with pytest.raises(ObjectMissing):
        await bench.store.read(key, 10)


@check
async def reading_is_bounded(bench: Bench) -> None:
    key = place() + "large"
    await bench.store.put(key, b"x" * 100, "text/plain")
    with pytest.raises(StoreDenied, match="larger than 99 bytes"):
        await bench.store.read(key, 99)


@check
async def the_last_put_wins(bench: Bench) -> None:
    key = place() + "twice"
    first = await bench.store.put(key, b"one", "text/plain")
    second = await bench.store.put(key, b"two", "text/plain")
    assert first.etag != second.etag
    assert await bench.store.read(key, 10) == b"two"


@check
async def put_if_absent_writes_once(bench: Bench) -> None:
    key = place() + "once"
    assert await bench.store.put_if_absent(key, b"first", "text/plain")
    assert not await bench.store.put_if_absent(key, b"second", "text/plain")
    assert await bench.store.read(key, 10) == b"first"
    assert bench.headers(key)[0] == "text/plain"


@check
@needs("conditions")
async def put_if_absent_has_one_winner_of_many(bench: Bench) -> None:
    key = place() + "race"
    wins = await asyncio.gather(
        *(bench.store.put_if_absent(key, str(n).encode(), "text/plain") for n in range(8))
    )
    assert wins.count(True) == 1
    assert await bench.store.read(key, 10) == str(wins.index(True)).encode()


@check
async def put_if_match_needs_the_right_etag(bench: Bench) -> None:
    key = place() + "match"
    first = await bench.store.put(key, b"one", "text/plain")
    second = await bench.store.put_if_match(key, b"two", first.etag, "text/plain")
    assert second == (await bench.store.stat(key)).etag
    with pytest.raises(ObjectChanged):
        await bench.store.put_if_match(key, b"three", first.etag, "text/plain")
    assert await bench.store.read(key, 10) == b"two"


@check
async def put_if_match_needs_the_object(bench: Bench) -> None:
    key = place() + "match-nothing"
    with pytest.raises(ObjectChanged):
        await bench.store.put_if_match(key, b"x", "0" * 32, "text/plain")
    with pytest.raises(ObjectMissing):
        await bench.store.stat(key)


@check
async def a_copy_is_the_same_and_keeps_its_type(bench: Bench) -> None:
    below = place()
    source = await bench.store.put(below + "from ä", b"data", "image/png")
    copied = await bench.store.copy(source, below + "to/ü")
    assert copied.key == below + "to/ü"
    assert (copied.size, copied.etag) == (4, (await bench.store.stat(below + "to/ü")).etag)
    assert await bench.store.read(below + "to/ü", 10) == b"data"
    assert bench.headers(below + "to/ü")[0] == "image/png"


@check
@needs("forms")
async def all_calls_are_supported(bench: Bench) -> None:
    below = place()
    assert await check_calls(bench.store, below) == "Pods upload outputs by POST Object"
    assert await names(bench.store, below) == []


@check
@needs("no forms")
async def all_calls_but_forms_are_supported(bench: Bench) -> None:
    below = place()
    assert "by presigned PUTs" in await check_calls(bench.store, below)
    assert await names(bench.store, below) == []


@check
@needs("tags")
async def a_copy_takes_no_tags_along(bench: Bench) -> None:
    below = place()
    source = await bench.store.put(below + "from", b"data", "image/png")
    tagged = await bench.store.copy(source, below + "tagged", ObjectHeaders("image/png", tags={"owner": "a"}))
    assert bench.tags(below + "tagged") == {"owner": "a"}
    await bench.store.copy(tagged, below + "to")
    assert bench.tags(below + "to") == {}


@check
async def a_padded_object_is_copied_without_its_padding(bench: Bench) -> None:
    below = place()
    stored = await bench.store.put(below + "from", b"data" + bytes(12), "text/plain")
    digest = hashlib.sha256(b"data").hexdigest()
    source = StoredObject(stored.key, 4, stored.etag, sha256=digest, padded=True)
    await bench.store.copy(source, below + "to", ObjectHeaders("image/png", metadata={"a": "b"}))
    assert await bench.store.read(below + "to", 20) == b"data"
    assert bench.headers(below + "to")[0] == "image/png"
    await bench.store.put(below + "from", b"other" + bytes(11), "text/plain")
    with pytest.raises(ObjectChanged):
        await bench.store.copy(source, below + "late")
    assert await names(bench.store, below) == [below + "from", below + "to"]


@check
async def errors_name_the_key(bench: Bench) -> None:
    key = place() + "the-key"
    with pytest.raises(ObjectMissing, match="the-key"):
        await bench.store.stat(key)
    with pytest.raises(ObjectMissing, match="the-key"):
        await bench.store.read(key, 10)
    with pytest.raises(ObjectMissing, match="the-key"):
        await bench.store.copy(StoredObject(key, 1, "0" * 32), key + "-copy")
    with pytest.raises(ObjectChanged, match="the-key"):
        await bench.store.put_if_match(key, b"x", "0" * 32, "text/plain")


@check
async def a_copy_may_get_headers(bench: Bench) -> None:
    below = place()
    source = await bench.store.put(below + "from", b"data", "application/octet-stream")
    headers = ObjectHeaders(
        content_type="image/webp",
        cache_control="public, max-age=31536000, immutable",
        content_disposition='inline; filename="a b.webp"',
        metadata={"imagejob-run": "uid/7", "owner": "the shop"},
    )
    await bench.store.copy(source, below + "to", headers)
    kind, found = bench.headers(below + "to")
    assert kind == "image/webp"
    assert found["cache-control"] == headers.cache_control
    assert found["content-disposition"] == headers.content_disposition
    assert found["x-amz-meta-imagejob-run"] == "uid/7"
    assert found["x-amz-meta-owner"] == "the shop"
    assert (await bench.store.stat(below + "to")).metadata == headers.metadata


@check
@needs("tags")
async def a_copy_may_get_tags(bench: Bench) -> None:
    below = place()
    source = await bench.store.put(below + "from", b"data", "application/octet-stream")
    headers = ObjectHeaders("image/webp", tags={"team a": "b/c=d", "none": ""})
    await bench.store.copy(source, below + "to", headers)
    assert bench.tags(below + "to") == headers.tags


@check
@needs("no tags")
async def a_copy_with_tags_is_refused(bench: Bench) -> None:
    below = place()
    source = await bench.store.put(below + "from", b"data", "application/octet-stream")
    with pytest.raises(CallNotSupported, match="tag"):
        await bench.store.copy(source, below + "to", ObjectHeaders("image/webp", tags={"team": "shop"}))
    assert await names(bench.store, below) == [below + "from"]


@check
async def a_copy_with_headers_keeps_none_of_the_old(bench: Bench) -> None:
    below = place()
    source = await bench.store.put(below + "from", b"data", "text/plain")
    first = ObjectHeaders("image/png", cache_control="no-store", metadata={"old": "1"})
    between = await bench.store.copy(source, below + "between", first)
    await bench.store.copy(between, below + "to", ObjectHeaders("image/webp"))
    kind, found = bench.headers(below + "to")
    assert kind == "image/webp"
    assert "no-store" not in found.get("cache-control", "")
    assert "x-amz-meta-old" not in found


@check
async def a_storage_class_is_kept_refused_or_passed_over(bench: Bench) -> None:
    below = place()
    source = await bench.store.put(below + "from", b"data", "text/plain")
    await bench.store.copy(source, below + "to", ObjectHeaders("image/png", storage_class="STANDARD"))
    assert await bench.store.read(below + "to", 10) == b"data"
    try:
        await bench.store.copy(source, below + "odd", ObjectHeaders("image/png", storage_class="NO_SUCH"))
    except StoreDenied as error:
        assert "class" in str(error)  # noqa: PT017  (either answer is right, each in its way)
        assert await names(bench.store, below + "odd") == []
    else:
        assert await bench.store.read(below + "odd", 10) == b"data"


@check
async def an_object_may_be_copied_by_what_a_walk_says_of_it(bench: Bench) -> None:
    below = place()
    await bench.store.put(below + "from", b"data", "text/plain")
    [found] = [found async for found in bench.store.walk(below)]
    copied = await bench.store.copy(StoredObject(found.key, found.size, found.etag), below + "to")
    [_, listed] = [found async for found in bench.store.walk(below)]
    assert copied.etag == listed.etag == (await bench.store.stat(below + "to")).etag


@check
async def a_copy_of_what_has_changed_is_refused(bench: Bench) -> None:
    below = place()
    source = await bench.store.put(below + "from", b"one", "text/plain")
    await bench.store.put(below + "from", b"two", "text/plain")
    with pytest.raises(ObjectChanged):
        await bench.store.copy(source, below + "to")
    assert await names(bench.store, below) == [below + "from"]


@check
async def a_copy_of_what_is_gone_is_missing(bench: Bench) -> None:
    below = place()
    source = await bench.store.put(below + "gone/x", b"one", "text/plain")
    await bench.store.delete_prefix(below + "gone/")
    with pytest.raises(ObjectMissing):
        await bench.store.copy(source, below + "to")


@check
async def a_copy_over_an_older_one_replaces_it(bench: Bench) -> None:
    below = place()
    await bench.store.put(below + "to", b"old", "text/plain")
    source = await bench.store.put(below + "from", b"new", "text/plain")
    for _ in range(2):
        await bench.store.copy(source, below + "to")
    assert await bench.store.read(below + "to", 10) == b"new"


@check
async def a_walk_is_in_the_order_of_keys(bench: Bench) -> None:
    below = place()
    keys = [below + name for name in ("b", "a/2", "a/1", "a.txt", "c/d/e", "B", "a0")]
    for key in keys:
        await bench.store.put(key, b"x", "text/plain")
    await bench.store.put(below.removesuffix("/") + "0", b"x", "text/plain")
    assert await names(bench.store, below) == sorted(keys)
    assert await names(bench.store, below + "a/") == [below + "a/1", below + "a/2"]
    assert await names(bench.store, below + "none/") == []


@check
async def a_walk_goes_over_pages_and_says_sizes(bench: Bench) -> None:
    below = place()
    await fill(bench.store, below, MANY)
    found = [item async for item in bench.store.walk(below)]
    assert [item.key for item in found] == [f"{below}{n:05d}" for n in range(MANY)]
    assert {item.size for item in found} == {1}
    assert all(item.etag and item.modified_at.tzinfo for item in found)


@check
async def folders_are_listed_without_what_is_in_them(bench: Bench) -> None:
    below = place()
    for name in ("b/x/1", "a/1", "a/2", "file", "a.txt"):
        await bench.store.put(below + name, b"x", "text/plain")
    assert [found async for found in bench.store.folders(below)] == [below + "a/", below + "b/"]


@check
async def delete_prefix_deletes_all_of_it_and_nothing_else(bench: Bench) -> None:
    below = place()
    await fill(bench.store, below + "x/", MANY)
    # No key is also a folder here: servers that keep objects as files cannot have both.
    for stays in ("x-y", "x.z", "x0/y"):
        await bench.store.put(below + stays, b"stays", "text/plain")
    assert await bench.store.delete_prefix(below + "x/") == MANY
    assert await names(bench.store, below) == [below + "x-y", below + "x.z", below + "x0/y"]


@check
async def delete_prefix_of_nothing_is_done(bench: Bench) -> None:
    assert await bench.store.delete_prefix(place()) == 0


@check
async def delete_prefix_takes_whole_folders_only(bench: Bench) -> None:
    with pytest.raises(ValueError, match="must end with '/'"):
        await bench.store.delete_prefix(place() + "half")


@check
async def delete_prefix_stops_at_a_closed_gate(bench: Bench) -> None:
    below = place()
    await bench.store.put(below + "x", b"stays", "text/plain")
    with pytest.raises(Halted):
        await bench.store.delete_prefix(below, lambda: False)
    assert await names(bench.store, below) == [below + "x"]


@check
async def a_signed_get_opens_one_object(bench: Bench) -> None:
    below = place()
    await bench.store.put(below + "a ä+b", b"data", "text/plain")
    url = bench.store.sign_get(below + "a ä+b", HOUR)
    assert bench.visit("GET", url) == (200, b"data")
    assert bench.visit("PUT", url, b"no")[0] == 403
    missing = bench.store.sign_get(below + "other", HOUR)
    assert bench.visit("GET", missing)[0] == 404


@check
@needs("conditions")
async def a_signed_put_writes_one_object(bench: Bench) -> None:
    key = place() + "result"
    url = bench.store.sign_put(key, HOUR)
    assert bench.visit("PUT", url, b"first", if_none_match=True)[0] == 200
    assert bench.visit("PUT", url, b"second", if_none_match=True)[0] == 412
    assert await bench.store.read(key, 10) == b"first"


@check
@needs("forms")
async def a_signed_form_admits_keys_below_its_prefix(bench: Bench) -> None:
    below = place() + "out/"
    form = bench.store.sign_post(below, 10, HOUR)
    assert bench.visit_form(form, below + "000001-web", b"0123456789", "image/webp") in (200, 201, 204)
    assert await bench.store.read(below + "000001-web", 10) == b"0123456789"
    assert bench.headers(below + "000001-web")[0] == "image/webp"


@check
@needs("forms")
async def a_signed_form_refuses_all_else(bench: Bench) -> None:
    below = place()
    form = bench.store.sign_post(below + "out/", 10, HOUR)
    refused = [
        bench.visit_form(form, below + "elsewhere", b"x", "image/webp"),
        bench.visit_form(form, below + "out", b"x", "image/webp"),
        bench.visit_form(form, below + "out/large", b"0123456789a", "image/webp"),
        bench.visit_form(form, below + "out/empty", b"", "image/webp"),
        bench.visit_form(form, below + "out/page", b"x", "text/html"),
    ]
    assert all(status in (400, 403) for status in refused), refused
    assert await names(bench.store, below) == []


@check
@needs("forms")
async def uploads_are_by_forms_and_are_checked_by_small_objects(bench: Bench) -> None:
    below = place()
    assert await bench.store.takes_forms(below)
    assert {found.size async for found in bench.store.walk(below)} <= {1}


@check
@needs("no forms")
async def uploads_are_by_puts_and_are_checked_by_small_objects(bench: Bench) -> None:
    below = place()
    assert not await bench.store.takes_forms(below)
    assert {found.size async for found in bench.store.walk(below)} <= {1}


@check
async def a_put_of_a_signed_length_takes_no_other_length(bench: Bench) -> None:
    below = place() + "out ä+/"
    puts = bench.store.sign_puts(below, ["000001-web", "000002-web"], (10, 20), HOUR)

    def url(name: str, number: int) -> str:
        return f"{puts.url}{name}?{puts.query}&X-Amz-Signature={puts.signatures[name][number]}"

    refused = [
        bench.visit("PUT", url("000001-web", 0), b"x" * 11)[0],
        bench.visit("PUT", url("000001-web", 0), b"x" * 9)[0],
        bench.visit("PUT", url("000001-web", 1), b"x" * 10)[0],
        bench.visit("PUT", url("000001-web", 0).replace("000001", "000003"), b"x" * 10)[0],
    ]
    assert set(refused) <= {400, 403}, refused
    assert await names(bench.store, below) == []
    assert bench.visit("PUT", url("000001-web", 0), b"x" * 10)[0] == 200
    assert bench.visit("PUT", url("000002-web", 1), b"y" * 20)[0] == 200
    assert await bench.store.read(below + "000001-web", 20) == b"x" * 10
    assert await bench.store.read(below + "000002-web", 20) == b"y" * 20


@check
async def signatures_end(bench: Bench) -> None:
    below = place()
    await bench.store.put(below + "x", b"data", "text/plain")
    url = bench.store.sign_get(below + "x", timedelta(seconds=1))
    async with asyncio.timeout(10):
        while bench.visit("GET", url)[0] not in (400, 403):
            await asyncio.sleep(0.2)


@check
@needs("forms")
async def signed_forms_end(bench: Bench) -> None:
    below = place()
    form = bench.store.sign_post(below, 10, timedelta(seconds=1))
    async with asyncio.timeout(10):
        while bench.visit_form(form, below + "y", b"x", "image/png") not in (400, 403):
            await asyncio.sleep(0.2)
