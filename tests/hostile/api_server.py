"""An API server in this process, for what reads and watches: it has namespaces that deny access."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from typing import Any

from aiohttp import web

from imagejob_operator.naming.names import API_VERSION, GROUP, LABEL_INSTALLATION, LABEL_JOB, VERSION

RESOURCES = {
    "v1": [("pods", "Pod", True), ("namespaces", "Namespace", False)],
    API_VERSION: [("imagejobs", "ImageJob", True), ("imagestores", "ImageStore", True)],
    "apiextensions.k8s.io/v1": [("customresourcedefinitions", "CustomResourceDefinition", False)],
}


class ApiServer:
    """Serves lists and watches of Pods, ImageJobs and ImageStores by namespace."""

    def __init__(self) -> None:
        self.denied: set[str] = set()
        self.failing: set[str] = set()
        self.requests: list[str] = []
        self._objects: dict[tuple[str, str], dict[str, dict[str, Any]]] = defaultdict(dict)
        self._streams: dict[tuple[str, str], set[asyncio.Queue[dict[str, Any] | None]]] = defaultdict(set)
        self._version = 100
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        application = web.Application()
        application.router.add_get("/{path:.*}", self._get)
        application.router.add_route("*", "/{path:.*}", self._write)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        for place in list(self._streams):
            self._cut(place[0])
        if self._runner:
            await self._runner.cleanup()

    def deny(self, namespace: str) -> None:
        """The RoleBinding of the namespace is removed; its watches end."""
        self.denied.add(namespace)
        self._cut(namespace)

    def watches(self) -> int:
        """Watches that are open."""
        return sum(len(streams) for streams in self._streams.values())

    def put_job(self, namespace: str, name: str, uid: str) -> None:
        """A user creates an ImageJob; its spec does not matter here."""
        self._put(namespace, "imagejobs", {"apiVersion": API_VERSION, "kind": "ImageJob"}, name, uid, {})

    def put_pod(self, namespace: str, name: str, uid: str, job: str) -> None:
        """A Pod of this installation, without a status."""
        labels = {LABEL_INSTALLATION: "default", LABEL_JOB: job}
        self._put(namespace, "pods", {"apiVersion": "v1", "kind": "Pod"}, name, uid, labels)

    def _put(
        self, namespace: str, kind: str, body: dict[str, Any], name: str, uid: str, labels: dict[str, str]
    ) -> None:
        self._version += 1
        metadata = {"namespace": namespace, "name": name, "uid": uid, "labels": labels}
        made = {**body, "metadata": {**metadata, "resourceVersion": str(self._version)}, "spec": {}}
        self._objects[namespace, kind][name] = made
        for stream in self._streams[namespace, kind]:
            stream.put_nowait({"type": "ADDED", "object": made})

    def _cut(self, namespace: str) -> None:
        for (place, _), streams in self._streams.items():
            for stream in streams if place == namespace else ():
                stream.put_nowait(None)

    async def _write(self, request: web.Request) -> web.Response:
        return _status(403, "this server is only read")

    async def _get(self, request: web.Request) -> web.StreamResponse:
        parts = request.match_info["path"].split("/")
        self.requests.append(request.path_qs)
        if "namespaces" in parts and len(parts) > parts.index("namespaces") + 2:
            at = parts.index("namespaces")
            namespace, kind = parts[at + 1], parts[at + 2]
            if namespace in self.denied:
                return _status(403, f"cannot list resource {kind!r} in the namespace {namespace!r}")
            if namespace in self.failing:
                return _status(503, "the server is currently unable to handle the request")
            if request.query.get("watch"):
                return await self._watch(request, (namespace, kind))
            return self._list((namespace, kind))
        return web.json_response(_discovery(request.path.strip("/")))

    def _list(self, place: tuple[str, str]) -> web.Response:
        items = list(self._objects[place].values())
        return web.json_response({"items": items, "metadata": {"resourceVersion": str(self._version)}})

    async def _watch(self, request: web.Request, place: tuple[str, str]) -> web.StreamResponse:
        response = web.StreamResponse()
        events: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self._streams[place].add(events)
        await response.prepare(request)
        try:
            while event := await events.get():
                await response.write(json.dumps(event).encode() + b"\n")
        finally:
            self._streams[place].discard(events)
        return response


def _status(code: int, message: str) -> web.Response:
    return web.json_response({"kind": "Status", "code": code, "message": message}, status=code)


def _discovery(path: str) -> dict[str, Any]:
    if path == "api":
        return {"versions": ["v1"]}
    if path == "apis":
        groups = [(GROUP, VERSION), ("apiextensions.k8s.io", "v1")]
        found = []
        for group, version in groups:
            served = {"groupVersion": f"{group}/{version}", "version": version}
            found.append({"name": group, "preferredVersion": served, "versions": [served]})
        return {"groups": found}
    verbs = ["get", "list", "watch", "patch", "create", "delete"]
    return {
        "resources": [
            {"name": name, "kind": kind, "namespaced": namespaced, "singularName": "", "verbs": verbs}
            for name, kind, namespaced in RESOURCES.get(path.removeprefix("apis/").removeprefix("api/"), [])
        ]
    }
