"""What an S3 server answers, and what the store makes of it: errors name call and key, and 501 is final."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from imagejob_operator.adapters.s3.store import S3Store
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.ports.credentials import Credentials
from imagejob_operator.ports.object_store import (
    BucketMissing,
    CallNotSupported,
    ObjectChanged,
    ObjectHeaders,
    ObjectMissing,
    ObjectRefused,
    StoreDenied,
    StoredObject,
    StoreError,
    StoreUnavailable,
)

Headers = dict[str, str]
Refuses = Callable[[str, Headers], tuple[int, str, str] | None]
"""Status, code and message for a request, by its method and headers; None to serve it."""
SOURCE = StoredObject("shop/a.jpg", 4, "e")
COPIED = (
    b"<CopyObjectResult><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
    b'<ETag>"e"</ETag></CopyObjectResult>'
)


class Server:
    """One bucket, a rule for what is refused, and what was asked."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {"shop/a.jpg": b"data"}
        self.refuses: Refuses = lambda method, headers: None
        self.asked: list[tuple[str, Headers]] = []
        self.any_length = False
        """Whether it ignores the length that is signed."""

    def count(self, method: str) -> int:
        return sum(asked == method for asked, _ in self.asked)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: Server

    def parse_request(self) -> bool:
        if not super().parse_request():
            return False
        self.lower = {name.lower(): value for name, value in self.headers.items()}
        self.body = self.rfile.read(int(self.lower.get("content-length", 0)))
        self.script.asked.append((self.command, self.lower))
        self.key = unquote(urlsplit(self.path).path).removeprefix("/bucket").removeprefix("/")
        if refusal := self.script.refuses(self.command, self.lower):
            self.error(*refusal)
        return refusal is None

    def do_GET(self) -> None:
        if self.key and self.key not in self.script.objects:
            self.error(404, "NoSuchKey", "there is none")
        else:
            self.answer(200, self.script.objects.get(self.key, b""))

    do_HEAD = do_GET  # noqa: N815  (a name of the base class)

    def do_POST(self) -> None:
        if "delete" in parse_qs(urlsplit(self.path).query, keep_blank_values=True):
            self.answer(200, b"<DeleteResult></DeleteResult>")  # it deletes nothing
            return
        self.script.objects["posted"] = self.body
        self.answer(204)

    def do_PUT(self) -> None:
        # Signatures are not verified: one byte is the length that is signed here.
        signed = "content-length" in parse_qs(urlsplit(self.path).query).get("X-Amz-SignedHeaders", [""])[0]
        if signed and len(self.body) != 1 and not self.script.any_length:
            self.error(403, "SignatureDoesNotMatch", "another length")
        elif self.lower.get("if-none-match") == "*" and self.key in self.script.objects:
            self.error(412, "PreconditionFailed", "it exists")
        elif "x-amz-copy-source" in self.lower:
            self.script.objects[self.key] = self.script.objects["shop/a.jpg"]
            self.answer(200, COPIED)
        else:
            self.script.objects[self.key] = self.body
            self.answer(200)

    def answer(self, status: int, body: bytes = b"", **more: str) -> None:
        self.send_response(status)
        for name, value in {"ETag": '"e"', "Content-Length": str(len(body)), **more}.items():
            self.send_header(name, value)
        self.send_header("Last-Modified", formatdate(0, usegmt=True))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def error(self, status: int, code: str, message: str) -> None:
        body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
        self.answer(status, body, **{"Content-Type": "application/xml"})

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def serving() -> Iterator[tuple[Server, S3Store]]:
    script = Server()
    http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"script": script}))
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    location = StoreLocation(f"127.0.0.1:{http.server_port}", "bucket", secure=False)
    store = S3Store(location, lambda: Credentials("access", "secret" * 4))
    try:
        yield script, store
    finally:
        store.close()
        http.shutdown()
        http.server_close()


@pytest.fixture
def served() -> Iterator[tuple[Server, S3Store]]:
    with serving() as both:
        yield both


CALLS: dict[str, tuple[str, Callable[[S3Store], Awaitable[Any]]]] = {
    "HEAD": ("HeadObject 'shop/a.jpg'", lambda store: store.stat("shop/a.jpg")),
    "GET": ("GetObject 'shop/a.jpg'", lambda store: store.read("shop/a.jpg", 9)),
    "list": ("ListObjectsV2 'shop/'", lambda store: anext(store.walk("shop/"))),
    "PUT": ("PutObject 'shop/a.jpg'", lambda store: store.put("shop/a.jpg", b"x", "text/plain")),
    "PUT if": (
        "PutObject with If-None-Match 'shop/a.jpg'",
        lambda store: store.put_if_absent("shop/a.jpg", b"x", "text/plain"),
    ),
    "copy": ("CopyObject 'shop/a.jpg' to 'staging/0'", lambda store: store.copy(SOURCE, "staging/0")),
    "DELETE": ("ListObjectsV2 'shop/'", lambda store: store.delete_prefix("shop/")),
}


