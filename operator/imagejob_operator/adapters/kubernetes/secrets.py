"""Secrets, read by name."""

from __future__ import annotations

import base64
from typing import Any

from imagejob_operator.adapters.kubernetes.answers import ApiError
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from imagejob_operator.ports.secrets import Secret, SecretUnreadable


class KubeSecrets:
    """See the port."""

    def __init__(self, http: KubeHTTP) -> None:
        self._http = http

    async def read(self, namespace: str, name: str) -> Secret:
        """See the port."""
        try:
            body = await self._http.request("GET", f"/api/v1/namespaces/{namespace}/secrets/{name}")
        except ApiError as error:
            answered = error.status in (403, 404)
            raise SecretUnreadable(_explanation(error, namespace, name), answered) from None
        return Secret(secret_data(body), (body.get("metadata") or {}).get("annotations") or {})


def secret_data(body: dict[str, Any]) -> dict[str, str]:
    """The decoded entries of a Secret."""
    data: dict[str, str] = body.get("data") or {}
    return {name: base64.b64decode(value).decode(errors="replace") for name, value in data.items()}


def _explanation(error: ApiError, namespace: str, name: str) -> str:
    if error.status == 404:
        return f"there is no Secret {name!r} in namespace {namespace!r}"
    if error.status == 403:
        return (
            f"the operator is not allowed to read the Secret {name!r} in namespace {namespace!r}; apply a "
            "Role that allows get on it, as in manifests/tenant/source-headers.yaml"
        )
    return f"the Secret {name!r} in namespace {namespace!r} cannot be read: {error.message}"
