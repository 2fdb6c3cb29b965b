"""Fetching from web servers: bounded in every way, and never from where only the operator can reach.

The servers here are on loopback, so an administrator's word admits the one address that may be reached; every
other address of this machine stands for what must not be.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import pytest

from imagejob_operator.adapters.http.downloads import Bounds, HttpDownloads
from imagejob_operator.api.errors import Reason
from imagejob_operator.ports.downloads import FetchFailed
from imagejob_operator.validation.networks import SourceNetworks, read_networks

OPEN, INSIDE = "127.0.0.2", "127.0.0.3"
"""What may be reached, and what stands for a metadata service or the API server."""
NETWORKS = SourceNetworks(allowed=read_networks([OPEN]))
QUICK = Bounds(connect=1, idle=0.3, patience=0.6, pace=1024, small=4096, large_concurrent=1)
MOST = 100_000

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def plain(status: str, body: bytes = b"", *headers: str, length: int | None = None) -> Answer:
    """One answer, whole."""
    size = len(body) if length is None else length
    head = "\r\n".join((f"HTTP/1.1 {status}", f"Content-Length: {size}", "Connection: close", *headers))

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head.encode() + b"\r\n\r\n" + body)

    return answer


@dataclass
class Site:
    """A web server with what it was asked for."""

    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    at_work: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = field(default_factory=dict)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.at_work[writer] = asyncio.current_task()
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            path = lines[0].split(" ")[1]
            pairs = (line.partition(": ") for line in lines[1:] if line)
            self.asked.append((path, {name.lower(): value for name, _, value in pairs}))
            await self.answers.get(path.partition("?")[0], plain("404 Not Found"))(reader, writer)
            await writer.drain()
        writer.close()

    def url(self, path: str, host: str = OPEN) -> str:
        return f"http://{host}:{self.port}{path}"


@contextlib.asynccontextmanager
async def serving(host: str, port: int = 0) -> AsyncIterator[Site]:
    site = Site()
    server = await asyncio.start_server(site.serve, host, port)
    site.port = server.sockets[0].getsockname()[1]
    try:
        yield site
    finally:
        server.close()
        for writer, task in site.at_work.items():
            writer.transport.abort()
            if task:
                task.cancel()
        await asyncio.gather(*filter(None, site.at_work.values()), return_exceptions=True)


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    """Where sources may come from."""
    async with serving(OPEN) as made:
        yield made


@pytest.fixture
async def inside(site: Site) -> AsyncIterator[Site]:
    """What must never be asked, on the same port."""
    async with serving(INSIDE, site.port) as made:
        made.answers["/secret"] = plain("200 OK", b"token")
        yield made
        assert made.asked == [], "what must not be reached was asked"


def names(**hosts: Sequence[str]) -> Callable[[str], Sequence[str]]:
    """A resolver that knows these names: `a_example` stands for a.example."""
    known = {name.replace("_", "."): addresses for name, addresses in hosts.items()}

    def look(host: str) -> Sequence[str]:
        if host not in known:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return known[host]

    return look


async def fetch(
    url: str,
    headers: dict[str, str] | None = None,
    lookup: Callable[[str], Sequence[str]] | None = None,
    networks: SourceNetworks = NETWORKS,
    proxy: str = "",
    bounds: Bounds = QUICK,
) -> bytes:
    downloads = HttpDownloads(networks, proxy, lookup or names(a_example=[OPEN]), bounds)
    try:
        async with downloads.fetch(url, headers or {}, MOST) as data:
            return data
    finally:
        await downloads.close()


async def refused(url: str, **more: object) -> FetchFailed:
    with pytest.raises(FetchFailed) as refusal:
        await fetch(url, **more)  # type: ignore[arg-type]
    return refusal.value


def verdict(error: FetchFailed) -> tuple[Reason, bool]:
    return error.reason, error.transient


# --- what is fetched ---------------------------------------------------------------------------------------


async def test_an_image_is_fetched_as_it_is(site: Site) -> None:
    site.answers["/a%20b.jpg"] = plain("200 OK", b"picture", "Content-Type: image/jpeg")
    assert (
        await fetch(f"http://a.example:{site.port}/a%20b.jpg?sig=a%2Bb#x", {"Authorization": "Bearer t"})
        == b"picture"
    )
    path, headers = site.asked[0]
    assert path == "/a%20b.jpg?sig=a%2Bb"
    assert headers["host"] == f"a.example:{site.port}"
    assert headers["authorization"] == "Bearer t"
    assert headers["accept-encoding"] == "identity"
    assert "cookie" not in headers


async def test_over_ipv6(site: Site) -> None:
    networks = SourceNetworks(allowed=read_networks(["::1"]))
    async with serving("::1") as six:
        six.answers["/a.jpg"] = plain("200 OK", b"six")
        assert await fetch(f"http://[::1]:{six.port}/a.jpg", networks=networks) == b"six"
        by_name = names(six_example=["::1"])
        assert (
            await fetch(f"http://six.example:{six.port}/a.jpg", networks=networks, lookup=by_name) == b"six"
        )
        assert verdict(await refused(f"http://[::1]:{six.port}/a.jpg")) == (Reason.BLOCKED_ADDRESS, False)


async def test_redirects_are_followed_and_headers_stay_with_their_origin(site: Site) -> None:
    other = names(a_example=[OPEN], b_example=[OPEN])
    there = f"http://b.example:{site.port}"
    site.answers["/1"] = plain("302 Found", b"", "Location: /2")
    site.answers["/2"] = plain("307 Temporary Redirect", b"", f"Location: {there}/3", "Set-Cookie: a=b")
    site.answers["/3"] = plain("301 Moved", b"", f"Location: http://a.example:{site.port}/4")
    site.answers["/4"] = plain("200 OK", b"here")
    assert await fetch(f"http://a.example:{site.port}/1", {"X-Key": "s"}, other) == b"here"
    assert [(path, headers.get("x-key")) for path, headers in site.asked] == [
        ("/1", "s"),
        ("/2", "s"),
        ("/3", None),
        ("/4", None),
    ]
    assert not any("cookie" in headers for _, headers in site.asked)


async def test_a_body_without_a_length_ends_with_the_connection(site: Site) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.0 200 OK\r\n\r\npicture")

    site.answers["/a.jpg"] = answer
    assert await fetch(site.url("/a.jpg")) == b"picture"


async def test_through_a_proxy_that_decides(site: Site) -> None:
    """The proxy looks names up; our own resolver is never asked."""
    site.answers["http://intranet.example/a.jpg"] = plain("200 OK", b"by proxy")
    site.answers["http://no.example/a.jpg"] = plain("403 Forbidden")
    proxy = site.url("")
    assert await fetch("http://intranet.example/a.jpg", lookup=names(), proxy=proxy) == b"by proxy"
    assert verdict(await refused("http://no.example/a.jpg", proxy=proxy)) == (Reason.ACCESS_DENIED, False)
    for url in ("http://169.254.169.254/a", "http://intranet.example:22/a"):
        assert (await refused(url, proxy=proxy)).reason is Reason.BLOCKED_ADDRESS
    site.answers["no.example:443"] = plain("403 Forbidden")
    assert verdict(await refused("https://no.example/a", proxy=proxy)) == (Reason.BLOCKED_ADDRESS, False)
    site.answers["away.example:443"] = plain("502 Bad Gateway")
    assert verdict(await refused("https://away.example/a", proxy=proxy)) == (Reason.SOURCE_UNREACHABLE, True)


async def test_the_environment_says_nothing(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.9:9")
    site.answers["/a.jpg"] = plain("200 OK", b"picture")
    assert await fetch(site.url("/a.jpg")) == b"picture"


# --- the guard ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        INSIDE,
        "127.0.0.1",
        "0.0.0.0",
        "[::1]",
        "[::]",
        f"[::ffff:{INSIDE}]",
        f"[::ffff:{OPEN}]",
        f"[::{INSIDE}]",
        f"[64:ff9b::{INSIDE}]",
        "[2002:7f00:3::]",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "localhost",
        "metadata.example",
        "mapped.example",
        "both.example",
        "octal.example",
    ],
)
async def test_nothing_inside_is_reached(host: str, site: Site, inside: Site) -> None:
    known = names(
        localhost=["127.0.0.1"],
        metadata_example=["169.254.169.254"],
        mapped_example=[f"::ffff:{INSIDE}"],
        both_example=[OPEN, INSIDE],
        octal_example=["0177.0.0.3"],
    )
    error = await refused(inside.url("/secret", host), lookup=known)
    assert verdict(error) == (Reason.BLOCKED_ADDRESS, False)
    assert f"http://{host}" in str(error)
    assert site.asked == []


@pytest.mark.parametrize("host", ["2130706435", "0x7f000003", "0177.0.0.3", "127.3", "0x7f.0.0.0x3"])
async def test_no_address_in_another_form(host: str, inside: Site) -> None:
    """The system's resolver takes each for 127.0.0.3, so the URL is refused before it is asked."""
    assert socket.getaddrinfo(host, 80)[0][4][0] == INSIDE
    with pytest.raises(ValueError, match="four decimal numbers"):
        await fetch(inside.url("/secret", host))


