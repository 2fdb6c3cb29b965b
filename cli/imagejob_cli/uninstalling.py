"""What an uninstallation deletes, in the order that leaves no finalizer: ImageJobs, CRDs, the operator."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

from imagejob.client import Client
from imagejob.errors import Conflict, Invalid, NotFound, NotInstalled, Rejected, WaitTimeout
from imagejob.gitops import managed_by
from imagejob.job import ImageJob
from imagejob.names import checked_namespace
from imagejob.operator_settings import OPERATOR
from imagejob_cli.operators import Deployment, Operators, find_operators, ready
from imagejob_cli.terminal import counted, named
from imagejob_operator.naming.names import FINALIZER, GROUP, PLURAL, STORE_PLURAL

PAUSE = 1.0
"""Seconds between two requests for what is being deleted."""
PART_OF = ("app.kubernetes.io/part-of", "imagejob")
"""The label of a namespace that the manifests of the release have made."""
HELM_RELEASE = "meta.helm.sh/release-name"
GUIDE = "docs/administrators/uninstall.md#one-of-several-operators has the steps"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
RBAC = "/apis/rbac.authorization.k8s.io/v1"
FLOW_SCHEMAS = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas"
_OF_THE_CLUSTER = (
    *((f"{RBAC}/clusterrolebindings", name) for name in (OPERATOR, f"{OPERATOR}-cluster-uid")),
    *(
        (f"{RBAC}/clusterroles", name)
        for name in (OPERATOR, f"{OPERATOR}-cluster-uid", "imagejob-edit", "imagejob-view")
    ),
    *((FLOW_SCHEMAS, name) for name in ("imagejob-leader-election", OPERATOR)),
)
_OF_A_SHARED_NAMESPACE = (
    "/apis/apps/v1/namespaces/{}/deployments",
    "/api/v1/namespaces/{}/services",
    "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    f"{RBAC}/namespaces/{{}}/rolebindings",
    f"{RBAC}/namespaces/{{}}/roles",
    "/api/v1/namespaces/{}/serviceaccounts",
    "/api/v1/namespaces/{}/configmaps",
)


@dataclass(frozen=True, slots=True)
class Object:
    """An object to delete, by its path."""

    path: str
    note: str = ""
    """What is deleted with it."""

    def __str__(self) -> str:
        *front, plural, name = self.path.split("/")
        where = f" in namespace {front[-1]}" if front[-2:-1] == ["namespaces"] else ""
        return f"{plural}/{name}{where}" + (f" {self.note}" if self.note else "")


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that is deleted, in this order."""

    jobs: Sequence[ImageJob]
    crds: Sequence[Object]
    rest: Sequence[Object]
    ready: bool
    """Whether an operator runs, which deletes the staging of ImageJobs."""
    by_hand: str = ""
    """The command that deletes the rest, if a release of Helm has it."""


def make_plan(client: Client, namespace: str, options: Sequence[str] = ()) -> Plan:
    """Find what is installed; `options` choose the cluster in commands that the user has to type.

    Raises:
        Conflict: Another operator uses the CRDs, or Argo CD or Flux would create everything again.
        ImageJobError: The user may not read it.
    """
    operators = find_operators(client, checked_namespace(namespace))
    if operators.others:
        raise Conflict(_beside_another(operators, namespace, options))
    for one in operators.own:
        if owner := managed_by(one):
            raise Conflict(
                f"the operator is managed by {owner}, which would create it again: delete it there"
            )
    releases = _releases(operators.own)
    crds = [Object(f"{CRDS}/{plural}.{GROUP}") for plural in (PLURAL, STORE_PLURAL)]
    return Plan(
        jobs=_jobs(client),
        crds=[one for one in crds if _body(client, one.path) is not None],
        rest=[] if releases else _rest(client, namespace),
        ready=ready(operators.own) > 0,
        by_hand=_helm(releases[0], namespace, options) if releases else "",
    )


def _beside_another(operators: Operators, namespace: str, options: Sequence[str]) -> str:
    """How to uninstall one of several operators."""
    there = f"another operator is in namespace {operators.others[0]['metadata']['namespace']!r}"
    if not operators.own:
        return f"{there}, and none in {namespace!r}: name the namespace of yours with --operator-namespace"
    if releases := _releases(operators.own):
        helm = _helm(releases[0], namespace, options)
        yours = f"{helm}, after the value crds.keep of the release is true"
    else:
        yours = (
            f"its ImageJobs while it runs, then the namespace {namespace!r}, and the ClusterRoles and "
            "bindings that only your operator uses; not an overlay or install.yaml, which contain the CRDs"
        )
    return (
        f"{there}, and uses the same CRDs, with which all its ImageJobs would be deleted. Keep the CRDs, and "
        f"delete only yours: {yours}. Or uninstall the other operator first, as it was installed and without "
        f"its CRDs. {GUIDE}"
    )


