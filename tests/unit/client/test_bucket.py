"""A store that answers wrongly: nothing hangs, no credentials leak, and messages say what happened."""

from __future__ import annotations

import io
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from fakes.transport import FakeTransport
from hostile.servers import Answer, HostileServer, Request, answered, head, hostile, silent
from imagejob.bucket import Bucket
from imagejob.errors import StoreFailed
from imagejob.store_location import FoundStore
from imagejob_operator.api.store_location import StoreLocation

XML: dict[str, Any] = {"Content_Type": "application/xml"}
Call = Callable[[Bucket], object]


def page(*keys: str, token: str = "") -> bytes:
    contents = "".join(
        f"<Contents><Key>shop/{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        f"<ETag>&quot;e&quot;</ETag><Size>1</Size></Contents>"
        for key in keys
    )
    more = f"<IsTruncated>true</IsTruncated><NextContinuationToken>{token}</NextContinuationToken>"
    return (
        f"<ListBucketResult><Name>media</Name>{contents}{more if token else ''}</ListBucketResult>".encode()
    )


CALLS: dict[str, Call] = {
    "list": lambda bucket: list(bucket.list("a/")),
    "find": lambda bucket: bucket.find("a.jpg"),
    "read": lambda bucket: bucket.read("a.jpg", io.BytesIO(), lambda count: None),
    "write": lambda bucket: bucket.write("a.jpg", io.BytesIO(b"photo"), 5, "image/jpeg"),
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imagejob.store_pool.RETRIES", 1)
    monkeypatch.setattr("imagejob.store_pool.READ_SECONDS", 0.5)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "session")


def bucket_of(server: HostileServer, secure: bool = False) -> Bucket:
    location = StoreLocation(server.host, "media", secure=secure, prefix="shop/")
    return Bucket(FakeTransport(), FoundStore("the test", location))


def failed(answer: Answer, call: Call = CALLS["find"]) -> str:
    with hostile(answer) as server, pytest.raises(StoreFailed) as raised:
        call(bucket_of(server))
    return str(raised.value).replace(server.host, "HOST")


# --- redirects ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_no_request_follows_a_redirect(call: Call, status: int) -> None:
    with hostile(answered(page())) as other:
        to = f"http://{other.host}/media"
        text = failed(answered(b"", status, Location=to, x_amz_bucket_region="eu-west-1"), call)
    assert other.connections == 0
    assert f"HOST redirects to {other.host} (HTTP {status}), where your credentials are not sent" in text
    assert "the bucket is in region 'eu-west-1', and the request was for region 'us-east-1'" in text
    assert "correct the address and the region: --bucket and AWS_REGION" in text


def test_a_redirect_of_s3_has_no_address() -> None:
    error = b"<Error><Code>PermanentRedirect</Code><Message>another endpoint</Message></Error>"
    assert "HOST redirects (HTTP 301), where" in failed(answered(error, 301, **XML), CALLS["list"])


def test_a_wrong_region_has_a_remedy() -> None:
    error = (
        b"<Error><Code>AuthorizationHeaderMalformed</Code><Message>expecting 'eu-west-1'</Message></Error>"
    )
    text = failed(answered(error, 400, **XML), CALLS["list"])
    assert "expecting 'eu-west-1'; correct the address and the region" in text


# --- listings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "second",
    [page("a/1", token="t"), page("a/1", token="u"), page(token="u"), page("a/0", token="u")],
    ids=["the same page", "the same keys", "no keys", "earlier keys"],
)
def test_a_listing_without_an_end_is_refused(second: bytes) -> None:
    def answer(request: Request) -> None:
        request.send(page("a/1", token="t") if request.number == 1 else second, **XML)

    text = failed(answer, CALLS["list"])
    assert (
        "cannot list 'a/' in bucket 'media' of the test: its listing does not end: after 'shop/a/1'" in text
    )


def test_a_listing_of_several_pages_is_complete() -> None:
    def answer(request: Request) -> None:
        request.send([page("a/1", "a/2", token="t"), page("a/3")][request.number - 1], **XML)

    with hostile(answer) as server:
        assert [one.key for one in bucket_of(server).list("a/")] == ["a/1", "a/2", "a/3"]
    assert "continuation-token=t" in server.requests[1]