async def test_an_answer_that_changes_between_check_and_connection(site: Site, inside: Site) -> None:
    """DNS rebinding: a name is looked up once for a connection, which is made to what was judged."""
    answers = iter([[OPEN], [INSIDE], [INSIDE]])
    asked: list[str] = []

    def rebinding(host: str) -> Sequence[str]:
        asked.append(host)
        return next(answers)

    site.answers["/secret"] = plain("200 OK", b"public")
    url = f"http://rebind.example:{site.port}/secret"
    assert await fetch(url, lookup=rebinding) == b"public"
    assert asked == ["rebind.example"]
    assert verdict(await refused(url, lookup=rebinding)) == (Reason.BLOCKED_ADDRESS, False)


async def test_a_name_is_judged_again_at_each_redirect(site: Site, inside: Site) -> None:
    answers = iter([[OPEN], [INSIDE]])
    site.answers["/1"] = plain("302 Found", b"", "Location: /secret")
    error = await refused(f"http://rebind.example:{site.port}/1", lookup=lambda host: next(answers))
    assert verdict(error) == (Reason.BLOCKED_ADDRESS, False)


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data/",
        "http://{inside}/secret",
        "http://[::ffff:127.0.0.3]/secret",
        "http://metadata.example/",
        "http://2130706435/secret",
        "http://me:pw@127.0.0.3/secret",
        "http://a.example:22/",
        "//{inside}/secret",
        "file:///etc/passwd",
        "gopher://127.0.0.3/",
    ],
)
async def test_no_redirect_leads_inside(location: str, site: Site, inside: Site) -> None:
    where = location.format(inside=f"{INSIDE}:{site.port}")
    site.answers["/1"] = plain("302 Found", b"", f"Location: {where}")
    known = names(metadata_example=["169.254.169.254"], a_example=["8.8.8.8"])
    error = await refused(site.url("/1?token=t"), lookup=known)
    assert verdict(error) == (Reason.BLOCKED_ADDRESS, False)
    assert site.url("/1") in str(error)
    assert "pw" not in str(error)
    assert "token" not in str(error)


