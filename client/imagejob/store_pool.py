"""Connections to a store: bounded in time, only to the host that the user has chosen, and ended at once."""

from __future__ import annotations

import ssl
from contextlib import suppress
from socket import SHUT_RDWR, socket
from threading import Lock
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakSet

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from imagejob.port_forward import Dial
from imagejob.side_by_side import Stopped

RETRIES = 3
CONNECT_SECONDS, READ_SECONDS = 10.0, 60.0
RETRIED = (429, 500, 502, 503, 504)


class Redirected(Exception):
    """The store sends the client elsewhere, as S3 does for a bucket of another region.

    The client does not follow: its requests have a signature for this host, and may have a session token.
    """

    def __init__(self, status: int, host: str, region: str) -> None:
        super().__init__(f"HTTP {status}")
        self.host = host
        """Where to; empty if the answer does not say it."""
        self.region = region
        """The region of the bucket; empty if the answer does not say it."""


class _Sockets:
    """The open sockets of a pool."""

    def __init__(self) -> None:
        self._opened, self._lock, self._stopped = WeakSet[socket](), Lock(), False

    def add(self, opened: socket) -> None:
        with self._lock:
            self._opened.add(opened)

    def check(self, method: str) -> None:
        """Whether a request may be sent; raises Stopped. A DELETE may: it ends an upload in parts."""
        if self._stopped and method != "DELETE":
            raise Stopped

    def stop(self) -> None:
        """End all that is sent or received at the moment."""
        with self._lock:
            self._stopped, opened = True, list(self._opened)
        for each in opened:
            with suppress(OSError):
                # Not that of a TLS socket, which another thread would then use without TLS.
                socket.shutdown(each, SHUT_RDWR)


class StorePool(urllib3.PoolManager):
    """A pool of connections; an answer that is still an error after the last try is returned."""

    def __init__(self, tls: ssl.SSLContext | None, connections: int, dial: Dial | None = None) -> None:
        """With `dial`, the connections are those that it opens, whatever the host of a URL is."""
        super().__init__(
            maxsize=connections,
            block=True,
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            retries=urllib3.Retry(
                total=RETRIES,
                backoff_factor=0.2,
                status_forcelist=RETRIED,
                raise_on_status=False,
                # The store could make the client wait for hours.
                respect_retry_after_header=False,
            ),
            ssl_context=tls,
        )
        self._sockets = _Sockets()
        self.pool_classes_by_scheme = _pools(self._sockets, dial)

    def stop(self) -> None:
        """End all requests, also those of other threads; the pool cannot be used any more."""
        self._sockets.stop()

    def urlopen(  # type: ignore[override]
        self, method: str, url: str, redirect: bool = True, **more: Any
    ) -> urllib3.BaseHTTPResponse:
        """Send a request; raises Redirected."""
        response = super().urlopen(method, url, False, **more)
        if 300 <= response.status < 400 and response.status != 304:
            response.close()
            host = urlsplit(response.headers.get("Location", "")).netloc
            raise Redirected(response.status, host, response.headers.get("x-amz-bucket-region", ""))
        return response


def _pools(sockets: _Sockets, dial: Dial | None) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    class Plain(HTTPConnection):
        def _new_conn(self) -> socket:
            if dial is None:
                return super()._new_conn()
            made = dial()
            made.settimeout(self.timeout)
            return made

        def connect(self) -> None:
            super().connect()
            sockets.add(self.sock)

        def request(self, method: str, *args: Any, **more: Any) -> None:
            # A connection that is opened while the pool is stopped is known before it is used.
            if self.sock is None:
                self.connect()
            sockets.check(method)
            super().request(method, *args, **more)

    class Encrypted(Plain, HTTPSConnection):
        pass

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}
