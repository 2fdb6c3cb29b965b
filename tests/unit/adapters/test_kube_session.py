"""The gate of the session: what a former leader never sends, on real connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest
from aiohttp import web

from imagejob_operator.adapters.kubernetes.answers import ApiError, translate
from imagejob_operator.adapters.kubernetes.session import KubeHTTP, open_session
from imagejob_operator.ports.imagejobs import Unavailable

PODS = "/api/v1/namespaces/shop/pods"


class Server:
    """An API server that answers a listing when the test releases it, and all else at once."""

    def __init__(self) -> None:
        self.received: list[str] = []
        self.managers: list[str | None] = []
        self.asked, self.answers = asyncio.Event(), asyncio.Event()

    async def serve(self, request: web.Request) -> web.Response:
        self.received.append(request.method)
        self.managers.append(request.query.get("fieldManager"))
        if "watch" in request.query:
            self.asked.set()
            await self.answers.wait()
        return web.json_response({})


@asynccontextmanager
async def served(gate: Callable[[], bool], connections: int = 4) -> AsyncIterator[tuple[Server, KubeHTTP]]:
    async def token(_: str) -> str:
        return ""

    server, application = Server(), web.Application()
    application.router.add_route("*", "/{path:.*}", server.serve)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    who = SimpleNamespace(ssl_ca_cert=None, cert_file=None, verify_ssl=True, get_api_key_with_prefix=token)
    try:
        async with open_session(who, connections, gate) as session:
            yield server, KubeHTTP(str(site.name), session)
    finally:
        await runner.cleanup()


@pytest.mark.parametrize("verb", ["POST", "PUT", "PATCH", "DELETE"])
async def test_a_replica_that_is_no_longer_the_leader_sends_no_write(verb: str) -> None:
    async with served(lambda: False) as (server, http):
        with pytest.raises(ApiError, match="no longer the leader") as refused:
            await http.request(verb, PODS)
        assert type(translate(refused.value)) is Unavailable
        assert await http.request("GET", PODS) == {}
        assert server.received == ["GET"]


async def test_the_leader_writes() -> None:
    async with served(lambda: True) as (server, http):
        await http.request("POST", PODS)
        assert server.received == ["POST"]


async def test_a_write_names_its_field_manager() -> None:
    async with served(lambda: True) as (server, http):
        for verb in ("POST", "PUT", "PATCH", "GET", "DELETE"):
            await http.request(verb, PODS)
        assert server.managers == ["imagejob-operator"] * 3 + [None] * 2


async def test_a_write_that_waits_for_a_connection_meets_the_gate_when_it_has_one() -> None:
    doors = [True]
    async with served(lambda: doors[0], connections=1) as (server, http):
        listing = asyncio.create_task(http.request("GET", f"{PODS}?watch=1"))
        await server.asked.wait()
        writing = [asyncio.create_task(http.request("POST", PODS)) for _ in range(3)]
        await asyncio.sleep(0)
        doors[0] = False
        server.answers.set()
        assert await listing == {}
        answers = await asyncio.gather(*writing, return_exceptions=True)
        assert [str(answer) for answer in answers] == ["this replica is no longer the leader"] * 3
        assert server.received == ["GET"], "what waited was not sent"
        doors[0] = True
        await http.request("POST", PODS)
        assert server.received == ["GET", "POST"], "the connection was given back"
