"""Loopback servers that drip, flood and inflate."""

from __future__ import annotations

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Answer = Callable[["Request"], None]


@dataclass(frozen=True)
class Request:
    """A request, and the connection that it came over."""

    line: str
    socket: socket.socket
    number: int

    @property
    def method(self) -> str:
        return self.line.partition(" ")[0]

    def send(self, body: bytes, status: int = 200, **headers: str) -> None:
        """Answer at once."""
        self.socket.sendall(head(status, len(body), **headers) + (b"" if self.method == "HEAD" else body))


def head(status: int, length: int | None = None, **headers: str) -> bytes:
    """The first lines of an answer."""
    lines = [f"HTTP/1.1 {status} Some", *(f"{name.replace('_', '-')}: {v}" for name, v in headers.items())]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def answered(body: bytes, status: int = 200, **headers: str) -> Answer:
    return lambda request: request.send(body, status, **headers)


def dripping(first: bytes, seconds: float = 0.05) -> Answer:
    """Send some bytes, then one byte now and then, forever."""

    def drip(request: Request) -> None:
        request.socket.sendall(first)
        while True:
            time.sleep(seconds)
            request.socket.sendall(b"a")

    return drip


def flooding(first: bytes, chunk: bytes = b"a" * 65536) -> Answer:
    """Send as much as the client takes."""

    def flood(request: Request) -> None:
        request.socket.sendall(first)
        while True:
            request.socket.sendall(chunk)

    return flood


def silent(request: Request) -> None:
    """Accept, and never answer."""
    request.socket.settimeout(None)
    request.socket.recv(1)


def bomb(megabytes: int, prefix: bytes = b"") -> bytes:
    """A small gzip of much."""
    return gzip.compress(prefix + b"\0" * (megabytes * 1024 * 1024))


@dataclass
class HostileServer:
    """Answers each request by its `answer`; `requests` has the first line of each."""

    answer: Answer
    requests: list[str] = field(default_factory=list)
    connections: int = 0
    host: str = ""

    def _serve(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk, args=(connection,), daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection, connection.makefile("rb") as reader:
            while line := reader.readline():
                length = 0
                while (header := reader.readline()) not in (b"\r\n", b""):
                    name, _, value = header.partition(b":")
                    length = int(value) if name.lower() == b"content-length" else length
                reader.read(length)
                self.requests.append(line.decode().strip())
                self.answer(Request(self.requests[-1], connection, len(self.requests)))


@contextlib.contextmanager
def hostile(answer: Answer) -> Iterator[HostileServer]:
    """Run a server until the context is left."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = HostileServer(answer, host=f"127.0.0.1:{listener.getsockname()[1]}")
        threading.Thread(target=server._serve, args=(listener,), daemon=True).start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)
