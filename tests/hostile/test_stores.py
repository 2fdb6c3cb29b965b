"""An S3 server at an allowed endpoint answers anything or nothing: calls fail in time, in little memory."""

from __future__ import annotations

import asyncio
import contextlib
import time
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from hostile.servers import Answer, Request, answered, bomb, dripping, flooding, head, hostile, silent
from imagejob_operator.adapters.s3 import connections, deadline
from imagejob_operator.adapters.s3.store import S3Store
from imagejob_operator.adapters.s3.web_identity import exchange
from imagejob_operator.api.imagestore import InvalidStore, WebIdentity, parse_store_spec
from imagejob_operator.api.imagestore_status import StoreReason
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.naming.listed_keys import listed_as
from imagejob_operator.ports.credentials import Credentials
from imagejob_operator.ports.imagestores import NotUsable
from imagejob_operator.ports.object_store import (
    CallNotSupported,
    StoreDenied,
    StoredObject,
    StoreError,
    StoreUnavailable,
)

MiB = 1024 * 1024
XML: dict[str, Any] = {"Content_Type": "application/xml"}
LIMIT = 0.6
"""Seconds of a call in these tests."""
SOON = 15
"""On a busy machine; without a deadline the calls would not end."""
BOMB = bomb(100)
SOURCE = StoredObject("a", 4 * MiB, "etag", datetime.now(UTC))

Call = Callable[[S3Store], Awaitable[Any]]


async def walk(store: S3Store) -> list[StoredObject]:
    return [stored async for stored in store.walk("p/")]


async def folders(store: S3Store) -> list[str]:
    return [name async for name in store.folders("p/")]


CALLS: dict[str, Call] = {
    "stat": lambda store: store.stat("a"),
    "walk": walk,
    "folders": folders,
    "read": lambda store: store.read("a", MiB),
    "put": lambda store: store.put("a", b"x" * MiB, "text/plain"),
    "put_if_absent": lambda store: store.put_if_absent("a", b"x", "text/plain"),
    "put_if_match": lambda store: store.put_if_match("a", b"x", "etag", "text/plain"),
    "copy": lambda store: store.copy(StoredObject("a", 1, "etag"), "b"),
    "put_from": lambda store: store.put_from("b", store.reader(SOURCE), SOURCE),
    "delete_prefix": lambda store: store.delete_prefix("p/"),
}
XML_HEAD = head(200, 10**9, **XML)
SLOW: dict[str, Answer] = {
    "silent": silent,
    "drips its head": dripping(b"HTTP/1.1 200 Some\r\nX-Header: "),
    "drips headers": dripping(b"HTTP/1.1 100 Continue\r\n\r\n" * 3),
    "drips an answer": dripping(XML_HEAD + b"<a>"),
    "drips an error": dripping(head(400, 10**9, **XML) + b"<Error>"),
    "drips a failure": dripping(head(503, 10**9)),
    "drips chunks": dripping(head(200, None, Transfer_Encoding="chunked", **XML) + b"1;"),
}
LARGE: dict[str, Answer] = {
    "a flood": flooding(XML_HEAD),
    "a flood without an end": flooding(head(200, None, **XML)),
    "a flood of an error": flooding(head(404, 10**9, **XML)),
    "a flood of a failure": flooding(head(500, 10**9)),
    "gzip": answered(bomb(100, b"<a>"), Content_Encoding="gzip", **XML),
    "gzip in an error": answered(bomb(100, b"<Error>"), 403, Content_Encoding="gzip", **XML),
    "gzip in a failure": answered(bomb(100), 503, Content_Encoding="gzip"),
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "CALL", LIMIT)
    monkeypatch.setattr(connections, "PAUSES", (0.01, 0.02))


@pytest.fixture
def measured() -> Iterator[Callable[[], float]]:
    """The most memory, in MiB, that was allocated."""
    tracemalloc.start()
    yield lambda: tracemalloc.get_traced_memory()[1] / MiB
    tracemalloc.stop()


async def asked(server: str, call: Call) -> Any:
    store = S3Store(StoreLocation(server, "media", secure=False), lambda: Credentials("access", "secret" * 4))
    try:
        return await call(store)
    finally:
        store.close()


