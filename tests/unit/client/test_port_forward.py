"""Bytes to a Pod through a WebSocket of the API server, which is played here by aiohttp."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from queue import SimpleQueue
from typing import Any

import pytest
from aiohttp import WSMsgType, web
from aiohttp.test_utils import TestServer
from urllib3.exceptions import MaxRetryError

from fakes.transport import FakeTransport
from hostile.servers import hostile, silent
from imagejob.errors import Forbidden, StoreFailed, Unreachable
from imagejob.kubeconfig import Access
from imagejob.port_forward import dialler
from imagejob.store_location import Service
from imagejob.store_pool import StorePool
from imagejob.transport import HttpTransport

SERVICE = Service("imagejob-system", "minio", 9000)
SPACE = "/api/v1/namespaces/imagejob-system"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/imagejob-system/endpointslices"
PODS = {
    "items": [
        {
            "ports": [{"name": "s3", "port": 9001}],
            "endpoints": [
                {"conditions": {"ready": False}, "targetRef": {"kind": "Pod", "name": "starting"}},
                {"conditions": {"ready": True}, "targetRef": {"kind": "Pod", "name": "minio-0"}},
            ],
        }
    ]
}


class ApiServer:
    """Answers what is needed to find the Pod, and echoes what is sent to its port."""

    def __init__(self) -> None:
        self.slices: dict[str, Any] = PODS
        self.status = 101
        self.headers: list[str] = []
        self.fails = False
        self.silent = False
        self.elsewhere = ""
        self.closes = False
        self.echoed: SimpleQueue[int] = SimpleQueue()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path == f"{SPACE}/services/minio":
            return web.json_response({"spec": {"ports": [{"name": "s3", "port": 9000}]}})
        if request.path == SLICES:
            return web.json_response(self.slices)
        assert request.path_qs == f"{SPACE}/pods/minio-0/portforward?ports=9001"
        if self.elsewhere:
            return web.Response(status=307, headers={"Location": self.elsewhere})
        if self.status != 101:
            body = {"kind": "Status", "message": 'User "jane" cannot create resource "pods/portforward"'}
            return web.json_response(body, status=self.status)
        self.headers = [request.headers["Authorization"], request.headers["Impersonate-User"]]
        answer = web.WebSocketResponse(protocols=["v4.channel.k8s.io"])
        await answer.prepare(request)
        for channel in (0, 1):
            await answer.send_bytes(bytes([channel]) + (9001).to_bytes(2, "little"))
        async for message in answer:
            assert message.type is WSMsgType.BINARY
            assert message.data[0] == 0
            if self.silent:
                continue
            if self.fails:
                await answer.send_bytes(b"\x01connection refused")
            else:
                await answer.send_bytes(message.data)
                self.echoed.put(len(message.data) - 1)
                if self.closes:
                    break
        return answer


@pytest.fixture
async def api() -> AsyncIterator[tuple[ApiServer, HttpTransport]]:
    server = ApiServer()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", server.answer)
    async with TestServer(application) as listening:
        access = Access(
            server=str(listening.make_url("")).rstrip("/"),
            namespace="shop",
            context="c",
            tls=ssl.create_default_context(),
            authorization=lambda: "Bearer secret",
            impersonate={"Impersonate-User": ["jane"]},
        )
        yield server, HttpTransport(access)


def exchange(transport: HttpTransport, sent: bytes) -> bytes:
    connection = dialler(transport, SERVICE)()
    with connection:
        connection.settimeout(20)
        connection.sendall(sent)
        received = b""
        while len(received) < len(sent) and (data := connection.recv(65536)):
            received += data
    return received


async def test_bytes_arrive_as_they_were_sent(api: tuple[ApiServer, HttpTransport]) -> None:
    server, transport = api
    for sent in (b"GET / HTTP/1.1\r\n\r\n", bytes(range(256)) * 2000):
        assert await asyncio.to_thread(exchange, transport, sent) == sent
    assert server.headers == ["Bearer secret", "jane"]


async def test_an_answer_that_is_not_read_yet_does_not_hold_up_the_request(
    api: tuple[ApiServer, HttpTransport],
) -> None:
    server, transport = api
    piece, count = bytes(range(256)) * 64, 48

    def ask() -> bytes:
        with dialler(transport, SERVICE)() as connection:
            connection.settimeout(20)
            for _ in range(count):
                connection.sendall(piece)
                echoed = 0
                while echoed < len(piece):
                    echoed += server.echoed.get(timeout=20)
            received = b""
            while len(received) < count * len(piece):
                received += connection.recv(1 << 20)
            return received

    assert await asyncio.to_thread(ask) == piece * count


async def test_what_was_sent_before_the_end_is_read(api: tuple[ApiServer, HttpTransport]) -> None:
    server, transport = api
    server.closes = True
    sent = bytes(range(256)) * 64

    def ask() -> bytes:
        with dialler(transport, SERVICE)() as connection:
            connection.settimeout(20)
            connection.sendall(sent)
            received = b""
            while data := connection.recv(65536):
                received += data
            return received

    assert await asyncio.to_thread(ask) == sent


async def test_an_error_of_the_port_closes_the_connection(api: tuple[ApiServer, HttpTransport]) -> None:
    server, transport = api
    server.fails = True
    assert await asyncio.to_thread(exchange, transport, b"hello") == b""


async def test_a_port_that_never_answers_does_not_hold_a_command(
    api: tuple[ApiServer, HttpTransport], monkeypatch: pytest.MonkeyPatch
) -> None:
    server, transport = api
    server.silent = True
    monkeypatch.setattr("imagejob.store_pool.READ_SECONDS", 0.3)
    monkeypatch.setattr("imagejob.store_pool.CONNECT_SECONDS", 0.3)
    monkeypatch.setattr("imagejob.store_pool.RETRIES", 0)

    def ask(scheme: str, body: bytes) -> None:
        tls = ssl.create_default_context() if scheme == "https" else None
        pool = StorePool(tls, 1, dialler(transport, SERVICE))
        with pytest.raises(MaxRetryError) as raised:
            pool.request("PUT", f"{scheme}://minio/", body=body)
        assert "timed out" in str(raised.value.reason)

    for scheme in ("http", "https"):
        await asyncio.to_thread(ask, scheme, b"x")


async def test_the_credentials_for_the_cluster_do_not_follow_a_redirect(
    api: tuple[ApiServer, HttpTransport],
) -> None:
    server, transport = api
    with hostile(silent) as other:
        server.elsewhere = f"ws://{other.host}/"
        with pytest.raises(Unreachable, match="cannot reach the API server"):
            await asyncio.to_thread(exchange, transport, b"hello")
    assert other.connections == 0


async def test_the_right_to_forward_ports_is_needed(api: tuple[ApiServer, HttpTransport]) -> None:
    server, transport = api
    server.status = 403
    with pytest.raises(Forbidden, match="user 'jane' may not create pods/portforward"):
        await asyncio.to_thread(exchange, transport, b"hello")


@pytest.mark.parametrize("slices", [{"items": []}, {"items": [{"ports": [{"name": "web", "port": 1}]}]}])
async def test_a_service_without_a_ready_pod_is_named(
    api: tuple[ApiServer, HttpTransport], slices: dict[str, Any]
) -> None:
    server, transport = api
    server.slices = slices
    with pytest.raises(
        StoreFailed, match="no Pod of Service 'minio' in namespace 'imagejob-system' is ready"
    ):
        await asyncio.to_thread(exchange, transport, b"hello")


async def test_a_port_that_the_service_does_not_have_is_named(api: tuple[ApiServer, HttpTransport]) -> None:
    _, transport = api
    with pytest.raises(StoreFailed, match="has no port 80; correct the endpoint of the store"):
        await asyncio.to_thread(dialler, transport, Service("imagejob-system", "minio", 80))


def test_other_connections_cannot_forward_ports() -> None:
    with pytest.raises(StoreFailed, match="can be reached only through an API server"):
        dialler(FakeTransport(), SERVICE)
