"""The settings of the operator, which administrators may read: those that its Deployment names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from imagejob.names import checked_namespace
from imagejob.transport import Transport

OPERATOR = "imagejob-operator"
NAMESPACE = "imagejob-system"
"""Where the manifests of the release install the operator."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The ImageJobs that an operator handles."""

    job_class: str = ""
    namespaces: frozenset[str] = frozenset()
    """None are all."""

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> Self:
        """The scope that environment variables set."""
        words = variables.get("IMAGEJOB_WATCH_NAMESPACES", "").split(",")
        names = frozenset(word.strip() for word in words if word.strip())
        return cls(variables.get("IMAGEJOB_CLASS", "").strip(), names)

    def overlaps(self, other: Scope) -> bool:
        """Whether an ImageJob can be in both."""
        if self.job_class != other.job_class:
            return False
        return not self.namespaces or not other.namespaces or bool(self.namespaces & other.namespaces)


def deployments(transport: Transport, namespace: str | None = None) -> list[dict[str, Any]]:
    """The Deployments of operators in a namespace, or in all."""
    where = f"namespaces/{checked_namespace(namespace)}/" if namespace is not None else ""
    what = "the operator's Deployment" if where else "Deployments in all namespaces"
    labels = {"labelSelector": f"app.kubernetes.io/name={OPERATOR}"}
    path = f"/apis/apps/v1/{where}deployments"
    found: list[dict[str, Any]] = transport.request("GET", path, what, labels)["items"]
    return found


def settings(transport: Transport, namespace: str) -> dict[str, str] | None:
    """The operator's environment variables, without those in Secrets; None if there are none.

    Raises:
        ImageJobError: The user may not read the Deployment or a ConfigMap.
    """
    every = (variables(transport, deployment, namespace) for deployment in deployments(transport, namespace))
    return next((found for found in every if found is not None), None)


def variables(transport: Transport, deployment: Mapping[str, Any], namespace: str) -> dict[str, str] | None:
    """The environment variables of a Deployment, without those in Secrets; None if it has none.

    Raises:
        ImageJobError: The user may not read a ConfigMap.
    """
    found: dict[str, str] | None = None
    for container in deployment["spec"]["template"]["spec"]["containers"]:
        for source in container.get("envFrom") or []:
            if name := (source.get("configMapRef") or {}).get("name"):
                path = f"/api/v1/namespaces/{namespace}/configmaps/{name}"
                data = transport.request("GET", path, f"ConfigMap {name!r} of the operator").get("data") or {}
                found = {**(found or {}), **{key: str(value) for key, value in data.items()}}
        if direct := {e["name"]: str(e["value"]) for e in container.get("env") or [] if "value" in e}:
            found = {**(found or {}), **direct}
    return found
