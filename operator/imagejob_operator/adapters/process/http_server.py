"""The operator's own pages: is it alive, is it ready, what has it counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest


class Health(Protocol):
    """Whether the process is of use, and what there is to know of it."""

    def complaints(self) -> list[str]:
        """Why it is of no use; empty if all is well."""
        ...

    def facts(self) -> dict[str, object]:
        """What people want to know of it."""
        ...


async def serve(
    port: int, registry: CollectorRegistry, ready: Callable[[], bool], health: Health
) -> web.AppRunner:
    """Serve /healthz, /readyz and /metrics on all addresses; the runner to clean up in the end."""

    async def healthz(request: web.Request) -> web.Response:
        complaints = health.complaints()
        body = {"ok": not complaints, "complaints": complaints, **health.facts()}
        return web.json_response(body, status=503 if complaints else 200)

    async def readyz(request: web.Request) -> web.Response:
        return web.Response(text="ready\n") if ready() else web.Response(text="not ready\n", status=503)

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    application = web.Application()
    application.add_routes(
        [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)]
    )
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "0.0.0.0", port).start()  # noqa: S104  (probes come from the kubelet)
    return runner