async def test_the_socket_is_judged_even_if_all_else_is_passed(site: Site, inside: Site) -> None:
    """The last line: whatever the resolver and the URL's own check let through."""
    downloads = HttpDownloads(NETWORKS, lookup=names(), bounds=QUICK)
    downloads._admit = lambda url: None  # type: ignore[method-assign]
    try:
        with pytest.raises(FetchFailed) as refusal:
            async with downloads.fetch(inside.url("/secret", INSIDE), {}, MOST):
                pass
    finally:
        await downloads.close()
    assert verdict(refusal.value) == (Reason.BLOCKED_ADDRESS, False)


async def test_a_guard_that_judges_nothing_would_be_found(site: Site) -> None:
    """The same requests with everything allowed do reach what stands for the inside."""
    everything = SourceNetworks(allowed=read_networks(["0.0.0.0/0", "::/0"]))
    async with serving(INSIDE, site.port) as open_inside:
        open_inside.answers["/secret"] = plain("200 OK", b"token")
        site.answers["/1"] = plain("302 Found", b"", f"Location: {open_inside.url('/secret', INSIDE)}")
        assert await fetch(site.url("/1"), networks=everything) == b"token"


# --- the bounds --------------------------------------------------------------------------------------------


async def test_redirects_in_a_circle(site: Site) -> None:
    site.answers["/1"] = plain("302 Found", b"", "Location: /2")
    site.answers["/2"] = plain("302 Found", b"", "Location: /1")
    error = await refused(site.url("/1"))
    assert verdict(error) == (Reason.SOURCE_UNREACHABLE, False)
    assert "more than 5 redirects" in str(error)
    assert len(site.asked) == 6


