"""The settings of the operator, which administrators may read: those in the ConfigMap of its Deployment."""

from __future__ import annotations

from typing import Any

from imagejob.names import checked_namespace
from imagejob.transport import Transport

OPERATOR = "imagejob-operator"
NAMESPACE = "imagejob-system"
"""Where the manifests of the release install the operator."""


def deployments(transport: Transport, namespace: str) -> list[dict[str, Any]]:
    """The Deployments of operators in a namespace."""
    path = f"/apis/apps/v1/namespaces/{checked_namespace(namespace)}/deployments"
    labels = {"labelSelector": f"app.kubernetes.io/name={OPERATOR}"}
    found: list[dict[str, Any]] = transport.request("GET", path, "the operator's Deployment", labels)["items"]
    return found


def settings(transport: Transport, namespace: str) -> dict[str, str] | None:
    """The operator's environment variables from its ConfigMap; None if there is none.

    Raises:
        ImageJobError: The user may not read the Deployment or the ConfigMap.
    """
    for deployment in deployments(transport, namespace):
        for container in deployment["spec"]["template"]["spec"]["containers"]:
            for source in container.get("envFrom") or []:
                if name := (source.get("configMapRef") or {}).get("name"):
                    path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
                    found = transport.request("GET", path, f"ConfigMap {name!r} of the operator")
                    return {key: str(value) for key, value in (found.get("data") or {}).items()}
    return None
