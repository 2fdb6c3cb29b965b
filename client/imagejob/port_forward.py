"""Connections to a Service of the cluster, through the API server, with the rights of the user.

No port is opened on this machine: each connection of a client is one WebSocket to the API server.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from select import select
from socket import SHUT_RD, socket, socketpair
from threading import Thread
from typing import TYPE_CHECKING

from imagejob.errors import StoreFailed, Suggestion
from imagejob.names import checked_name, checked_namespace
from imagejob.store_location import Service
from imagejob.transport import HttpTransport, Transport

if TYPE_CHECKING:
    from websocket import WebSocket

PROTOCOL = "v4.channel.k8s.io"
DATA, CHUNK = 0, 65536
"""The channel of the data, and the most bytes of one frame."""
UNREAD = 1 << 20
"""How many bytes are kept that the client has not read; with more, no frame is received."""
_SLICES = "kubernetes.io/service-name"

Dial = Callable[[], socket]
"""Opens one connection."""


def dialler(transport: Transport, service: Service) -> Dial:
    """How to connect to a Pod behind a Service.

    Raises:
        StoreFailed: No Pod behind it is ready, or the connection is not one that can forward ports.
        ImageJobError: The user may not read the Service or its EndpointSlices.
    """
    if not isinstance(transport, HttpTransport):
        raise StoreFailed(f"Service {service.name!r} can be reached only through an API server")
    pod, port = _pod(transport, service)
    path = f"/api/v1/namespaces/{service.namespace}/pods/{pod}/portforward"

    def dial() -> socket:
        opened = transport.websocket(path, f"Pod {pod!r}", {"ports": str(port)}, PROTOCOL)
        opened.settimeout(None)
        ours, theirs = socketpair()
        ours.setblocking(False)
        Thread(target=_forward, args=(opened, ours), daemon=True).start()
        return theirs

    return dial


def _forward(opened: WebSocket, ours: socket) -> None:
    """Copy bytes between a WebSocket and a socket until one of them ends.

    It never waits until the client reads: the client may be waiting until its own bytes are taken.
    """
    from websocket import WebSocketException

    frames = _Frames(opened)
    unread = bytearray()
    try:
        while True:
            readable, writable = _ready(frames.connection, ours, unread)
            if frames.connection in readable:
                data = frames.receive()
                if data is None:
                    break
                unread += data
            if ours in writable:
                del unread[: ours.send(unread)]
            if ours in readable:
                sent = ours.recv(CHUNK)
                if not sent:
                    return
                opened.send_binary(bytes([DATA]) + sent)
        # A client that still sends is interrupted, so that it reads the rest.
        ours.shutdown(SHUT_RD)
        ours.setblocking(True)
        ours.sendall(unread)
    except (WebSocketException, OSError):
        return  # the client sees a connection that was closed
    finally:
        ours.close()
        opened.shutdown()  # type: ignore[no-untyped-call]


def _ready(theirs: socket, ours: socket, unread: bytearray) -> tuple[list[socket], list[socket]]:
    """Wait until something can be done; return what can be read and what can be written."""
    room = len(unread) < UNREAD
    # TLS may hold bytes that no `select` shows.
    decrypted = room and isinstance(theirs, ssl.SSLSocket) and theirs.pending() > 0
    readable, writable, _ = select(
        [ours, theirs] if room else [ours], [ours] if unread else [], [], 0 if decrypted else None
    )
    return ([*readable, theirs] if decrypted else readable), writable


class _Frames:
    """The data that a WebSocket receives, without the numbers of its channels."""

    def __init__(self, opened: WebSocket) -> None:
        self.connection: socket = opened.sock  # type: ignore[assignment]
        self._opened = opened
        self._announced: set[int] = set()

    def receive(self) -> bytes | None:
        """Return the data of the next frame; None at the end, or if the port has an error."""
        from websocket import ABNF

        kind, frame = self._opened.recv_data()
        if kind != ABNF.OPCODE_BINARY or not frame:
            return None
        if frame[0] not in self._announced:
            # The first frame of a channel has only the number of the port.
            self._announced.add(frame[0])
            return b""
        return bytes(frame[1:]) if frame[0] == DATA else None


def _pod(transport: Transport, service: Service) -> tuple[str, int]:
    """A ready Pod behind the port of a Service, and its own port."""
    space, name = checked_namespace(service.namespace), checked_name(service.name)
    what = f"Service {name!r} in namespace {space!r}"
    body = transport.request("GET", f"/api/v1/namespaces/{space}/services/{name}", what)
    names = [p.get("name", "") for p in body["spec"].get("ports") or [] if p.get("port") == service.port]
    if not names:
        raise StoreFailed(f"{what} has no port {service.port}; correct the endpoint of the store")
    path = f"/apis/discovery.k8s.io/v1/namespaces/{space}/endpointslices"
    slices = transport.request(
        "GET", path, f"EndpointSlices of {what}", {"labelSelector": f"{_SLICES}={name}"}
    )
    for one in slices["items"]:
        ports = [
            int(p["port"]) for p in one.get("ports") or [] if p.get("name", "") == names[0] and p.get("port")
        ]
        for endpoint in one.get("endpoints") or []:
            target = endpoint.get("targetRef") or {}
            ready = (endpoint.get("conditions") or {}).get("ready", True)
            if ports and ready and target.get("kind") == "Pod":
                return checked_name(str(target["name"])), ports[0]
    pods = Suggestion(("get", "pods"), space, "kubectl")
    missing = f"no Pod of {what} is ready, so the store cannot be reached; see: {pods}"
    raise StoreFailed(missing).suggesting(pods)
