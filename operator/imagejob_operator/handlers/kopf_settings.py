"""Kopf's settings, its login, and its cleanup."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import kopf

from imagejob_operator.naming.names import GROUP, LABEL_INSTALLATION

LIST_PAGE = 10
"""Objects per request of Kopf: each may have 1.5 MiB, and 20 times as much when the page is decoded."""


class _NoDiffBase(kopf.MultiDiffBaseStorage):
    """Stores nothing, and spares the copy of each object: decisions are level-triggered."""

    def build(self, **_: Any) -> Any:
        return {}


def register_process(
    registry: kopf.OperatorRegistry,
    connect: Callable[[], kopf.AiohttpSession],
    installation: str,
    drain: Callable[[], Awaitable[None]],
) -> None:
    """Register Kopf's settings, its login, and what to stop when it has stopped to watch.

    Kopf waits five seconds for tasks that are still running then, and cancels them.
    """

    async def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
        settings.persistence.diffbase_storage = _NoDiffBase([])
        settings.persistence.progress_storage = kopf.MultiProgressStorage([])
        # Kopf removes a finalizer with this name from every object: it must not be ours.
        settings.persistence.finalizer = f"{GROUP}/unused"
        settings.persistence.consistency_timeout = 0
        settings.posting.enabled = False
        settings.scanning.disabled = True
        settings.peering.standalone = True
        settings.queueing.idle_timeout = 0.2
        settings.queueing.exit_timeout = 2
        settings.watching.server_timeout = 290
        settings.watching.connect_timeout = 10
        settings.watching.inactivity_timeout = 70
        settings.watching.chunk_size = LIST_PAGE
        # It may resume from an arbitrary version if the connection drops before the first bookmark.
        settings.watching.initial_streaming = False
        settings.watching.label_selectors["", "v1", "pods"] = f"{LABEL_INSTALLATION}={installation}"
        settings.networking.request_timeout = 15
        settings.networking.connect_timeout = 5
        settings.networking.error_backoffs = (0.5, 1, 2)
        settings.process.ultimate_exiting_timeout = 25
        logging.getLogger("kopf.objects").setLevel(logging.WARNING)
        # A line for each attempt of each watch; the watch monitor reports what cannot be read.
        logging.getLogger("kopf._cogs.clients").setLevel(logging.CRITICAL)

    async def login(**_: Any) -> kopf.AiohttpSession:
        return connect()

    async def stop(**_: Any) -> None:
        await drain()

    kopf.on.startup(registry=registry, id="configure")(configure)
    kopf.on.login(registry=registry, id="login")(login)
    kopf.on.cleanup(registry=registry, id="drain")(stop)