@pytest.mark.parametrize("answer", SLOW.values(), ids=SLOW)
async def test_each_call_has_one_deadline_however_slowly_the_server_sends(answer: Answer) -> None:
    with hostile(answer) as server:
        started = time.monotonic()
        found = await asyncio.gather(
            *(asked(server.host, call) for call in CALLS.values()), return_exceptions=True
        )
        assert time.monotonic() - started < SOON
    wrong = {name: got for name, got in zip(CALLS, found, strict=True) if not isinstance(got, StoreError)}
    assert wrong.keys() <= {"stat"}, "only the answer to a HEAD has no body that drips"


async def test_an_answer_of_a_known_length_leaves_its_connection_to_the_next_call() -> None:
    with hostile(lambda request: request.send(b"<a/>", 200, **XML)) as server:
        store = S3Store(StoreLocation(server.host, "media", secure=False), lambda: Credentials("a", "s" * 8))
        for _ in range(3):
            assert await walk(store) == []
        store.close()
    assert (len(server.requests), server.connections) == (3, 1)


async def test_a_server_that_does_not_read_fails_in_time_too() -> None:
    """It takes the first bytes of an upload and no more."""
    with hostile(silent) as server:
        for call in (CALLS["put"], lambda store: store.put("a", b"x" * 64 * MiB, "text/plain")):
            started = time.monotonic()
            with pytest.raises(StoreUnavailable):
                await asked(server.host, call)
            assert time.monotonic() - started < SOON


@pytest.mark.parametrize("answer", LARGE.values(), ids=LARGE)
async def test_no_answer_fills_the_memory(answer: Answer, measured: Callable[[], float]) -> None:
    with hostile(answer) as server:
        for name, call in CALLS.items():
            with contextlib.suppress(StoreError):
                await asked(server.host, call)
            assert measured() < 48, name


async def test_an_object_is_not_inflated(measured: Callable[[], float]) -> None:
    with hostile(answered(BOMB, Content_Encoding="gzip", ETag='"e"')) as server:
        assert await asked(server.host, lambda store: store.read("a", MiB)) == BOMB
    assert measured() < 8


def listing(*names: str, token: str = "", **more: str) -> bytes:
    modified = "<LastModified>2026-01-01T00:00:00.000Z</LastModified>"
    keys = "".join(
        f"<Contents><Key>{name}</Key><Size>1</Size>{modified}<ETag>e</ETag></Contents>" for name in names
    )
    last = f"<NextContinuationToken>{token}</NextContinuationToken>" if token else ""
    fields = {"Name": "media", "EncodingType": "url", "IsTruncated": str(bool(token)).lower(), **more}
    rest = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return f"<ListBucketResult>{rest}{keys}{last}</ListBucketResult>".encode()


LISTINGS: dict[str, bytes] = {
    "the same page forever": listing("p/a", "p/b", token="same"),
    "empty pages forever": listing(token="same"),
    "more without a token": listing("p/a", IsTruncated="true"),
    "not in order": listing("p/b", "p/a"),
    "the same key twice": listing("p/a", "p/a"),
    "a key outside": listing("q/a"),
    "a key above": listing("p/../../x", "..%2Fx"),
    "a NUL": listing("p/%00"),
    "no key": listing(""),
    "a long key": listing("p/" + "a" * 2000),
    "too many keys": listing(*(f"p/{number:06d}" for number in range(1001))),
    "a negative size": listing("p/a").replace(b"<Size>1", b"<Size>-1"),
    "a huge size": listing("p/a").replace(b"<Size>1", b"<Size>" + b"9" * 5000),
    "a size in words": listing("p/a").replace(b"<Size>1", b"<Size>one"),
    "no date": listing("p/a").replace(b"2026-01", b"yesterday"),
    "a date before all": listing("p/a").replace(b"2026-01-01", b"0000-00-00"),
    "entities": b'<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;">]>' + listing("p/&c;"),
    "an external entity": b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + listing("p/&b;"),
    "depth": b"<a>" * 100_000,
    "elements": b"<a>" + b"<b/>" * 100_000 + b"</a>",
    "no XML": b"\x00\xff",
    "an unknown encoding": b"<?xml version='1.0' encoding='utf-9000'?>" + listing("p/a"),
    "cut": listing("p/a")[:-20],
}


