"""A proxy for the object store that injects faults into selected requests.

It speaks raw HTTP/1.1, one request a connection, and passes everything on as it came: the Host header too, so
that signatures stay right. A rule says which requests (operation, words in their keys, who asks, how often)
and what happens to them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, unquote

OPERATOR, POD = "operator", "pod"


@dataclass(frozen=True)
class Request:
    """One request: its head, and the part of its body that was read."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    head: bytes
    body: bytes = b""

    @property
    def operation(self) -> str:
        """The S3 operation, in the words of the operator's port."""
        asked = parse_qs(self.query, keep_blank_values=True)
        has_key = self.path.strip("/").count("/") > 0
        match self.method:
            case "HEAD":
                return "stat" if has_key else "bucket"
            case "GET":
                return "get" if has_key else "list"
            case "PUT":
                return "copy" if "x-amz-copy-source" in self.headers else "put"
            case "POST":
                return "delete" if "delete" in asked else "post"
            case _:
                return self.method.lower()

    @property
    def about(self) -> str:
        """Everything that names keys: path, listed prefix, source of a copy, form or list in the body."""
        parts = (self.path, unquote(self.query), unquote(self.headers.get("x-amz-copy-source", "")))
        beginning = self.body[:65536] if self.method == "POST" else b""
        return " ".join((*parts, beginning.decode(errors="replace")))

    @property
    def who(self) -> str:
        """The client."""
        return POD if self.headers.get("user-agent") == "imagejob-processor" else OPERATOR


class Exchange:
    """One request, and ways to respond."""

    def __init__(
        self, request: Request, client: asyncio.StreamWriter, upstream: Callable[[bytes], Awaitable[bytes]]
    ) -> None:
        self.request = request
        self._client = client
        self._upstream = upstream

    async def forward(self) -> bytes:
        """Forward the request to the store; returns its response, head and body."""
        return await self._upstream(self.request.head + self.request.body)

    async def reply(self, answer: bytes) -> None:
        """Send a response to the client."""
        self._client.write(answer)
        await self._client.drain()

    def cut(self) -> None:
        """Reset the connection."""
        self._client.transport.abort()


Fault = Callable[[Exchange], Awaitable[None]]


async def cut_upload(exchange: Exchange) -> None:
    """The connection is reset in the middle of the body that is being sent."""
    raise AssertionError("the proxy does this itself, before it has read the body")


@dataclass
class Rule:
    """Which requests a fault affects: `about` are words that must all occur; `times` -1 is unlimited."""

    fault: Fault
    operations: tuple[str, ...] = ()
    about: tuple[str, ...] = ()
    who: str = ""
    times: int = -1
    hits: int = field(default=0, init=False)

    def meets(self, request: Request) -> bool:
        """Whether the fault is for this request; counts it if so."""
        fits = (
            self.times != 0
            and (not self.operations or request.operation in self.operations)
            and self.who in ("", request.who)
            and all(word in request.about for word in self.about)
        )
        if fits:
            self.times -= 1
            self.hits += 1
        return fits


class StoreProxy:
    """The proxy, in its own thread; the first matching rule applies."""

    def __init__(self, host: str, upstream: tuple[str, int]) -> None:
        self._host = host
        self._upstream = upstream
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="store-proxy", daemon=True)
        self._server: asyncio.Server | None = None
        self._exchanges: set[asyncio.Task[None] | None] = set()
        """Under way; the loop itself would let go of one that waits for ever."""
        self.address = ""
        """`host:port`, once it listens."""

    def start(self) -> None:
        """Listen; `address` is then what to put in the store's place."""
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, self._host, 0, limit=2**20), self._loop
        ).result(10)
        self.address = f"{self._host}:{self._server.sockets[0].getsockname()[1]}"

    def stop(self) -> None:
        """Stop the proxy; open connections are reset."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        if self._server:
            self._server.close()
        others = [task for task in self._exchanges if task]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        # What was aborted is closed in the next round of the loop.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    @contextmanager
    def rule(self, rule: Rule) -> Iterator[Rule]:
        """Apply a rule during the block."""
        with self._lock:
            self._rules.append(rule)
        try:
            yield rule
        finally:
            with self._lock:
                self._rules.remove(rule)

    def _rule_for(self, request: Request) -> Rule | None:
        with self._lock:
            return next((rule for rule in self._rules if rule.meets(request)), None)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._exchanges.add(task)
        try:
            await self._exchange(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            writer.transport.abort()
        finally:
            try:
                await _close(writer)
            finally:
                self._exchanges.discard(task)

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        bare = read_head(head)
        # A fault of the upload itself must be known before the body is read.
        rule = self._rule_for(bare) if bare.method == "PUT" else None
        length = int(bare.headers.get("content-length", 0))
        if rule and rule.fault is cut_upload:
            await reader.readexactly(length // 2)
            writer.transport.abort()
            return
        request = replace(bare, body=await reader.readexactly(length))
        exchange = Exchange(request, writer, self._ask)
        rule = rule or (self._rule_for(request) if bare.method != "PUT" else None)
        if rule:
            await rule.fault(exchange)
        else:
            await exchange.reply(await exchange.forward())

    async def _ask(self, request: bytes) -> bytes:
        transport, answer = await asyncio.get_running_loop().create_connection(_Answer, *self._upstream)
        try:
            transport.write(request)
            return await answer.whole
        finally:
            transport.abort()


class _Answer(asyncio.Protocol):
    """What the store sends until it closes the connection, which it may do before it has read the request."""

    def __init__(self) -> None:
        self._data = bytearray()
        self.whole: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self._data += data

    def connection_lost(self, error: Exception | None) -> None:
        if self.whole.done():
            return
        if error and not self._data:
            self.whole.set_exception(error)
        else:
            self.whole.set_result(bytes(self._data))


async def _close(writer: asyncio.StreamWriter) -> None:
    """Close a connection without waiting for its other end."""
    writer.close()
    try:
        async with asyncio.timeout(2):
            await writer.wait_closed()
    except (OSError, TimeoutError):
        pass
    finally:
        # Also if the proxy stops meanwhile; a transport that is closed already stays so.
        writer.transport.abort()


def read_head(head: bytes) -> Request:
    """A request without its body; marked as the only one of its connection, so that the end is the end."""
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    method, target, _ = first.split(" ")
    kept = [line for line in lines if not line.lower().startswith(("connection:", "keep-alive:"))]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in kept)}
    path, _, query = target.partition("?")
    text = "\r\n".join([first, *kept, "Connection: close", "", ""])
    return Request(method, unquote(path), query, headers, text.encode("latin-1"))
