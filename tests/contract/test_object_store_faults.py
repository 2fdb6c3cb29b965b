"""A store that is away, that refuses us, or whose connection breaks: the right error, within bounds."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from time import monotonic

import minio
import pytest

from imagejob_operator.adapters.s3.store import S3Store
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.ports.credentials import Credentials
from imagejob_operator.ports.object_store import ObjectChanged, StoreDenied, StoredObject, StoreUnavailable

SOMETHING = StoredObject("check/x", 1, "0" * 32, datetime(2026, 1, 1, tzinfo=UTC))
CALLS: dict[str, Callable[[S3Store], Awaitable[object]]] = {
    "stat": lambda s: s.stat("check/x"),
    "read": lambda s: s.read("check/x", 10),
    "put": lambda s: s.put("check/x", b"data", "text/plain"),
    "put_if_absent": lambda s: s.put_if_absent("check/x", b"data", "text/plain"),
    "put_if_match": lambda s: s.put_if_match("check/x", b"data", "0" * 32, "text/plain"),
    "copy": lambda s: s.copy(SOMETHING, "check/y"),
    "delete_prefix": lambda s: s.delete_prefix("check/"),
    "walk": lambda s: anext(s.walk("check/")),
}
calls = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
numbers = itertools.count()
SECRET = "contract-tests-wrong-secret"


def new_bucket(s3) -> str:
    bucket = f"faults-{next(numbers)}"
    client = minio.Minio(s3.endpoint, s3.access_key, s3.secret_key, secure=False, region="us-east-1")
    client.make_bucket(bucket)
    return bucket


def store_at(
    endpoint: str, bucket: str = "nothing", access: str = "somebody", secret: str = SECRET
) -> S3Store:
    return S3Store(StoreLocation(endpoint, bucket, secure=False), lambda: Credentials(access, secret))


@pytest.fixture
def closed_port() -> Iterator[str]:
    """An address that refuses connections: bound, and not listening."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


@calls
async def test_a_store_that_is_away_is_unavailable_soon(call, closed_port: str) -> None:
    store = store_at(closed_port)
    begun = monotonic()
    with pytest.raises(StoreUnavailable) as error:
        await call(store)
    assert monotonic() - begun < 10
    assert SECRET not in str(error.value)
    assert "X-Amz" not in str(error.value), "no signature may reach a message"
    store.close()


@pytest.mark.store
@calls
async def test_wrong_credentials_are_denied(call, s3) -> None:
    bucket = new_bucket(s3)
    for access, secret in ((s3.access_key, SECRET), ("unknown", SECRET)):
        store = store_at(s3.endpoint, bucket, access, secret)
        with pytest.raises(StoreDenied) as error:
            await call(store)
        assert secret not in str(error.value)
        store.close()


@pytest.mark.store
@calls
async def test_a_bucket_that_is_not_there_is_denied(call, s3) -> None:
    """Its conditional write may fail by the condition instead."""
    store = store_at(s3.endpoint, "no-such-bucket", s3.access_key, s3.secret_key)
    with pytest.raises((StoreDenied, ObjectChanged) if call is CALLS["put_if_match"] else StoreDenied):
        await call(store)
    store.close()


@asynccontextmanager
async def cutting(endpoint: str, after_bytes: int) -> AsyncIterator[tuple[str, list[int]]]:
    """A way to a server that cuts its first connection after some bytes of the request."""
    host, _, port = endpoint.partition(":")
    connections: list[int] = []

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, most: int | None) -> None:
        sent = 0
        while data := await reader.read(4096):
            sent += len(data)
            if most is not None and sent > most:
                break
            writer.write(data)
            await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(1)
        most = after_bytes if len(connections) == 1 else None
        onward, answer = await asyncio.open_connection(host, int(port))
        try:
            there = asyncio.ensure_future(pump(reader, answer, most))
            back = asyncio.ensure_future(pump(onward, writer, None))
            await asyncio.wait([there, back], return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in (writer, answer):
                end.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", connections
    finally:
        server.close()


@pytest.mark.store
@pytest.mark.timeout(60)
async def test_an_upload_whose_connection_is_cut_is_sent_again_and_whole(s3) -> None:
    bucket = new_bucket(s3)
    body = bytes(range(256)) * 4096
    async with cutting(s3.endpoint, 50_000) as (endpoint, connections):
        store = store_at(endpoint, bucket, s3.access_key, s3.secret_key)
        await store.put("big", body, "application/octet-stream")
        assert len(connections) >= 2
        assert await store.read("big", len(body)) == body
        store.close()