def _releases(operators: Sequence[Deployment]) -> list[str]:
    """The releases of Helm that have made operators."""
    annotations = [one["metadata"].get("annotations") or {} for one in operators]
    return [found[HELM_RELEASE] for found in annotations if HELM_RELEASE in found]


def _helm(release: str, namespace: str, options: Sequence[str]) -> str:
    named_so = ["--kube-context" if word == "--context" else word for word in options]
    return shlex.join(["helm", "uninstall", release, "-n", namespace, *named_so])


def _jobs(client: Client) -> list[ImageJob]:
    try:
        return client.list(all_namespaces=True)
    except (NotFound, NotInstalled):
        return []


def _rest(client: Client, namespace: str) -> list[Object]:
    found = _body(client, f"/api/v1/namespaces/{namespace}")
    labels = (found or {}).get("metadata", {}).get("labels") or {}
    if labels.get(PART_OF[0]) == PART_OF[1]:
        deployments = _items(client, f"/apis/apps/v1/namespaces/{namespace}/deployments")
        names = ", ".join(one["metadata"]["name"] for one in deployments)
        note = f"with everything in it; Deployments: {names or 'none'}"
        own = [Object(f"/api/v1/namespaces/{namespace}", note)]
    else:
        own = [Object(f"{path.format(namespace)}/{OPERATOR}") for path in _OF_A_SHARED_NAMESPACE]
    bindings = [
        Object(f"{RBAC}/namespaces/{one['metadata']['namespace']}/rolebindings/{OPERATOR}")
        for one in _items(client, f"{RBAC}/rolebindings")
        if one["metadata"]["name"] == OPERATOR and one["roleRef"]["kind"] == "ClusterRole"
    ]
    cluster = [Object(f"{path}/{name}") for path, name in _OF_THE_CLUSTER]
    return [one for one in (*own, *bindings, *cluster) if _body(client, one.path) is not None]


def _items(client: Client, path: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.transport.request("GET", path, path)["items"]
    return items


def _body(client: Client, path: str) -> Mapping[str, Any] | None:
    """An object; None if it does not exist."""
    with _missing_allowed():
        return client.transport.request("GET", path, path)
    return None


def _delete(client: Client, path: str) -> None:
    with _missing_allowed():
        client.transport.request("DELETE", path, path, {}, {"propagationPolicy": "Background"})


@contextmanager
def _missing_allowed() -> Iterator[None]:
    """Ignore that an object does not exist: something else may have deleted it."""
    try:
        yield
    except Rejected as error:
        if error.status != 404:
            raise
    except (NotFound, NotInstalled):
        return
    except Invalid as error:
        if error.fields != ("metadata.namespace",):
            raise


def delete_jobs(client: Client, plan: Plan, timeout: float, force: bool) -> None:
    """Delete all ImageJobs, and wait until the operator has deleted their staging.

    Raises:
        Conflict: No operator runs, so they would keep their finalizers, and `force` is false.
        WaitTimeout: They are not gone in time.
    """
    guarded = [job for job in plan.jobs if FINALIZER in job.finalizers]
    if guarded and not plan.ready and not force:
        raise Conflict(
            f"no operator is ready, so {_named(guarded)} would keep the finalizer {FINALIZER}: start the "
            "operator, or add --force, which removes it and leaves staged objects in the bucket"
        )
    for job in plan.jobs:
        with _missing_allowed():
            client.delete(job.name, job.namespace)
    if force and not plan.ready:
        for job in guarded:
            kept = [name for name in job.finalizers if name != FINALIZER]
            with _missing_allowed():
                client.patch(job.name, {"metadata": {"finalizers": kept}}, job.namespace)
    await_gone(lambda: [f"{job.namespace}/{job.name}" for job in _jobs(client)], timeout)


def delete_objects(client: Client, objects: Sequence[Object], timeout: float) -> None:
    """Delete objects and wait until they are gone; WaitTimeout."""
    for one in objects:
        _delete(client, one.path)
    await_gone(lambda: [str(one) for one in objects if _body(client, one.path) is not None], timeout)


def await_gone(left: Callable[[], list[str]], timeout: float) -> None:
    """Wait until nothing is left; raises WaitTimeout, which names what is."""
    end = monotonic() + timeout
    while found := left():
        if monotonic() >= end:
            shown = named(found, sys.stderr)
            raise WaitTimeout(
                f"not deleted within {timeout:g} s: {shown}; see its finalizers, and the log of the "
                "operator; the command can be repeated"
            )
        sleep(PAUSE)


def _named(jobs: Sequence[ImageJob]) -> str:
    names = [f"{job.namespace}/{job.name}" for job in jobs]
    return f"{counted(len(jobs), 'ImageJob')} ({named(names, sys.stderr)})"
