"""The operators of a cluster: which are yours, and which handle the same ImageJobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from imagejob.client import Client
from imagejob.operator_settings import Scope, deployments, variables

Deployment = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Operators:
    """The Deployments of operators: in the namespace of an installation, and in other namespaces."""

    own: Sequence[Deployment]
    others: Sequence[Deployment]


def find_operators(client: Client, namespace: str) -> Operators:
    """Find the operators of all namespaces; raises ImageJobError if the user may not list them."""
    found = sorted(deployments(client.transport), key=lambda one: str(one["metadata"]["namespace"]))
    own = [one for one in found if one["metadata"]["namespace"] == namespace]
    return Operators(own, [one for one in found if one["metadata"]["namespace"] != namespace])


def rivals(client: Client, operators: Operators) -> list[Deployment]:
    """The other operators that process ImageJobs which the own one processes, too.

    Raises:
        ImageJobError: The user may not read their settings.
    """
    own = [_scope(client, one) for one in operators.own if _wanted(one)]
    others = [one for one in operators.others if _wanted(one)] if own else []
    return [one for one in others if any(_scope(client, one).overlaps(scope) for scope in own)]


def place(deployment: Deployment) -> str:
    """The name of a Deployment and its namespace."""
    metadata = deployment["metadata"]
    return f"Deployment {metadata['name']!r} in namespace {metadata['namespace']!r}"


def ready(found: Sequence[Deployment]) -> int:
    """How many Pods of Deployments are ready."""
    return sum((one.get("status") or {}).get("readyReplicas", 0) for one in found)


def _wanted(deployment: Deployment) -> bool:
    """Whether a Deployment has Pods, or should have."""
    return bool((deployment.get("spec") or {}).get("replicas", 1))


def _scope(client: Client, deployment: Deployment) -> Scope:
    return Scope.of(variables(client.transport, deployment, deployment["metadata"]["namespace"]) or {})
