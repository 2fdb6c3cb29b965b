"""Requests to the API server."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode, urlsplit

from imagejob.errors import Unreachable, refusal
from imagejob.kubeconfig import Access

if TYPE_CHECKING:
    import urllib3
    from websocket import WebSocket

CONNECT_SECONDS, READ_SECONDS = 5.0, 30.0
FIELD_MANAGER = "imagejob"
MERGE_PATCH = "application/merge-patch+json"

_IDENTITY = ("Authorization", "Impersonate-User", "Impersonate-Group", "User-Agent")
"""Headers that a WebSocket has as well."""

Params = Mapping[str, str]
NO_PARAMS: Params = {}


class Transport(Protocol):
    """What a client needs of a connection; tests have one in memory."""

    def request(
        self, method: str, path: str, what: str, params: Params = NO_PARAMS, body: object = None
    ) -> dict[str, Any]:
        """Send a request; the decoded response. `what` names the object in errors.

        Raises:
            ImageJobError: It was refused, or there was no answer.
        """

    def lines(self, path: str, what: str, params: Params, seconds: float) -> Generator[str, None, None]:
        """The lines of a response as they arrive: events of a watch, or a log. It ends with the connection.

        Raises:
            ImageJobError: It was refused, there was no answer, or no line for so many seconds.
        """


class HttpTransport:
    """Connections to one API server."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._opened: urllib3.PoolManager | None = None

    @property
    def _pool(self) -> urllib3.PoolManager:
        if self._opened is None:
            import urllib3

            tls = {"ssl_context": self._access.tls, "server_hostname": self._access.server_name}
            given: dict[str, Any] = {"retries": False, **tls}
            if self._access.server_name:
                given["assert_hostname"] = self._access.server_name
            proxy = self._access.proxy
            self._opened = urllib3.ProxyManager(proxy, **given) if proxy else urllib3.PoolManager(**given)
        return self._opened

    def request(
        self, method: str, path: str, what: str, params: Params = NO_PARAMS, body: object = None
    ) -> dict[str, Any]:
        """Send a request; see `Transport`."""
        response = self._open(method, path, what, params, body, READ_SECONDS)
        try:
            answer = json.loads(response.data)
        except ValueError:
            answer = response.data.decode(errors="replace")
        if isinstance(answer, dict):
            return answer
        if path.startswith("/apis/"):
            raise Unreachable(
                f"{self._access.server} did not answer as an API server does: {str(answer)[:100]!r}; "
                "check the server in the kubeconfig, and proxies"
            )
        return {"text": str(answer)}

    def lines(self, path: str, what: str, params: Params, seconds: float) -> Generator[str, None, None]:
        """Stream a response; see `Transport`."""
        import urllib3

        response = self._open("GET", path, what, params, None, seconds, stream=True)
        rest = b""
        try:
            for chunk in response.stream(65536):
                *whole, rest = (rest + chunk).split(b"\n")
                yield from (line.decode(errors="replace") for line in whole)
            if rest:
                yield rest.decode(errors="replace")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._no_answer(error) from None
        finally:
            response.close()

    def websocket(self, path: str, what: str, params: Params, protocol: str) -> WebSocket:
        """Open a WebSocket, such as one that forwards a port; `protocol` is its subprotocol.

        Raises:
            ImageJobError: It was refused, or there was no answer.
        """
        import websocket

        url = f"{self._access.server}{path}?{urlencode(dict(params))}".replace("http", "ws", 1)
        headers = [f"{name}: {value}" for name, value in self._headers("GET").items() if name in _IDENTITY]
        options: dict[str, Any] = {"context": self._access.tls}
        if self._access.server_name:
            options["server_hostname"] = self._access.server_name
        proxy = urlsplit(self._access.proxy or "")
        try:
            return websocket.create_connection(
                url,
                timeout=READ_SECONDS,
                sslopt=options,
                header=headers,
                subprotocols=[protocol],
                enable_multithread=True,
                suppress_origin=True,
                # The headers with the credentials would go to the other host as well.
                redirect_limit=0,
                **(
                    {"http_proxy_host": proxy.hostname, "http_proxy_port": proxy.port, "proxy_type": "http"}
                    if proxy.hostname
                    else {"http_no_proxy": ["*"]}
                ),
            )
        except websocket.WebSocketBadStatusException as error:
            raise refusal(error.status_code, error.resp_body or b"", what) from None
        except (websocket.WebSocketException, OSError) as error:
            raise self._no_answer(error) from None

    def _open(  # noqa: PLR0913  (all that a request has)
        self,
        method: str,
        path: str,
        what: str,
        params: Params,
        body: object,
        seconds: float,
        stream: bool = False,
    ) -> urllib3.BaseHTTPResponse:
        import urllib3

        sent = dict(params) if method == "GET" else {"fieldManager": FIELD_MANAGER, **params}
        url = f"{self._access.server}{path}" + (f"?{urlencode(sent)}" if sent else "")
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=seconds)
        try:
            response = self._pool.request(
                method,
                url,
                headers=self._headers(method),
                body=None if body is None else json.dumps(body).encode(),
                timeout=timeout,
                preload_content=not stream,
            )
            if response.status >= 400:
                raise refusal(response.status, response.data, what)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise self._no_answer(error) from None
        return response

    def _headers(self, method: str) -> urllib3.HTTPHeaderDict:
        import urllib3

        kind = MERGE_PATCH if method == "PATCH" else "application/json"
        headers = urllib3.HTTPHeaderDict({"Accept": "application/json, */*", "User-Agent": FIELD_MANAGER})
        headers["Content-Type"] = kind
        if value := self._access.authorization():
            headers["Authorization"] = value
        for name, values in self._access.impersonate.items():
            for value in values:
                headers.add(name, value)
        return headers

    def _no_answer(self, error: Exception) -> Unreachable:
        from urllib3.exceptions import ProtocolError

        cause = getattr(error, "reason", None) or error
        text = " ".join(str(cause).split())[:200] or type(cause).__name__
        if isinstance(cause, ProtocolError):
            return Unreachable(
                f"the API server {self._access.server} closed the connection before its answer was complete: "
                f"{cause.args[0]}; try again"
            )
        return Unreachable(
            f"cannot reach the API server {self._access.server}: {text}; check the kubeconfig, the context "
            f"{self._access.context!r} and the network"
        )
