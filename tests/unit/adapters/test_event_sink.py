"""The event sink over HTTP, against a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from imagejob_operator.adapters.http.event_sink import HttpEventSink
from imagejob_operator.environment import InvalidSettings
from imagejob_operator.ports.event_sink import EventRefused, SinkError
from imagejob_operator.settings import read_settings
from unit.adapters.test_sweep_metrics import NEEDED

EVENT = {"specversion": "1.0", "id": "u-1", "type": "t", "source": "/s"}


class Server:
    """Answers with a status, and keeps what it was sent."""

    def __init__(self, status: int = 202) -> None:
        self.status = status
        self.content_type = "text/plain"
        self.requests: list[tuple[dict[str, str], dict[str, object]]] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.requests.append((dict(request.headers), await request.json()))
        headers = {"Location": "/elsewhere"} if self.status == 302 else {}
        headers["Content-Type"] = self.content_type
        return web.Response(status=self.status, body=b"no room" * 100, headers=headers)


@asynccontextmanager
async def served(server: Server) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/{path:.*}", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/events"
    finally:
        await runner.cleanup()


async def send(url: str, token_file: Path | None = None) -> None:
    sink = HttpEventSink(url, token_file)
    try:
        await sink.send(EVENT)
    finally:
        await sink.close()


async def test_an_event_is_posted_in_structured_mode() -> None:
    server = Server()
    async with served(server) as url:
        await send(url)
    ((headers, body),) = server.requests
    assert body == EVENT
    assert headers["Content-Type"] == "application/cloudevents+json"
    assert "Authorization" not in headers


async def test_the_token_is_read_for_each_event(tmp_path: Path) -> None:
    server, token = Server(), tmp_path / "token"
    async with served(server) as url:
        for secret in ("one\n", "two"):
            token.write_text(secret)
            await send(url, token)
    assert [headers["Authorization"] for headers, _ in server.requests] == ["Bearer one", "Bearer two"]


@pytest.mark.parametrize("status", [302, 401, 403, 408, 425, 429, 500, 503])
async def test_what_is_not_accepted_is_an_error_with_the_answer(status: int) -> None:
    server = Server(status)
    async with served(server) as url:
        with pytest.raises(SinkError, match=f"the server answered {status} .*: no room") as raised:
            await send(url)
    assert not isinstance(raised.value, EventRefused)
    assert len(server.requests) == 1, "a redirect is not followed"
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize("status", [400, 404, 410, 413, 415, 422])
async def test_an_event_that_the_server_will_never_take_is_refused(status: int) -> None:
    async with served(Server(status)) as url:
        with pytest.raises(EventRefused, match=f"the server answered {status} .*: no room"):
            await send(url)


@pytest.mark.parametrize("token", [b"two\nlines", b"a\x00b", b"\xff\xfe", b"", b"a b"])
async def test_a_file_without_a_token_is_an_error(tmp_path: Path, token: bytes) -> None:
    path = tmp_path / "token"
    path.write_bytes(token)
    with pytest.raises(SinkError, match="has no bearer token"):
        await send("http://127.0.0.1:9/", path)


@pytest.mark.parametrize("charset", ["hex", "rot13", "idna", "undefined", "none"])
async def test_the_charset_of_an_error_does_not_matter(charset: str) -> None:
    server = Server(500)
    server.content_type = f"text/plain; charset={charset}"
    async with served(server) as url:
        with pytest.raises(SinkError, match="500"):
            await send(url)


async def test_a_server_that_is_not_there_and_a_token_that_is_not_there_are_errors(tmp_path: Path) -> None:
    with pytest.raises(SinkError, match="Connect"):
        await send("http://127.0.0.1:9/")
    with pytest.raises(SinkError, match="FileNotFoundError"):
        await send("http://127.0.0.1:9/", tmp_path / "none")


def test_the_settings_of_the_sink() -> None:
    assert read_settings(NEEDED).event_sink == ""
    given = {"IMAGEJOB_EVENT_SINK": "https://e.example/x?y", "IMAGEJOB_EVENT_SINK_TOKEN_FILE": "/token"}
    found = read_settings({**NEEDED, **given})
    assert (found.event_sink, found.event_sink_token_file) == ("https://e.example/x?y", Path("/token"))
    assert "e.example" not in repr(found)
    with pytest.raises(InvalidSettings, match="IMAGEJOB_EVENT_SINK is invalid") as raised:
        read_settings({**NEEDED, "IMAGEJOB_EVENT_SINK": "ftp://user:secret@e.example"})
    assert "secret" not in str(raised.value)
