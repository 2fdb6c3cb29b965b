"""Serves liveness, readiness and metrics."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Protocol

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

log = logging.getLogger(__name__)


class Health(Protocol):
    """The health of the process."""

    def problems(self) -> list[str]:
        """Why it is unhealthy; empty if it is healthy."""
        ...

    def details(self) -> dict[str, object]:
        """Numbers for people."""
        ...


async def serve(
    port: int, registry: CollectorRegistry, ready: Callable[[], bool], health: Health
) -> web.AppRunner:
    """Serve /healthz, /readyz and /metrics on all addresses; the runner to clean up at the end."""

    async def healthz(request: web.Request) -> web.Response:
        problems = health.problems()
        if problems:
            # Every Pod may read the response, so the names of objects are in the log only.
            log.error("unhealthy", extra={"problems": problems})
        body = {"ok": not problems, "problems": len(problems), **health.details()}
        return web.json_response(body, status=503 if problems else 200)

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
