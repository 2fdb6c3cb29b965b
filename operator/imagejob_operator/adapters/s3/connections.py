"""Connections to S3 servers, which are not trusted: bounded in time and bytes, and nothing is inflated.

What a client reads as a whole is read here, up to a limit. It is parsed once, strictly, before a client does.
"""

from __future__ import annotations

import io
import random
import socket
import ssl
import time
from http.client import HTTPException, HTTPResponse
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError

from imagejob_operator.adapters.s3.deadline import TimedSocket, TimedTLSSocket, time_left
from imagejob_operator.adapters.s3.xml import InvalidAnswer, parse_xml
from imagejob_operator.naming.listed_keys import valid_xml

CONNECT = 3.0
"""Seconds for a connection to one address, and for its TLS handshake."""
MAX_ANSWER = 4 * 1024 * 1024
"""Bytes of an answer that is not an object: more than a listing of 1000 long keys."""
RETRIED = (500, 502, 503, 504)
PAUSES = (0.2, 0.4)
"""Seconds before each retry."""


class _Answer(HTTPResponse):
    def begin(self) -> None:
        """Refuse here what urllib3 would refuse later, when it does not close the answer."""
        super().begin()
        lines = self.headers.get_all("Content-Length", ())
        if len({length.strip() for line in lines for length in line.split(",")}) > 1:
            raise HTTPException("the answer has several lengths")


class _Connection(HTTPConnection):
    response_class = _Answer

    def _new_conn(self) -> socket.socket:
        return TimedSocket(fileno=_connected(self).detach())


class _TLSConnection(HTTPSConnection):
    response_class = _Answer

    def _new_conn(self) -> socket.socket:
        return _connected(self)


def _connected(connection: HTTPConnection) -> socket.socket:
    """A socket to the first address that accepts, within the deadline."""
    name = connection._dns_host
    try:
        found = socket.getaddrinfo(name, connection.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NameResolutionError(connection.host, connection, socket.gaierror(str(error))) from error
    last: OSError = OSError(f"{name} has no address")
    for family, kind, protocol, _, address in found:
        opened = socket.socket(family, kind, protocol)
        try:
            opened.settimeout(min(CONNECT, time_left()))
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.connect(address)
            return opened
        except BaseException as error:
            opened.close()
            if not isinstance(error, OSError):
                raise
            last = error
    raise NewConnectionError(connection, f"no address accepts a connection: {last}") from last


class _Pool(urllib3.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TLSPool(urllib3.HTTPSConnectionPool):
    ConnectionCls = _TLSConnection


class BoundedPool(urllib3.PoolManager):
    """A connection pool for calls within a deadline; redirects are not followed."""

    def __init__(self, size: int, context: ssl.SSLContext | None) -> None:
        super().__init__(
            maxsize=size, block=True, retries=False, timeout=urllib3.Timeout(CONNECT), ssl_context=context
        )
        self.pool_classes_by_scheme = {"http": _Pool, "https": _TLSPool}

    def clear(self) -> None:
        """Close the connections that no call uses; urllib3 leaves that to the garbage collection."""
        for key in self.pools.keys():  # noqa: SIM118  (this container cannot be iterated over)
            if pool := self.pools.get(key):
                pool.close()
        super().clear()

    def urlopen(  # type: ignore[override]
        self, method: str, url: str, redirect: bool = True, **more: Any
    ) -> urllib3.BaseHTTPResponse:
        """Send a request, and retry it if that is safe; without `preload_content`, only errors are read."""
        headers = urllib3.HTTPHeaderDict(more.pop("headers", None) or {})
        headers["Accept-Encoding"] = "identity"
        streamed = not more.pop("preload_content", True)
        retried = more.pop("retries", None) is not False and method != "POST"
        for pause in (*PAUSES, None) if retried else (None,):
            try:
                response = super().urlopen(
                    method, url, False, headers=headers, preload_content=False, decode_content=False, **more
                )
                if streamed and response.status in (200, 204, 206):
                    return response
                answer = _whole(method, response)
            except (HTTPError, OSError):
                if pause is None or time_left() < pause:
                    raise
            else:
                if pause is None or answer.status not in RETRIED:
                    return answer
            time.sleep(pause * random.uniform(1, 2))  # noqa: S311  (a pause)
        raise AssertionError  # the last try returns or raises


def _whole(method: str, response: urllib3.BaseHTTPResponse) -> urllib3.BaseHTTPResponse:
    """The answer with its body, if that is within the limits."""
    try:
        encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if method != "HEAD" and encoding not in ("identity", ""):
            raise InvalidAnswer(f"it has the Content-Encoding {encoding[:40]!r}, which was not asked for")
        data = response.read(MAX_ANSWER + 1)
        if len(data) > MAX_ANSWER:
            raise InvalidAnswer(f"it has more than {MAX_ANSWER} bytes")
    finally:
        # An answer that was read to its length has released its connection already.
        response.close()
    if data and (response.status < 300 or "xml" in response.headers.get("Content-Type", "")):
        data = valid_xml(data)
        parse_xml(data)
    # From a file, because `data` of a response that is made of b"" is None.
    return urllib3.HTTPResponse(
        io.BytesIO(data),
        response.headers,
        response.status,
        reason=response.reason,
        request_method=method,
        decode_content=False,
        enforce_content_length=False,
    )


def trusted(secure: bool, ca_bundle: str) -> ssl.SSLContext | None:
    """What verifies a server, None without TLS; ValueError if the CA bundle has no certificate."""
    if not secure:
        return None
    try:
        context = ssl.create_default_context(cadata=ca_bundle or None)
        # Private authorities often lack fields that Python 3.13 asks for by default.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        context.sslsocket_class = TimedTLSSocket
        return context
    except (ssl.SSLError, OSError, ValueError) as error:
        raise ValueError(f"the CA bundle is not in PEM format: {error}") from None