async def test_a_bucket_that_does_not_exist_is_named(served: tuple[Server, S3Store]) -> None:
    server, store = served
    server.refuses = lambda *_: (404, "NoSuchBucket", "it is gone")
    for send in (store.stat("shop/a.jpg"), store.delete_prefix("shop/"), store.copy(SOURCE, "staging/0")):
        with pytest.raises(BucketMissing, match="NoSuchBucket"):
            await send


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (403, "AccessDenied", ObjectRefused),
        (403, "InvalidObjectState", ObjectRefused),
        (403, "SignatureDoesNotMatch", StoreDenied),
        (501, "NotImplemented", CallNotSupported),
        (503, "SlowDown", StoreUnavailable),
    ],
)
@pytest.mark.parametrize("call", CALLS)
async def test_errors_name_the_call_and_the_key(
    served: tuple[Server, S3Store], call: str, status: int, code: str, kind: type[StoreError]
) -> None:
    server, store = served
    server.refuses = lambda *_: (status, code, "some reason")
    request, send = CALLS[call]
    with pytest.raises(StoreError) as error:
        await send(store)
    if call == "HEAD":  # an answer to a HEAD has no code
        kind = ObjectRefused if status == 403 else kind
    if (call, status) == ("PUT if", 501):
        request = "HeadObject"  # without conditional writes, the store is asked whether the object exists
        return
    assert type(error.value) is kind
    assert str(error.value).endswith(f" ({request})")


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        ("AccessDenied", "allow access to it"),
        ("InvalidObjectState", "restore it from the archive"),
        ("KMS.DisabledException", "allow the operator to use the key that it is encrypted with"),
    ],
)
async def test_the_remedy_fits_the_refusal(served: tuple[Server, S3Store], code: str, remedy: str) -> None:
    server, store = served
    server.refuses = lambda *_: (403, code, "no")
    with pytest.raises(ObjectRefused) as refused:
        await store.copy(SOURCE, "staging/0")
    assert refused.value.remedy == remedy


@pytest.mark.parametrize("call", CALLS)
async def test_what_is_not_implemented_is_not_tried_again(served: tuple[Server, S3Store], call: str) -> None:
    server, store = served
    server.refuses = lambda *_: (501, "NotImplemented", "no")
    with pytest.raises(CallNotSupported):
        await CALLS[call][1](store)
    assert len(server.asked) <= 2


@pytest.mark.parametrize(
    ("code", "message", "kind"),
    [
        ("InvalidRequest", "The object was stored using a form of Server Side Encryption.", ObjectRefused),
        ("InvalidRequest", "something else", StoreDenied),
        ("KMS.DisabledException", "the key is disabled", ObjectRefused),
    ],
)
async def test_what_is_about_one_object_differs_from_what_is_about_the_store(
    served: tuple[Server, S3Store], code: str, message: str, kind: type[StoreError]
) -> None:
    server, store = served
    server.refuses = lambda *_: (400, code, message)
    with pytest.raises(StoreDenied) as error:
        await store.copy(SOURCE, "to")
    assert type(error.value) is kind


# --- stores that lack something ---------------------------------------------------------------------------


def lacking(*headers: str, message: str = "not implemented", status: int = 501) -> Refuses:
    """Refuse requests with one of these headers."""

    def refuses(method: str, found: Headers) -> tuple[int, str, str] | None:
        return (status, "NotImplemented", f"{message}: {headers}") if found.keys() & {*headers} else None

    return refuses


async def test_a_copy_is_one_request(served: tuple[Server, S3Store]) -> None:
    server, store = served
    copied = await store.copy(SOURCE, "to")
    assert (copied.key, copied.size, copied.etag) == ("to", SOURCE.size, "e")
    assert [method for method, _ in server.asked] == ["PUT"]


async def test_a_bucket_that_is_there_is_not_looked_for_at_each_missing_object(
    served: tuple[Server, S3Store],
) -> None:
    server, store = served
    for key in ("shop/b.jpg", "shop/c.jpg", "shop/d.jpg"):
        with pytest.raises(ObjectMissing):
            await store.stat(key)
    assert server.count("HEAD") == 4


async def test_a_copy_takes_no_tags_along(served: tuple[Server, S3Store]) -> None:
    server, store = served
    await store.copy(SOURCE, "to")
    await store.copy(SOURCE, "to", ObjectHeaders("image/png"))
    copies = [headers for method, headers in server.asked if method == "PUT"]
    assert [copy["x-amz-tagging-directive"] for copy in copies] == ["REPLACE", "REPLACE"]
    assert [copy.get("x-amz-metadata-directive") for copy in copies] == [None, "REPLACE"]
    assert not any("x-amz-tagging" in copy for copy in copies)