@pytest.mark.parametrize("answer", LISTINGS.values(), ids=LISTINGS)
async def test_a_false_listing_is_an_error_of_the_store(answer: bytes) -> None:
    def after_the_first(request: Request) -> None:
        request.send(answer, **XML)

    with hostile(after_the_first) as server:
        with pytest.raises(StoreUnavailable, match=r"answer cannot be used|cannot be reached"):
            await asked(server.host, walk)
        assert len(server.requests) <= 2


KEYS = ["p/a\x01.jpg", "p/a\x1f.jpg", "p/ab.jpg", "p/b\x7f.jpg", "p/b\ufffe.jpg", "p/\U0001f5bc.jpg"]
SEEN = ["p/a\ufffd.jpg", "p/a\ufffd.jpg", "p/ab.jpg", "p/b\x7f.jpg", "p/b\ufffd.jpg", "p/\U0001f5bc.jpg"]
WRITERS: dict[str, Callable[[str], str]] = {
    "as they are": str,
    "as decimal numbers": lambda key: "".join(c if c.isprintable() else f"&#{ord(c)};" for c in key),
    "as hexadecimal numbers": lambda key: "".join(c if c.isprintable() else f"&#x{ord(c):02X};" for c in key),
    "replaced": listed_as,
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
async def test_keys_that_xml_cannot_have_are_listed_with_a_character_in_place(
    write: Callable[[str], str],
) -> None:
    """A store that ignores encoding-type=url: the keys before and after are those of their objects."""
    page = listing(*map(write, KEYS), EncodingType="")
    with hostile(answered(page, **XML)) as server:
        assert [stored.key for stored in await asked(server.host, walk)] == SEEN
    inside = (
        b"<L>"
        + "".join(f"<CommonPrefixes><Prefix>{write(k)}/</Prefix></CommonPrefixes>" for k in KEYS).encode()
    )
    with hostile(answered(inside + b"</L>", **XML)) as server:
        assert await asked(server.host, folders) == [f"{key}/" for key in SEEN]


async def test_a_prefix_that_xml_cannot_have_is_the_one_that_was_asked_for() -> None:
    async def below(store: S3Store) -> list[str]:
        return [stored.key async for stored in store.walk("p\x01/")]

    with hostile(answered(listing("p\ufffd/a", "p\ufffd/b\ufffd", EncodingType=""), **XML)) as server:
        assert await asked(server.host, below) == ["p\x01/a", "p\x01/b\ufffd"]


@pytest.mark.parametrize("names", [("p/b", "p/a\ufffd"), ("p/b\ufffd", "p/a"), ("p/b\ufffd", "p/a\ufffd")])
async def test_what_is_known_of_such_a_key_is_in_order(names: tuple[str, ...]) -> None:
    page = listing(*names, EncodingType="")
    with hostile(answered(page, **XML)) as server, pytest.raises(StoreUnavailable, match="not in order"):
        await asked(server.host, walk)


async def test_pages_of_such_keys_end() -> None:
    """Such pages do not show where the listing is, so one without an end is not recognized otherwise."""
    page = listing(*["p/a\ufffd"] * 1000, token="more", EncodingType="")
    with hostile(answered(page, **XML)) as server:
        with pytest.raises(CallNotSupported, match="more than 1000 keys that begin with 'p/a'"):
            await asked(server.host, walk)
        assert len(server.requests) == 2


async def test_pages_go_on_after_such_a_key() -> None:
    pages = [listing("p/a\ufffd", token="more", EncodingType=""), listing("p/ab", EncodingType="")]
    with hostile(lambda request: request.send(pages[request.number - 1], **XML)) as server:
        assert [stored.key for stored in await asked(server.host, walk)] == ["p/a\ufffd", "p/ab"]


async def test_an_object_with_such_a_key_is_not_deleted_and_the_others_are() -> None:
    left = ["p/a", "p/b\ufffd", "p/c"]
    deleted: list[str] = []

    def answer(request: Request) -> None:
        if request.method == "POST":
            deleted.append(request.line)
            left[:] = ["p/b\ufffd"]
            request.send(b"<DeleteResult/>", **XML)
        else:
            request.send(listing(*left, EncodingType=""), **XML)

    with hostile(answer) as server, pytest.raises(StoreDenied, match=r"lists 'p/b\\ufffd', where") as refused:
        await asked(server.host, lambda store: store.delete_prefix("p/"))
    assert "delete the object with the tools of the store (DeleteObjects below 'p/')" in str(refused.value)
    assert len(deleted) == 1


async def test_a_key_that_the_xml_of_a_request_cannot_have_is_deleted_by_itself() -> None:
    """Or the store would refuse the request that deletes all keys of the page."""
    pages = [listing("p/a%01", "p/b", "p/c%0D"), listing()]

    def answer(request: Request) -> None:
        if request.method == "GET":
            request.send(pages.pop(0), **XML)
        else:
            request.send(b"<DeleteResult/>" if request.method == "POST" else b"", **XML)

    with hostile(answer) as server:
        assert await asked(server.host, lambda store: store.delete_prefix("p/")) == 3
    lines = [line.split()[:2] for line in server.requests if not line.startswith("GET")]
    assert lines == [["POST", "/media?delete="], ["DELETE", "/media/p/a%01"], ["DELETE", "/media/p/c%0D"]]


async def test_a_listing_of_a_folder_is_checked_as_well() -> None:
    page = b"<L><CommonPrefixes><Prefix>q/</Prefix></CommonPrefixes></L>"
    with hostile(answered(page, **XML)) as server, pytest.raises(StoreUnavailable, match="not below"):
        await asked(server.host, folders)


ERRORS: dict[str, bytes] = {
    "another document": b"<a/>",
    "no code": b"<Error/>",
    "a long message": b"<Error><Code>NoSuchKey</Code><Message>" + b"m" * MiB + b"</Message></Error>",
    "controls": b"<Error><Code>No&#10;Such</Code><Message>&#x9b;&#x202e;</Message></Error>",
    "entities": b'<!DOCTYPE a [<!ENTITY b "bb">]><Error><Code>&b;</Code></Error>',
    "depth": b"<a>" * 100_000,
    "nothing": b"",
    "no text": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("status", [200, 204, 206, 301, 307, 400, 403, 404, 409, 412, 416, 429, 500, 503])
async def test_every_answer_is_a_value_or_a_store_error(status: int) -> None:
    for answer in ERRORS.values():
        for kind in ("application/xml", "text/html"):
            with hostile(answered(answer, status, Content_Type=kind)) as server:
                calls = (asked(server.host, call) for call in CALLS.values())
                for got in await asyncio.gather(*calls, return_exceptions=True):
                    assert isinstance(got, StoreError) or not isinstance(got, Exception)
                    assert not isinstance(got, StoreError) or (
                        len(str(got)) < 1000 and str(got).isprintable()
                    )


IDENTITY: dict[str, Any] = {"service_account_name": "a", "audience": "b", "role_arn": "c"}


async def refused(answer: Answer, ca_bundle: str = "", secure: bool = False) -> NotUsable:
    with hostile(answer) as server:
        identity = WebIdentity(endpoint=server.host, **IDENTITY)
        started = time.monotonic()
        with pytest.raises(NotUsable) as caught:
            await exchange(identity, "token", secure, ca_bundle)
        assert time.monotonic() - started < SOON
        return caught.value


@pytest.mark.parametrize("answer", [*SLOW.values(), *LARGE.values()], ids=[*SLOW, *LARGE])
async def test_an_exchange_of_tokens_is_bounded_too(answer: Answer, measured: Callable[[], float]) -> None:
    refusal = await refused(answer)
    assert refusal.reason in (StoreReason.UNREACHABLE, StoreReason.IDENTITY_REFUSED)
    assert measured() < 24


async def test_a_ca_bundle_that_is_none_is_named() -> None:
    for bundle in ("no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        refusal = await refused(silent, bundle, secure=True)
        assert refusal.reason is StoreReason.CA_BUNDLE_INVALID


def test_a_region_that_cannot_be_signed_for_is_named() -> None:
    for region in ("eu west", "-eu", "eu\n", "é"):
        spec = {"endpoint": "s3", "bucket": "media", "auth": {"secretRef": {"name": "a"}}, "region": region}
        with pytest.raises(InvalidStore, match="region"):
            parse_store_spec(spec)
