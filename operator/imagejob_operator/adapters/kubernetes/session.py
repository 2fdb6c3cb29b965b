"""Connections to the API server: found, authenticated and kept as the kubernetes client says.

The typed client costs four times the processor time of a plain request, so it only does what it is good
at: finding the cluster and refreshing its tokens. The requests themselves go through one thin session.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, cast

import aiohttp
import msgspec
from kubernetes.aio import client, config

from imagejob_operator.ports.object_store import Gate, always_open

CONNECTIONS = 32
"""At most to the API server at once. Each costs 256 KiB, which is what asyncio buffers for TLS."""
UNLIMITED = 0
"""As many as are asked for: a watch keeps its own, and there is one for each kind and namespace."""
TIMEOUT = aiohttp.ClientTimeout(total=15, sock_connect=5)

Observe = Callable[[str, str, str, float], None]


class ApiError(Exception):
    """The API server's answer to a request that it did not carry out; status 0: there was no answer."""

    def __init__(self, status: int, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        self.causes: tuple[str, ...] = ()
        self.kind = ""
        """What the answer is about, such as `imagejobs`, where the API server says so."""


class _GatedConnector(aiohttp.TCPConnector):
    """Gives writes a connection only while the gate is open.

    Nothing is waited for between here and the sending, so a process that stood still while its writes
    waited for connections sends none of them when it goes on.
    """

    def __init__(self, gate: Gate, limit: int, ssl: ssl.SSLContext) -> None:
        super().__init__(limit=limit, ssl=ssl)
        self._gate = gate

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> Any:
        connection = await super().connect(req, traces, timeout)
        if req.method != "GET" and not self._gate():
            connection.release()
            raise ApiError(0, "NotInCharge", "this replica is not in charge any more")
        return connection


async def load_configuration() -> Any:
    """The cluster that this process lives in, or else the one of the kubeconfig.

    Raises:
        kubernetes.aio.config.ConfigException: if there is neither.
    """
    configuration = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        await config.load_kube_config(client_configuration=configuration, persist_config=False)
    return configuration


def open_session(
    configuration: Any, connections: int = CONNECTIONS, gate: Gate = always_open
) -> aiohttp.ClientSession:
    """A session that authenticates each request anew, so that a rotated token is never an error.

    Args:
        configuration: where the API server is, and who asks it.
        connections: at most so many at once, or `UNLIMITED`.
        gate: whether writes may be sent; what goes on in a process that stood still meets it here.
    """
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, keyfile=configuration.key_file)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE

    async def authenticate(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        token = await configuration.get_api_key_with_prefix("BearerToken")
        if token:
            request.headers["Authorization"] = token
        return await handler(request)

    return aiohttp.ClientSession(
        connector=_GatedConnector(gate, connections, context),
        timeout=TIMEOUT,
        middlewares=(authenticate,),
    )


@dataclass(frozen=True, slots=True)
class KubeHTTP:
    """Plain requests to one API server."""

    server: str
    session: aiohttp.ClientSession
    observe: Observe = lambda verb, kind, code, seconds: None

    async def request(
        self,
        verb: str,
        path: str,
        body: object = None,
        content_type: str = "application/json",
        accept: str = "application/json",
    ) -> dict[str, Any]:
        """Send one request; the answer's body.

        Raises:
            ApiError: for every answer but 2xx, and for none; also for a write that must not be sent.
        """
        begun, code = perf_counter(), "0"
        data = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": content_type, "Accept": accept}
        try:
            async with self.session.request(verb, self.server + path, data=data, headers=headers) as response:
                code = str(response.status)
                answer = await response.read()
                if response.status >= 300:
                    raise _error(response, answer)
                return cast("dict[str, Any]", msgspec.json.decode(answer))
        except (TimeoutError, aiohttp.ClientError, OSError, msgspec.DecodeError) as error:
            text = f"the API server gave no answer: {type(error).__name__}"
            raise ApiError(0, "NoAnswer", text) from error
        finally:
            self.observe(verb, _kind(path), code, perf_counter() - begun)


def _error(response: aiohttp.ClientResponse, answer: bytes) -> ApiError:
    try:
        status: dict[str, Any] = msgspec.json.decode(answer)
    except msgspec.DecodeError:
        status = {}
    pause = response.headers.get("Retry-After", "")
    error = ApiError(
        response.status,
        status.get("reason", ""),
        status.get("message") or f"{response.status} {response.reason}",
        float(pause) if pause.isdigit() else None,
    )
    details = status.get("details") or {}
    error.kind = details.get("kind", "")
    error.causes = tuple(cause.get("reason", "") for cause in details.get("causes") or ())
    return error


def _kind(path: str) -> str:
    """The resource in a path, for the metrics: `imagejobs/status`, `pods`."""
    parts = path.partition("?")[0].strip("/").split("/")
    if "namespaces" in parts:
        rest = parts[parts.index("namespaces") + 2 :]
        if not rest:
            return "namespaces"
        return "/".join([rest[0], *rest[2:]])
    return parts[-1]
