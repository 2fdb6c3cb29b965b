"""The session of Kopf's watches: one watch that is refused must not end the others."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from imagejob_operator.adapters.kubernetes.session import open_session

UNLIMITED = 0
"""Each watch keeps its own connection, one per kind and namespace."""
PAUSE = 5.0
"""Seconds before a refused request is repeated; shorter than Kopf's timeout."""


def open_watch_session(configuration: Any) -> aiohttp.ClientSession:
    """A session for watches, without a limit of connections."""
    return open_session(configuration, connections=UNLIMITED, middlewares=(_keep_watching,))


async def _keep_watching(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Turn a refusal into a lost connection.

    Kopf ends the operator when 403 or 5xx has answered four times; a lost connection it repeats forever. The
    watch monitor reports the refusal.
    """
    response = await handler(request)
    if response.status == 403 or response.status >= 500:
        response.release()
        await asyncio.sleep(PAUSE)
        raise aiohttp.ClientConnectionError(f"the API server answered {response.status}")
    return response
