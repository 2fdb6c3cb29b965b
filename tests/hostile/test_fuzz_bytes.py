"""Pods, stores and web servers send any bytes: each gives a value or the error that is documented for it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import example, given

from fakes.build import PREFIX, job, spec, status
from fakes.clock import ManualClock
from fakes.memory_store import MemoryStore
from hostile.generators_bytes import DOCUMENTS, HTTP, RESULTS, XML
from hostile.servers import Request, hostile
from hostile.test_results import lines, output
from hostile.test_stores import CALLS, asked
from imagejob_operator.adapters.http.downloads import Bounds, HttpDownloads
from imagejob_operator.adapters.s3 import connections, deadline, listing
from imagejob_operator.adapters.s3.errors import translate
from imagejob_operator.adapters.s3.listing import Page, read_page
from imagejob_operator.adapters.s3.xml import InvalidAnswer, parse_xml
from imagejob_operator.api.phase import Phase
from imagejob_operator.decision.attempt import AttemptCounts
from imagejob_operator.documents import results as documents
from imagejob_operator.documents.results import ItemOutcome
from imagejob_operator.documents.staging import (
    Manifest,
    ManifestItem,
    manifest_key,
    output_prefix,
    result_key,
)
from imagejob_operator.naming.listed_keys import REPLACED, valid_xml
from imagejob_operator.operations import manifest as manifests
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.operations.processing.results import all_outcomes, read_staged
from imagejob_operator.operations.publishing.report import report_items
from imagejob_operator.ports.downloads import FetchFailed
from imagejob_operator.ports.object_store import StoreError
from imagejob_operator.validation.networks import SourceNetworks, read_networks

ITEMS = tuple(ManifestItem(index, f"{index}.jpg", "etag", 1, index) for index in range(2))
MANIFEST = Manifest(ITEMS, count=2)
WANTED = spec(failurePolicy={"maxFailedItems": 2})
JOB = job(status(Phase.PUBLISHING, counts=(AttemptCounts(1),), items=2, per_shard=2), WANTED)


async def outcomes(data: bytes) -> list[ItemOutcome]:
    store = MemoryStore(ManualClock())
    store.set(result_key(PREFIX, 0), data)
    for index in range(2):
        store.set(f"{output_prefix(PREFIX, 0, 1)}{index:06d}-web", b"x")
    return [one async for batch in all_outcomes(store, JOB, MANIFEST, PREFIX, 0) for one in batch]


def checked_result(data: bytes) -> None:
    """What is accepted of a result has exactly what was ordered, within its bounds, and makes a report."""
    try:
        found = asyncio.run(outcomes(data))
    except OperationFailed as error:
        assert error.failure.reason == "ResultsInvalid"  # noqa: PT017  (or a value)
        return
    assert [outcome.result.index for outcome in found] == [0, 1]
    for result in (outcome.result for outcome in found):
        names = [record.rendition for record in result.outputs]
        assert names == ([] if result.error else ["web"])
    items = report_items(JOB.spec, MANIFEST, found)  # type: ignore[arg-type]
    assert len(msgspec.json.encode(items)) < 20_000
    assert all(item.image is None or item.image.format.isalpha() for item in items)


BOGUS = [{"index": index, "outputs": [output("bogus")]} for index in range(2)]


@given(RESULTS)
@example(lines(0, BOGUS))
@example(lines(0, [{"index": 0, "outputs": [output("web")]}, {"index": 1, "outputs": [output("web")]}]))
@example(
    lines(0, [{"index": 0, "error": {"code": "IMG_001", "message": ""}, "outputs": [output("bogus")]}] * 2)
)
def test_a_result_is_used_or_invalid(data: bytes) -> None:
    checked_result(data)


def test_a_planted_bug_in_results_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "_verify_item", lambda item, *more: ("etag",) * len(item.outputs))
    with pytest.raises((AssertionError, ValueError)):
        test_a_result_is_used_or_invalid()


@given(DOCUMENTS)
@example(msgspec.json.encode(MANIFEST))
@example(b'{"count":99999999999999}')
@example(b'{"items":[{"index":0,"source":"a","etag":"","size":1}],"count":2}')
@example(b'{"count":-1}')
@example(b"[" * 100_000)
def test_a_manifest_is_used_or_invalid(data: bytes) -> None:
    """A tenant who can write to the bucket changes the manifest of his run."""
    store = MemoryStore(ManualClock())
    store.set(manifest_key(PREFIX), data)
    try:
        manifest, _ = asyncio.run(read_staged(store, PREFIX, FreshRuns()))
    except OperationFailed as error:
        assert error.failure.reason == "ResultsInvalid"  # noqa: PT017  (or a value)
        return
    assert [item.index for item in manifest.items] == list(range(manifest.count))


def test_a_planted_bug_in_manifests_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The items are not compared with what was asked for."""
    monkeypatch.setattr(manifests, "_checked", lambda items, indexes: list(items))
    with pytest.raises(AssertionError):
        test_a_manifest_is_used_or_invalid()


