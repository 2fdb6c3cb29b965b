"""ImageStores, and the objects that they refer to."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import msgspec

from imagejob_operator.adapters.kubernetes.imagejobs import MERGE_PATCH, difference, translate
from imagejob_operator.adapters.kubernetes.session import ApiError, KubeHTTP
from imagejob_operator.api.imagestore import ImageStore, StoreStatus, parse_store
from imagejob_operator.api.imagestore_status import StoreReason
from imagejob_operator.naming.names import GROUP, STORE_PLURAL, VERSION
from imagejob_operator.ports.imagestores import NotUsable

TOKEN_SECONDS = 600
ROLE = "manifests/tenant/imagestore-role.yaml"


class KubeImageStores:
    """See the port."""

    def __init__(self, http: KubeHTTP) -> None:
        self._http = http

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
        body = await self._request(
            "GET", namespace, f"secrets/{name}", f"the Secret {name!r}", StoreReason.SECRET_NOT_FOUND
        )
        return {entry: _decoded(value) for entry, value in (body.get("data") or {}).items()}

    async def config_map(self, namespace: str, name: str) -> Mapping[str, str]:
        """See the port."""
        body = await self._request(
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
        body = await self._request(
            "POST",
            namespace,
            f"serviceaccounts/{account}/token",
            f"the ServiceAccount {account!r}",
            StoreReason.SERVICE_ACCOUNT_NOT_FOUND,
            request,
        )
        token: str = body["status"]["token"]
        return token

    async def _request(
        self, verb: str, namespace: str, what: str, words: str, missing: StoreReason, body: object = None
    ) -> dict[str, Any]:
        """Request an object that an ImageStore refers to, always in its own namespace."""
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


def _decoded(value: str) -> str:
    return base64.b64decode(value).decode(errors="replace")