@pytest.mark.parametrize(
    ("status", "reason", "transient"),
    [
        ("404 Not Found", Reason.SOURCE_NOT_FOUND, False),
        ("410 Gone", Reason.SOURCE_NOT_FOUND, False),
        ("401 Unauthorized", Reason.ACCESS_DENIED, False),
        ("403 Forbidden", Reason.ACCESS_DENIED, False),
        ("400 Bad Request", Reason.SOURCE_UNREACHABLE, False),
        ("204 No Content", Reason.SOURCE_UNREACHABLE, False),
        ("206 Partial Content", Reason.SOURCE_UNREACHABLE, False),
        ("302 Found", Reason.SOURCE_UNREACHABLE, False),
        ("304 Not Modified", Reason.SOURCE_UNREACHABLE, False),
        ("408 Request Timeout", Reason.SOURCE_UNREACHABLE, True),
        ("429 Too Many Requests", Reason.SOURCE_UNREACHABLE, True),
        ("500 Internal Server Error", Reason.SOURCE_UNREACHABLE, True),
        ("503 Service Unavailable", Reason.SOURCE_UNREACHABLE, True),
    ],
)
async def test_what_a_server_may_answer(status: str, reason: Reason, transient: bool, site: Site) -> None:
    site.answers["/a.jpg"] = plain(status)
    error = await refused(site.url("/a.jpg?token=t"))
    assert verdict(error) == (reason, transient)
    assert site.url("/a.jpg") in str(error)
    assert "token" not in str(error)


@pytest.mark.parametrize(
    ("body", "length", "wanted"),
    [
        (b"x" * MOST, MOST, None),
        (b"", 10**12, "has 1000000000000 bytes"),
        (b"x" * (MOST + 1), MOST + 1, "has 100001 bytes"),
    ],
    ids=["just-fits", "huge", "one-too-many"],
)
async def test_no_more_bytes_than_asked_for(body: bytes, length: int, wanted: str | None, site: Site) -> None:
    site.answers["/a.jpg"] = plain("200 OK", body, length=length)
    if wanted is None:
        assert await fetch(site.url("/a.jpg")) == body
        return
    error = await refused(site.url("/a.jpg"))
    assert verdict(error) == (Reason.SOURCE_TOO_LARGE, False)
    assert wanted in str(error)
    assert f"at most {MOST}" in str(error)


async def test_a_body_that_never_ends_is_cut_off(site: Site) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
            await writer.drain()

    site.answers["/a.jpg"] = endless
    assert verdict(await refused(site.url("/a.jpg"))) == (Reason.SOURCE_TOO_LARGE, False)


