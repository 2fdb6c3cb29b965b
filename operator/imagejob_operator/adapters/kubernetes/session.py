"""Connections to the API server.

The kubernetes client finds the cluster and refreshes its tokens. Requests use a thin session instead of the
typed client, which takes four times the CPU.
"""

from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any, cast

import aiohttp
import msgspec
from kubernetes.aio import client, config

from imagejob_operator.adapters.kubernetes.answers import ApiError
from imagejob_operator.fairness import FairLimiter
from imagejob_operator.naming.names import MANAGED_BY
from imagejob_operator.ports.object_store import Gate, always_open

API_CALLS = 8
"""Requests at the same time, without those for Pods. With more of them, each waits longer at the API server,
and ImageJobs of one namespace delay those of others."""
POD_CALLS = 24
"""Those for Pods and their Secrets, which admission webhooks may delay by seconds."""
CONNECTIONS = API_CALLS + POD_CALLS
"""Each takes 256 KiB, which asyncio buffers for TLS."""
TIMEOUT = aiohttp.ClientTimeout(total=15, sock_connect=5)
MAX_RETRY_AFTER = 60.0
"""Seconds; a server that asks for a longer pause is asked again after this one."""

METADATA_OF_ONE = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
"""Asks for nothing but the metadata of an object."""
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
"""Asks for a list of objects with nothing but their metadata."""

Observe = Callable[[str, str, str, float], None]


class _GatedConnector(aiohttp.TCPConnector):
    """Refuses connections to writes while the gate is closed.

    Nothing is awaited between here and the sending: a process that was frozen while its writes waited for
    connections sends none of them afterwards.
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
            raise ApiError(0, "NotLeader", "this replica is no longer the leader")
        return connection


async def load_configuration() -> Any:
    """The cluster of this Pod, or else of the kubeconfig; ConfigException if there is neither."""
    configuration = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        await config.load_kube_config(client_configuration=configuration, persist_config=False)
    return configuration


def api_audiences(configuration: Any) -> frozenset[str]:
    """The audiences of the API server: those of the operator's own token; none if it has no such token."""
    found: set[str] = set()
    for token in configuration.api_key.values():
        try:
            payload = token.split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            audiences = claims["aud"]
        except (IndexError, ValueError, KeyError, TypeError):
            continue
        listed = audiences if isinstance(audiences, list) else [audiences]
        found |= {audience for audience in listed if isinstance(audience, str)}
    return frozenset(found)


def open_session(
    configuration: Any,
    connections: int = CONNECTIONS,
    gate: Gate = always_open,
    middlewares: Sequence[aiohttp.ClientMiddlewareType] = (),
) -> aiohttp.ClientSession:
    """A session that authenticates each request, so that tokens may rotate; writes only if `gate` allows."""
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    # From Python 3.13 on, certificates must by default have fields that those of many clusters lack.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
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
        headers={"User-Agent": MANAGED_BY},
        timeout=TIMEOUT,
        middlewares=(*middlewares, authenticate),
    )


@dataclass(frozen=True, slots=True)
class KubeHTTP:
    """Plain requests to one API server."""

    server: str
    session: aiohttp.ClientSession
    observe: Observe = lambda verb, kind, code, seconds: None
    calls: FairLimiter = field(default_factory=lambda: FairLimiter("api_calls", API_CALLS))
    """So a namespace whose Pods an admission webhook delays does not use all connections."""

    async def request(
        self,
        verb: str,
        path: str,
        body: object = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        only: type[msgspec.Struct] | None = None,
    ) -> dict[str, Any]:
        """Send one request; the body of the response, or ApiError without a 2xx response.

        Of a list that users can make very large, the fields of `only` are decoded.
        """
        async with self.calls.slot():
            return await self._send(verb, path, body, content_type, accept, only)

    async def _send(
        self,
        verb: str,
        path: str,
        body: object,
        content_type: str,
        accept: str,
        only: type[msgspec.Struct] | None,
    ) -> dict[str, Any]:
        started, code = perf_counter(), "0"
        data = None if body is None else msgspec.json.encode(body)
        headers = {"Content-Type": content_type, "Accept": accept}
        params = {"fieldManager": MANAGED_BY} if verb in ("POST", "PUT", "PATCH") else None
        request = partial(self.session.request, params=params, data=data, headers=headers)
        try:
            async with request(verb, self.server + path) as response:
                code = str(response.status)
                answer = await response.read()
                if response.status >= 300:
                    raise _error(response, answer)
                return decode(answer, only)
        except (TimeoutError, aiohttp.ClientError, OSError, msgspec.DecodeError) as error:
            text = f"the API server did not respond: {type(error).__name__}"
            raise ApiError(0, "NoResponse", text) from error
        finally:
            self.observe(verb, _kind(path), code, perf_counter() - started)


def decode(answer: bytes, only: type[msgspec.Struct] | None = None) -> dict[str, Any]:
    """The body of a response, or the fields of `only`."""
    if only is None:
        return cast("dict[str, Any]", msgspec.json.decode(answer))
    return cast("dict[str, Any]", msgspec.to_builtins(msgspec.json.decode(answer, type=only)))


def _error(response: aiohttp.ClientResponse, answer: bytes) -> ApiError:
    try:
        status: Any = msgspec.json.decode(answer)
    except msgspec.DecodeError:
        status = None
    pause = response.headers.get("Retry-After", "")
    retry_after = min(float(pause), MAX_RETRY_AFTER) if pause.isdecimal() else None
    text = f"{response.status} {response.reason}"
    if not isinstance(status, dict) or status.get("kind") != "Status":
        # Of a proxy in front of the API server, or of one that is starting.
        return ApiError(0, "NoStatus", f"{text}, without a status of the API server", retry_after)
    error = ApiError(response.status, status.get("reason", ""), status.get("message") or text, retry_after)
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
