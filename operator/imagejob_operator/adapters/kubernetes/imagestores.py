"""ImageStores, and the objects that they refer to."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

import msgspec

from imagejob_operator.adapters.kubernetes.answers import ApiError, translated
from imagejob_operator.adapters.kubernetes.imagejobs import MERGE_PATCH, difference
from imagejob_operator.adapters.kubernetes.secrets import secret_data
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from imagejob_operator.api.imagestore import ImageStore, StoreStatus, parse_store
from imagejob_operator.api.imagestore_status import StoreReason
from imagejob_operator.naming.names import GROUP, STORE_PLURAL, VERSION
from imagejob_operator.ports.imagestores import NotUsable

TOKEN_SECONDS = 600
ROLE = "manifests/tenant/imagestore-role.yaml"


class KubeImageStores:
    """See the port."""

    def __init__(self, http: KubeHTTP, api_audiences: Set[str] = frozenset()) -> None:
        """No tokens for `api_audiences` are requested: they would be sent to an endpoint of a user."""
        self._http = http
        self._api_audiences = api_audiences

    async def write_status(self, store: ImageStore, status: StoreStatus) -> ImageStore:
        """See the port."""
        path = f"/apis/{GROUP}/{VERSION}/namespaces/{store.key.namespace}/{STORE_PLURAL}/{store.key.name}"
        old: dict[str, Any] = msgspec.to_builtins(store.status)
        patch = {
            "metadata": {"resourceVersion": store.resource_version, "uid": store.uid},
            "status": difference(old, msgspec.json.decode(msgspec.json.encode(status))),
        }
        with translated():
            return parse_store(await self._http.request("PATCH", f"{path}/status", patch, MERGE_PATCH))

    async def secret(self, namespace: str, name: str) -> Mapping[str, str]:
        """See the port."""
        words, missing = f"Secret {name!r}", StoreReason.SECRET_NOT_FOUND
        return secret_data(await self._request("GET", namespace, f"secrets/{name}", words, missing))

    async def config_map(self, namespace: str, name: str) -> Mapping[str, str]:
        """See the port."""
        words, missing = f"ConfigMap {name!r}", StoreReason.CONFIG_MAP_NOT_FOUND
        body = await self._request("GET", namespace, f"configmaps/{name}", words, missing)
        found: Mapping[str, str] = body.get("data") or {}
        return found

    async def token(self, namespace: str, account: str, audience: str) -> str:
        """See the port."""
        if audience in self._api_audiences:
            text = (
                f"spec.auth.webIdentity.audience: {audience!r} is an audience of the API server, so the "
                "token would be valid there; use the audience of the token service"
            )
            raise NotUsable(StoreReason.INVALID_SPEC, text)
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"audiences": [audience], "expirationSeconds": TOKEN_SECONDS},
        }
        words, missing = f"ServiceAccount {account!r}", StoreReason.SERVICE_ACCOUNT_NOT_FOUND
        what = f"serviceaccounts/{account}/token"
        body = await self._request("POST", namespace, what, words, missing, request)
        token: str = body["status"]["token"]
        return token

    async def _request(
        self, verb: str, namespace: str, what: str, words: str, missing: StoreReason, body: object = None
    ) -> dict[str, Any]:
        """Request an object that an ImageStore refers to, always in its own namespace."""
        with translated():
            try:
                return await self._http.request(verb, f"/api/v1/namespaces/{namespace}/{what}", body)
            except ApiError as error:
                if error.status == 404:
                    text = f"there is no {words} in namespace {namespace!r}; create it"
                    raise NotUsable(missing, text) from None
                if error.status == 403:
                    text = (
                        f"the operator is not allowed to use the {words}; apply the Role in {ROLE} with "
                        "the name of this object in resourceNames"
                    )
                    raise NotUsable(StoreReason.NOT_PERMITTED, text) from None
                raise
