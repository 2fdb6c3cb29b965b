"""Plain requests and watches of one API server, for what stands beside the operator."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from kubernetes.aio import client, config

from imagejob_operator.adapters.kubernetes.answers import ApiError
from imagejob_operator.adapters.kubernetes.session import KubeHTTP, open_session

log = logging.getLogger(__name__)

CONNECTIONS = 128
ENDLESS = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=120)
PAUSE = 1.0

Object = dict[str, Any]


@asynccontextmanager
async def connect(kubeconfig: Path) -> AsyncIterator[KubeHTTP]:
    """A session with the rights of a kubeconfig."""
    configuration = client.Configuration()
    await config.load_kube_config(str(kubeconfig), client_configuration=configuration, persist_config=False)
    async with open_session(configuration, CONNECTIONS) as session:
        yield KubeHTTP(configuration.host, session)


async def follow(http: KubeHTTP, path: str, selector: str = "") -> AsyncIterator[tuple[bool, Object]]:
    """What is there and whatever becomes of it, for ever: (whether it is gone, the object).

    A watch that breaks is begun anew with a listing, and what is missing from that is told as gone.
    """
    chosen = f"&labelSelector={selector}" if selector else ""
    known: dict[str, Object] = {}
    while True:
        try:
            listed = await http.request("GET", f"{path}?limit=0{chosen}")
            there = {item["metadata"]["uid"]: item for item in listed["items"]}
            for uid in known.keys() - there.keys():
                yield True, known.pop(uid)
            for uid, item in there.items():
                known[uid] = item
                yield False, item
            version = listed["metadata"]["resourceVersion"]
            async for kind, item in _watch(http, f"{path}?watch=1&resourceVersion={version}{chosen}"):
                uid = item["metadata"]["uid"]
                if kind == "DELETED":
                    known.pop(uid, None)
                else:
                    known[uid] = item
                yield kind == "DELETED", item
        except (aiohttp.ClientError, TimeoutError, ApiError) as error:
            log.warning("the watch of %s is begun anew: %s", path, error)
            await asyncio.sleep(PAUSE)


async def _watch(http: KubeHTTP, path: str) -> AsyncIterator[tuple[str, Object]]:
    """The events of one watch, until the API server ends it or says that it cannot go on."""
    async with http.session.get(http.server + path, timeout=ENDLESS) as response:
        response.raise_for_status()
        rest = b""
        async for chunk in response.content.iter_any():
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                event = msgspec.json.decode(line)
                if event["type"] == "ERROR":
                    return
                yield event["type"], event["object"]
