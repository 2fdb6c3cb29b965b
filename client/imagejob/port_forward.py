"""Connections to a Service of the cluster, through the API server, with the rights of the user.

No port is opened on this machine: each connection of a client is one WebSocket to the API server.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from select import select
from socket import socket, socketpair
from threading import Thread
from typing import TYPE_CHECKING

from imagejob.errors import StoreFailed
from imagejob.names import checked_name, checked_namespace
from imagejob.store_location import Service
from imagejob.transport import HttpTransport, Transport

if TYPE_CHECKING:
    from websocket import WebSocket

PROTOCOL = "v4.channel.k8s.io"
DATA, CHUNK = 0, 65536
"""The channel of the data, and the most bytes of one frame."""
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
        Thread(target=_forward, args=(opened, ours), daemon=True).start()
        return theirs

    return dial


def _forward(opened: WebSocket, ours: socket) -> None:
    """Copy bytes between a WebSocket and a socket until one of them ends."""
    from websocket import ABNF, WebSocketException

    announced: set[int] = set()
    try:
        theirs: socket = opened.sock  # type: ignore[assignment]
        while True:
            # TLS may hold bytes that no `select` shows.
            ready = [theirs] if _decrypted(theirs) else select([theirs, ours], [], [])[0]
            if theirs in ready:
                kind, frame = opened.recv_data()
                if kind != ABNF.OPCODE_BINARY or not frame:
                    return
                if frame[0] in announced:
                    if frame[0] != DATA:
                        return  # the other channel has an error
                    ours.sendall(frame[1:])
                # The first frame of a channel has only the number of the port.
                announced.add(frame[0])
            if ours in ready:
                sent = ours.recv(CHUNK)
                if not sent:
                    return
                opened.send_binary(bytes([DATA]) + sent)
    except (WebSocketException, OSError):
        return  # the client sees a connection that was closed
    finally:
        ours.close()
        opened.shutdown()  # type: ignore[no-untyped-call]


def _decrypted(connection: socket) -> int:
    return connection.pending() if isinstance(connection, ssl.SSLSocket) else 0


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
    raise StoreFailed(
        f"no Pod of {what} is ready, so the store cannot be reached; see: kubectl get pods -n {space}"
    )
