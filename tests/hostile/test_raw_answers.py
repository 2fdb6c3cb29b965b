"""Proxies and servers that are still starting answer too, in any form."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
from aiohttp import web

from fakes.build import attempt, job
from fakes.clock import START
from imagejob_operator.adapters.kubernetes.answers import ApiError, refusal, translate
from imagejob_operator.adapters.kubernetes.pod_manifest import PodSettings
from imagejob_operator.adapters.kubernetes.pods import PodLauncher
from imagejob_operator.adapters.kubernetes.session import KubeHTTP, decode, open_session
from imagejob_operator.decision.attempt import State
from imagejob_operator.ports.imagejobs import Conflict, Unavailable
from imagejob_operator.ports.launcher import Refused

HTML = b"<html>404 page not found</html>"
QUOTA = ApiError(409, "Conflict", 'Operation cannot be fulfilled on resourcequotas "all"')


@asynccontextmanager
async def answering(status: int, body: bytes, headers: dict[str, str]) -> AsyncIterator[KubeHTTP]:
    """A server that gives one answer to everything."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    async def token(_: str) -> str:
        return ""

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    who = SimpleNamespace(ssl_ca_cert=None, cert_file=None, verify_ssl=True, get_api_key_with_prefix=token)
    try:
        async with open_session(who, 1) as session:
            yield KubeHTTP(str(site.name), session)
    finally:
        await runner.cleanup()


async def error_of(status: int, body: bytes, **headers: str) -> ApiError:
    async with answering(status, body, headers) as http:
        with pytest.raises(ApiError) as caught:
            await http.request("POST", "/api/v1/namespaces/shop/pods")
    return caught.value


@pytest.mark.parametrize("body", [HTML, b"", b"[]", b'"no"', b"null", b'{"message": "no"}', b"\xff"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 502])
async def test_only_the_api_server_judges(status: int, body: bytes) -> None:
    """An answer without a Status of the API server is transient, whatever its number."""
    error = await error_of(status, body)
    assert not refusal(error).certain
    assert isinstance(translate(error), Unavailable)
    assert str(status) in error.message


async def test_a_kind_that_is_not_served_is_not_a_job_that_is_gone() -> None:
    """While the CRD is loaded, every ImageJob is a 404: the operator must not forget its jobs."""
    body = (
        b'{"kind": "Status", "reason": "NotFound", "details": {}, '
        b'"message": "the server could not find the requested resource"}'
    )
    assert isinstance(translate(await error_of(404, body)), Unavailable)


@pytest.mark.parametrize(
    ("header", "pause"),
    [("7", 7.0), ("0", 0.0), ("9" * 400, 60.0), ("²", None), ("-1", None), ("soon", None)],
)
async def test_a_pause_has_a_limit(header: str, pause: float | None) -> None:
    """A server that asks for a pause of years does not stop a job for so long."""
    body = b'{"kind": "Status", "message": "busy"}'
    assert (await error_of(429, body, **{"Retry-After": header})).retry_after == pause


class Refusing:
    """An API server that refuses everything for one reason."""

    def __init__(self, error: ApiError) -> None:
        self.error = error

    async def request(self, *_: Any, **__: Any) -> dict[str, Any]:
        raise self.error


def launcher(error: ApiError) -> PodLauncher:
    return PodLauncher(cast("KubeHTTP", Refusing(error)), PodSettings("default", "image"), lambda: START)


async def test_a_secret_that_a_quota_refused_is_not_delivered() -> None:
    """A 409 of a quota is not `AlreadyExists`: the Pod would wait for its Secret forever."""
    with pytest.raises(Refused) as caught:
        await launcher(QUOTA).deliver(attempt(State.WAITING), "shop", "http://order")
    assert not caught.value.problem.certain


async def test_a_pod_that_was_not_deleted_is_not_taken_for_deleted() -> None:
    """A 409 of a policy is not a precondition that failed."""
    with pytest.raises(Conflict):
        await launcher(QUOTA).stop(attempt(State.RUNNING), "shop")
    gone = "the UID in the precondition (a) does not match the UID in record (b)"
    await launcher(ApiError(409, "Conflict", gone)).stop(attempt(State.RUNNING), "shop")


async def test_events_without_text_are_no_evidence_and_no_error() -> None:
    """Anybody may write Events about a Pod, without a reason or message."""

    class Listing(Refusing):
        async def request(self, *_: Any, only: type[msgspec.Struct], **__: Any) -> dict[str, Any]:
            return decode(b'{"items": [{"metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"}}]}', only)

    made = PodLauncher(cast("KubeHTTP", Listing(QUOTA)), PodSettings("default", "image"), lambda: START)
    assert await made.remark(attempt(State.WAITING), job().key.namespace) == ":"