def checked_page(data: bytes) -> Page | None:
    """A page that is accepted continues the one before."""
    try:
        data = valid_xml(data)
        parse_xml(data)
        page = read_page(data, "p/", "p/0")
    except StoreError:
        return None
    except InvalidAnswer as error:
        assert isinstance(translate(error, "ListObjectsV2"), StoreError)  # noqa: PT017  (or a value)
        return None
    for names in ([stored.key for stored in page.objects], page.folders):
        exact = [name for name in names if REPLACED not in name]
        assert exact == sorted(set(exact))
        assert all(name > "p/0" for name in exact)
        assert all(name.startswith("p/") for name in names)
    assert all(0 <= stored.size <= 2**53 and stored.modified_at.tzinfo for stored in page.objects)
    assert not page.next or page.objects or page.folders
    return page


GOOD = "<Contents><Key>p/{}</Key><Size>1</Size><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>"


@given(XML)
@example(f"<ListBucketResult>{GOOD.format('a')}{GOOD.format('b')}</ListBucketResult>".encode())
@example(f"<ListBucketResult>{GOOD.format('b')}{GOOD.format('a')}</ListBucketResult>".encode())
def test_a_page_of_a_listing_is_used_or_refused(data: bytes) -> None:
    checked_page(data)


def test_a_planted_bug_in_listings_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_check_order", lambda names, prefix, after: after)
    with pytest.raises(AssertionError):
        test_a_page_of_a_listing_is_used_or_refused()


def sent(data: bytes) -> Callable[[Request], None]:
    """Send bytes as they are, and close the connection."""

    def answer(request: Request) -> None:
        request.socket.sendall(data)
        raise OSError

    return answer


class Kept(deadline.TimedSocket):
    """A socket that is remembered, so that it cannot be closed by being forgotten."""

    opened: ClassVar[list[socket.socket]] = []

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.opened.append(self)


async def all_calls(data: bytes) -> list[Any]:
    with hostile(sent(data)) as server:
        calls: list[Awaitable[Any]] = [asked(server.host, call) for call in CALLS.values()]
        return await asyncio.gather(*calls, return_exceptions=True)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "CALL", 2)
    monkeypatch.setattr(connections, "PAUSES", (0.0, 0.0))
    monkeypatch.setattr(connections, "TimedSocket", Kept)


@given(HTTP)
@example(b"HTTP/1.1 200 OK\r\n\r\n<a/>")
@example(b"HTTP/1.1 404 No\r\n: no name\r\n\r\nabc")
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc")
@example(b"HTTP/1.0 200 OK\r\nContent-Length: 3, 4\r\n\r\nabc")
@example(b"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nLast-Modified: yesterday\r\n\r\n<a/>")
@example(b"HTTP/1.1 204 No\r\n\r\n")
@pytest.mark.usefixtures("quick")
def test_what_a_store_sends_is_a_value_or_a_store_error(data: bytes) -> None:
    Kept.opened.clear()
    answers = asyncio.run(all_calls(data))
    for got in answers:
        assert isinstance(got, StoreError) or not isinstance(got, Exception), repr(got)
        assert not isinstance(got, StoreError) or len(str(got)) < 1000
    # The errors still hold all that their calls have used.
    assert [each for each in Kept.opened if each.fileno() != -1] == []


@pytest.mark.usefixtures("quick")
def test_a_planted_bug_in_answers_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagejob_operator.adapters.s3.store.translate", lambda error: error)
    with pytest.raises(AssertionError):
        test_what_a_store_sends_is_a_value_or_a_store_error()


async def fetched(data: bytes) -> bytes:
    networks = SourceNetworks(allowed=read_networks(["127.0.0.1"]))
    downloads = HttpDownloads(networks, bounds=Bounds(connect=2, idle=1, patience=2, pace=1024))
    try:
        with hostile(sent(data)) as server:
            async with downloads.fetch(f"http://{server.host}/a.jpg", {}, 1000) as got:
                return got
    finally:
        await downloads.close()


@given(HTTP)
@example(b"HTTP/1.1 302 Found\r\nLocation: //\x80\r\n\r\n")
def test_what_a_web_server_sends_is_bytes_or_a_failed_download(data: bytes) -> None:
    try:
        got = asyncio.run(fetched(data))
    except FetchFailed as error:
        assert str(error)  # noqa: PT017  (or a value)
        return
    assert len(got) <= 1000
    assert not got or got in data or b"chunked" in data, "nothing is inflated"


def test_a_planted_bug_in_downloads_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagejob_operator.adapters.http.downloads.aiohttp.ClientError", KeyError)
    with pytest.raises(Exception, match=r".") as found:
        test_what_a_web_server_sends_is_bytes_or_a_failed_download()
    assert not isinstance(found.value, FetchFailed)