@pytest.mark.parametrize("status", [501, 400])
async def test_a_store_without_tags_is_asked_once(served: tuple[Server, S3Store], status: int) -> None:
    server, store = served
    server.refuses = lacking("x-amz-tagging-directive", status=status)
    for _ in range(3):
        await store.copy(SOURCE, "to")
    assert server.count("PUT") == 4
    with pytest.raises(StoreDenied, match="x-amz-tagging"):
        await store.copy(SOURCE, "to", ObjectHeaders("image/png", tags={"a": "b"}))


async def test_a_store_without_conditional_writes_is_asked_before_each(
    served: tuple[Server, S3Store],
) -> None:
    server, store = served
    server.refuses = lacking("if-none-match", "if-match")
    assert await store.put_if_absent("new", b"1", "text/plain")
    assert not await store.put_if_absent("new", b"2", "text/plain")
    assert server.objects["new"] == b"1"
    await store.put_if_match("new", b"3", "e", "text/plain")
    with pytest.raises(ObjectChanged):
        await store.put_if_match("new", b"4", "another", "text/plain")
    with pytest.raises(ObjectChanged):
        await store.put_if_match("none", b"4", "e", "text/plain")
    assert server.objects["new"] == b"3"
    assert sum("if-none-match" in headers for _, headers in server.asked) == 1


async def test_a_store_that_deletes_nothing_is_asked_once(served: tuple[Server, S3Store]) -> None:
    """It answers that it has deleted the objects, and lists them again."""
    server, store = served
    server.objects[""] = (
        b"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>"
        b"<Contents><Key>p/a</Key><Size>1</Size>"
        b"<LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents></ListBucketResult>"
    )
    with pytest.raises(StoreUnavailable, match="still lists 'p/a' after it answered that it was deleted"):
        await store.delete_prefix("p/")
    assert (server.count("GET"), server.count("POST")) == (2, 1)


# --- how Pods upload ---------------------------------------------------------------------------------------


async def test_a_store_with_forms_is_asked_once(served: tuple[Server, S3Store]) -> None:
    server, store = served
    assert [await store.takes_forms("p/"), await store.takes_forms("p/")] == [True, True]
    assert server.count("POST") == 1


def no_post(status: int, code: str) -> Refuses:
    return lambda method, headers: (status, code, "no") if method == "POST" else None


@pytest.mark.parametrize(
    ("status", "code"),
    [(501, "NotImplemented"), (405, "MethodNotAllowed"), (400, "InvalidRequest"), (403, "AccessDenied")],
)
async def test_a_store_that_refuses_forms_gets_puts(
    served: tuple[Server, S3Store], status: int, code: str
) -> None:
    server, store = served
    server.refuses = no_post(status, code)
    assert not await store.takes_forms("p/")
    assert server.objects["p/put"] == b"x"
    assert server.count("POST") == 1


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (503, "SlowDown", StoreUnavailable),
        (403, "InvalidAccessKeyId", StoreDenied),
        (403, "SignatureDoesNotMatch", StoreDenied),
    ],
)
async def test_an_answer_that_says_nothing_about_forms_decides_nothing(
    served: tuple[Server, S3Store], status: int, code: str, kind: type[StoreError]
) -> None:
    server, store = served
    server.refuses = no_post(status, code)
    with pytest.raises(kind):
        await store.takes_forms("p/")
    server.refuses = lambda *_: None
    assert await store.takes_forms("p/")


async def test_a_store_that_ignores_the_signed_length_is_not_used(served: tuple[Server, S3Store]) -> None:
    server, store = served
    server.refuses, server.any_length = no_post(501, "NotImplemented"), True
    with pytest.raises(CallNotSupported, match=r"another length .PutObject with a signed"):
        await store.takes_forms("p/")


async def test_a_store_that_denies_writing_is_not_one_without_uploads(served: tuple[Server, S3Store]) -> None:
    server, store = served
    server.refuses = lambda method, headers: (403, "AccessDenied", "no") if method != "GET" else None
    with pytest.raises(
        ObjectRefused, match=r"AccessDenied: no .PutObject with a signed Content-Length 'p/put'"
    ):
        await store.takes_forms("p/")


async def test_the_length_is_part_of_the_signature(served: tuple[Server, S3Store]) -> None:
    _, store = served
    puts = store.sign_puts("out ä/", ["a", "b"], (1, 2), timedelta(hours=1))
    assert parse_qs(puts.query)["X-Amz-SignedHeaders"] == ["content-length;host"]
    assert len({signature for both in puts.signatures.values() for signature in both}) == 4
    assert puts.url.endswith("/bucket/out%20%C3%A4/")


async def test_what_is_missing_is_named(served: tuple[Server, S3Store]) -> None:
    _, store = served
    with pytest.raises(ObjectMissing, match="GetObject 'no'"):
        await store.read("no", 1)