async def test_fewer_bytes_than_announced(site: Site) -> None:
    site.answers["/a.jpg"] = plain("200 OK", b"half", length=8)
    error = await refused(site.url("/a.jpg"))
    assert verdict(error) == (Reason.SOURCE_UNREACHABLE, True)
    assert "closed early" in str(error)


async def test_a_stream_of_chunks_that_breaks_off(site: Site) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf")

    site.answers["/a.jpg"] = answer
    assert verdict(await refused(site.url("/a.jpg"))) == (Reason.SOURCE_UNREACHABLE, True)


async def test_compressed_bytes_are_never_inflated(site: Site) -> None:
    site.answers["/a.jpg"] = plain("200 OK", b"\x1f\x8b bomb", "Content-Encoding: gzip")
    error = await refused(site.url("/a.jpg"))
    assert verdict(error) == (Reason.SOURCE_UNREACHABLE, False)
    assert "'gzip'" in str(error)
    site.answers["/a.jpg"] = plain("200 OK", b"plain", "Content-Encoding: identity")
    assert await fetch(site.url("/a.jpg")) == b"plain"


@pytest.mark.parametrize(
    "begun", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"]
)
async def test_silence_is_not_waited_for(begun: bytes, site: Site) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(begun)
        await reader.read()

    site.answers["/a.jpg"] = silent
    error = await refused(site.url("/a.jpg"))
    assert verdict(error) == (Reason.SOURCE_UNREACHABLE, True)


async def test_a_trickle_is_not_waited_for(site: Site) -> None:
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n")
        while not reader.at_eof():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    site.answers["/a.jpg"] = trickle
    loop = asyncio.get_running_loop()
    begun = loop.time()
    error = await refused(site.url("/a.jpg"))
    assert verdict(error) == (Reason.SOURCE_UNREACHABLE, True)
    assert "took too long" in str(error)
    assert loop.time() - begun < 10


async def test_headers_that_never_end(site: Site) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while not reader.at_eof():
            writer.write(b"X-A: " + b"x" * 1000 + b"\r\n")
            await writer.drain()

    site.answers["/a.jpg"] = answer
    assert (await refused(site.url("/a.jpg"))).reason is Reason.SOURCE_UNREACHABLE


async def test_no_server_and_no_name(site: Site) -> None:
    with socket.socket() as taken:
        taken.bind((OPEN, 0))
        closed = f"http://{OPEN}:{taken.getsockname()[1]}/a.jpg"
        assert verdict(await refused(closed)) == (Reason.SOURCE_UNREACHABLE, True)
    assert verdict(await refused("https://nowhere.example/a.jpg")) == (Reason.SOURCE_UNREACHABLE, False)

    def busy(host: str) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    assert verdict(await refused("https://a.example/a.jpg", lookup=busy)) == (Reason.SOURCE_UNREACHABLE, True)


async def test_no_tls_where_tls_was_asked_for(site: Site) -> None:
    error = await refused(f"https://a.example:{site.port}/a.jpg")
    assert error.reason is Reason.SOURCE_UNREACHABLE


async def test_only_so_many_large_ones_are_held_at_once(site: Site) -> None:
    """Room for one: the second waits in mid-stream, without its time running, until the first is let go."""
    site.answers["/a.jpg"] = plain("200 OK", b"a" * 50_000)
    downloads = HttpDownloads(NETWORKS, bounds=QUICK)
    held: list[bytes] = []

    async def second() -> None:
        async with downloads.fetch(site.url("/a.jpg"), {}, MOST) as data:
            held.append(data)

    try:
        async with downloads.fetch(site.url("/a.jpg"), {}, MOST) as first:
            waiting = asyncio.create_task(second())
            await asyncio.sleep(2 * QUICK.patience)
            assert not waiting.done()
            assert len(first) == 50_000
        await waiting
        assert [len(data) for data in held] == [50_000]
    finally:
        await downloads.close()