# --- answers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["\x01", "&#1;", "&#x1F;", "\ufffd"])
def test_a_key_that_xml_cannot_have_is_listed_and_the_others_after_it(written: str) -> None:
    pages = [page(f"a/{written}.jpg", token="t"), page("a/b.jpg", f"b{written}.jpg", "c.jpg")]
    with hostile(lambda request: request.send(pages[request.number - 1], **XML)) as server:
        listed = [found.key for found in bucket_of(server).list("")]
    assert listed == ["a/\ufffd.jpg", "a/b.jpg", "b\ufffd.jpg", "c.jpg"]


def cut_short(request: Request) -> None:
    request.socket.sendall(head(200, 100, ETag='"e"') + b"only this")
    request.socket.shutdown(socket.SHUT_RDWR)


def hung_up(request: Request) -> None:
    request.socket.shutdown(socket.SHUT_RDWR)


CUT = "HOST closed the connection before its answer was complete: "


@pytest.mark.parametrize(
    ("answer", "call", "text"),
    [
        (
            answered(b"oh no", 500),
            "list",
            "HOST answered HTTP 500 with 'oh no', which is no answer of S3; try",
        ),
        (answered(b"", 500), "find", "HOST answered HTTP 500; try again, and ask the administrator"),
        (
            answered(b"<Error><Code>InternalError</Code><Message>disk</Message></Error>", 500, **XML),
            "read",
            "InternalError: disk; try again, and ask the administrator",
        ),
        (
            answered(b"<Error><Code>QuotaExceeded</Code><Message>full</Message></Error>", 403, **XML),
            "write",
            "QuotaExceeded: full; there is no space left; delete what is not needed",
        ),
        (answered(b"<p>Log in</p>", 403), "read", "HOST answered HTTP 403 with '<p>Log in</p>', which is no"),
        (answered(b"not XML", **XML), "list", "the answer of HOST is not the XML of S3: "),
        (cut_short, "read", f"{CUT}Connection broken: IncompleteRead(9 bytes read, 91 more expected)"),
        (cut_short, "list", CUT),
        (hung_up, "write", CUT),
        (silent, "find", "HOST did not answer in time: Read timed out. (read timeout=0.5); try again"),
    ],
    ids=[
        "500",
        "500-head",
        "500-xml",
        "full",
        "a-proxy",
        "no-xml",
        "cut",
        "cut-listing",
        "hung-up",
        "silent",
    ],
)
def test_the_message_says_what_happened(answer: Answer, call: str, text: str) -> None:
    shown = failed(answer, CALLS[call])
    assert text in shown
    assert ("does not answer" in shown) is False
    assert len(shown) < 500


def test_a_store_that_asks_for_patience_is_not_obeyed_for_hours() -> None:
    assert "HTTP 503" in failed(answered(b"", 503, Retry_After="3600"))


def test_a_burst_of_errors_is_survived() -> None:
    def answer(request: Request) -> None:
        request.send(b"", 503 if request.number == 1 else 200, ETag='"e"')

    with hostile(answer) as server:
        assert bucket_of(server).find("a.jpg")


def test_a_server_without_tls_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def refuse() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=refuse, daemon=True).start()
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(StoreFailed) as raised:
            bucket_of(HostileServer(silent, host=host), secure=True).find("a.jpg")
    assert f"the TLS connection to {host} failed: " in str(raised.value)
    assert "set AWS_CA_BUNDLE" in str(raised.value)


def test_a_full_disk_is_no_failure_of_the_store() -> None:
    class Full(io.BytesIO):
        def write(self, data: Any, /) -> int:
            raise OSError(28, "No space left on device")

    with hostile(answered(b"photo")) as server, pytest.raises(OSError, match="No space left"):
        bucket_of(server).read("a.jpg", Full(), lambda count: None)


# --- what is known of the bytes -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "etag", "sha256"),
    [
        ({"ETag": '"e"'}, "e", ""),
        ({"ETag": '"e-2"', "x_amz_meta_imagejob_sha256": "5e"}, "e-2", "5e"),
        ({"ETag": '"e"', "x_amz_server_side_encryption": "AES256"}, "e", ""),
        ({"ETag": '"e"', "x_amz_server_side_encryption": "aws:kms"}, "", ""),
        ({"ETag": '"e"', "x_amz_server_side_encryption_customer_algorithm": "AES256"}, "", ""),
    ],
)
def test_an_etag_that_is_no_hash_is_not_taken_for_one(
    headers: dict[str, str], etag: str, sha256: str
) -> None:
    with hostile(answered(b"photo", **headers)) as server:
        found = bucket_of(server).find("a.jpg")
    assert found
    assert (found.size, found.etag, found.sha256) == (5, etag, sha256)
