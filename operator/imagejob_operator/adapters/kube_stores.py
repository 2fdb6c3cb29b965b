"""ImageStores and what they refer to, kept by the API server; what outlives them, in one Secret at home."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from imagejob_operator.adapters.kube_jobs import JSON_PATCH, MERGE_PATCH, difference, translate
from imagejob_operator.adapters.kube_session import ApiError, KubeHTTP
from imagejob_operator.core.api import GROUP, LABEL_MANAGED_BY, MANAGED_BY, STORE_PLURAL, VERSION
from imagejob_operator.core.image_store import ImageStore, StoreStatus, parse_store
from imagejob_operator.core.store_standing import StoreReason
from imagejob_operator.ports.jobs import Conflict
from imagejob_operator.ports.store_keeper import NotUsable

KEPT = "imagejob-kept-stores"
"""Name of the Secret with what is kept."""
TOKEN_SECONDS = 600
TRIES = 5
ROLE = "manifests/tenant/imagestore-role.yaml"


class KubeStores:
    """See the port for what each call promises."""

    def __init__(self, http: KubeHTTP, home: str, installation: str) -> None:
        self._http = http
        self._kept = f"/api/v1/namespaces/{home}/secrets"
        self._prefix = f"{installation}."

    async def write_status(self, store: ImageStore, status: StoreStatus) -> ImageStore:
        """See the port."""
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{store.key.namespace}/{STORE_PLURAL}/{store.key.name}"
        old: dict[str, Any] = msgspec.to_builtins(store.status)
        patch = {
            "metadata": {"resourceVersion": store.resource_version, "uid": store.uid},
            "status": difference(old, msgspec.json.decode(msgspec.json.encode(status))),
        }
        try:
            return parse_store(await self._http.request("PATCH", f"{path}/status", patch, MERGE_PATCH))
        except ApiError as error:
            raise translate(error) from error

    async def secret(self, namespace: str, name: str) -> Mapping[str, str]:
        """See the port."""
        body = await self._refer(
            "GET", namespace, f"secrets/{name}", f"the Secret {name!r}", StoreReason.SECRET_NOT_FOUND
        )
        return {entry: _decoded(value) for entry, value in (body.get("data") or {}).items()}

    async def config_map(self, namespace: str, name: str) -> Mapping[str, str]:
        """See the port."""
        body = await self._refer(
            "GET",
            namespace,
            f"configmaps/{name}",
            f"the ConfigMap {name!r}",
            StoreReason.CONFIG_MAP_NOT_FOUND,
        )
        found: Mapping[str, str] = body.get("data") or {}
        return found

    async def token(self, namespace: str, account: str, audience: str) -> str:
        """See the port."""
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [audience], "expirationSeconds": TOKEN_SECONDS},
        }
        body = await self._refer(
            "POST",
            namespace,
            f"serviceaccounts/{account}/token",
            f"the ServiceAccount {account!r}",
            StoreReason.SERVICE_ACCOUNT_NOT_FOUND,
            request,
        )
        token: str = body["status"]["token"]
        return token

    async def _refer(
        self, verb: str, namespace: str, what: str, words: str, missing: StoreReason, body: object = None
    ) -> dict[str, Any]:
        """Ask for something that an ImageStore refers to, in its own namespace and nowhere else."""
        try:
            return await self._http.request(verb, f"/api/v1/namespaces/{namespace}/{what}", body)
        except ApiError as error:
            if error.status == 404:
                text = f"there is no {words.removeprefix('the ')} in namespace {namespace!r}; create it"
                raise NotUsable(missing, text) from None
            if error.status == 403:
                text = f"the operator may not use {words}; apply the Role of {ROLE} with its name"
                raise NotUsable(StoreReason.NOT_PERMITTED, text) from None
            raise translate(error) from error

    async def kept(self) -> Mapping[str, bytes]:
        """See the port."""
        body = await self._read_kept()
        data = (body or {}).get("data") or {}
        return {
            name.removeprefix(self._prefix): base64.b64decode(value)
            for name, value in data.items()
            if name.startswith(self._prefix)
        }

    async def keep(self, name: str, data: bytes | None) -> None:
        """See the port; other installations keep theirs there too, so each entry is changed alone."""
        entry = self._prefix + name
        for _ in range(TRIES):
            body = await self._read_kept()
            if body is None and data is None:
                return
            try:
                if body is None:
                    await self._call("POST", self._kept, _first_kept(entry, data or b""))
                    return
                if ((body.get("data") or {}).get(entry) == _encoded(data)) or (
                    data is None and entry not in (body.get("data") or {})
                ):
                    return
                version = body["metadata"]["resourceVersion"]
                patch: list[dict[str, Any]] = [
                    {"op": "test", "path": "/metadata/resourceVersion", "value": version}
                ]
                if not body.get("data"):
                    patch.append({"op": "add", "path": "/data", "value": {}})
                if data is None:
                    patch.append({"op": "remove", "path": f"/data/{entry}"})
                else:
                    patch.append({"op": "add", "path": f"/data/{entry}", "value": _encoded(data)})
                await self._call("PATCH", f"{self._kept}/{KEPT}", patch, JSON_PATCH)
            except Conflict:
                continue
            return
        raise Conflict(f"the Secret {KEPT} is written by somebody else all the time")

    async def _read_kept(self) -> dict[str, Any] | None:
        try:
            return await self._http.request("GET", f"{self._kept}/{KEPT}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise translate(error) from error

    async def _call(
        self, verb: str, path: str, body: object, content_type: str = "application/json"
    ) -> dict[str, Any]:
        try:
            return await self._http.request(verb, path, body, content_type)
        except ApiError as error:
            raise translate(error, json_patch=content_type == JSON_PATCH) from error


def _first_kept(entry: str, data: bytes) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": KEPT, "labels": {LABEL_MANAGED_BY: MANAGED_BY}},
        "data": {entry: _encoded(data)},
    }


def _encoded(data: bytes | None) -> str:
    return "" if data is None else base64.b64encode(data).decode()


def _decoded(value: str) -> str:
    return base64.b64decode(value).decode(errors="replace")
