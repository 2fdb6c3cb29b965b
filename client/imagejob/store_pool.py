"""Connections to a store: bounded in time, and only to the host that the user has chosen."""

from __future__ import annotations

import ssl
from socket import socket
from typing import Any
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection

from imagejob.port_forward import Dial

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
        if dial:
            self.pool_classes_by_scheme = _forwarded(dial)

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


def _forwarded(dial: Dial) -> dict[str, type[urllib3.HTTPConnectionPool]]:
    def opened(connection: HTTPConnection) -> socket:
        made = dial()
        made.settimeout(connection.timeout)
        return made

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket:
            return opened(self)

    class Encrypted(HTTPSConnection):
        def _new_conn(self) -> socket:
            return opened(self)

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}
