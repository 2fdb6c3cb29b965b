"""What ImageJobs need of a cluster, of a namespace and of the user, and whether it is there."""

from __future__ import annotations

import enum
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from imagejob.client import Client
from imagejob.errors import Forbidden, ImageJobError, NotInstalled, Rejected
from imagejob.operator_settings import OPERATOR, deployments, settings
from imagejob_cli.deletion import hangs
from imagejob_cli.operators import find_operators, place, ready, rivals
from imagejob_cli.session import Session, now
from imagejob_cli.terminal import named
from imagejob_operator.naming.names import GROUP, PLURAL, STORE_PLURAL, VERSION

DEFAULT_SELECTOR = "imagejob.dev/store=default"
INSTALL = "docs/administrators/install.md"
RUNBOOK = "docs/administrators/runbook.md"
RIGHTS = (
    *((GROUP, PLURAL, "", verb) for verb in ("get", "list", "watch", "create", "patch", "delete")),
    ("", "pods", "", "list"),
    ("", "pods", "log", "get"),
)
"""Group, resource, subresource and verb of what the commands do."""


class Result(enum.StrEnum):
    """How a check ended."""

    OK = "ok"
    NOT_OK = "not ok"
    UNKNOWN = "not checked"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check; `remedy` says what to do if it is not ok."""

    subject: str
    result: Result
    detail: str
    remedy: str = ""


Check = Callable[[Session, str], Finding]


def diagnose(session: Session, operator_namespace: str) -> Iterator[Finding]:
    """Check everything, in the order in which one thing needs another.

    Raises:
        Unreachable: The API server does not answer, or rejects the credentials.
    """
    yield _server(session)
    checks = (_crds, _operator, _others, _operator_store, _namespace, _rights, _quota, _stores, _jobs)
    for subject, check in zip(SUBJECTS, checks, strict=True):
        try:
            yield check(session, operator_namespace)
        except Forbidden as error:
            yield Finding(subject, Result.UNKNOWN, str(error).partition(": ask")[0])
        except (NotInstalled, Rejected) as error:
            yield Finding(subject, Result.UNKNOWN, str(error))
        except ImageJobError as error:
            yield Finding(subject, Result.NOT_OK, str(error))


SUBJECTS = (
    "CRDs",
    "operator",
    "other operators",
    "operator's store",
    "namespace",
    "rights",
    "quota",
    "ImageStores",
    "ImageJobs",
)


def _read(client: Client, path: str, **params: str) -> dict[str, Any]:
    return client.transport.request("GET", path, path, params)


def _server(session: Session, _: str = "") -> Finding:
    client = session.client
    version = _read(client, "/version").get("gitVersion", "")
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    try:
        path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
        review = client.transport.request("POST", path, "your own user name", {}, body)
        user = review["status"]["userInfo"].get("username", "")
    except ImageJobError:
        user = ""
    return Finding("API server", Result.OK, f"Kubernetes {version}" + (f", you are {user}" if user else ""))


def _crds(session: Session, _: str) -> Finding:
    remedy = f"ask an administrator to apply crds/ of the release: {INSTALL}#kustomize"
    try:
        served = _read(session.client, f"/apis/{GROUP}/{VERSION}").get("resources") or []
    except (NotInstalled, Rejected):
        served = []
    names = {resource["name"] for resource in served}
    missing = [name for name in (PLURAL, STORE_PLURAL) if name not in names]
    if missing:
        return Finding(
            "CRDs", Result.NOT_OK, f"{', '.join(missing)} in {GROUP}/{VERSION}: not installed", remedy
        )
    return Finding("CRDs", Result.OK, f"{PLURAL} and {STORE_PLURAL} in {GROUP}/{VERSION}")


def _operator(session: Session, namespace: str) -> Finding:
    found = deployments(session.client.transport, namespace)
    if not found:
        detail = f"no Deployment of it in namespace {namespace!r}"
        return Finding(
            "operator",
            Result.NOT_OK,
            detail,
            "install the operator, or name its namespace: --operator-namespace",
        )
    running = ready(found)
    wanted = sum((d.get("spec") or {}).get("replicas", 1) for d in found)
    detail = f"{running} of {wanted} replicas ready in namespace {namespace!r}"
    labels = f"app.kubernetes.io/name={OPERATOR}"
    remedy = session.of_the_cluster().kubectl("describe", "pods", "-n", namespace, "-l", labels)
    return (
        Finding("operator", Result.OK, detail)
        if running
        else Finding("operator", Result.NOT_OK, detail, remedy)
    )


def _others(session: Session, namespace: str) -> Finding:
    subject, found = "other operators", find_operators(session.client, namespace)
    if found.others and not found.own:
        where = found.others[0]["metadata"]["namespace"]
        remedy = f"if it is yours: --operator-namespace {where}"
        return Finding(subject, Result.UNKNOWN, f"one is in namespace {where!r}", remedy)
    if same := rivals(session.client, found):
        names = ", ".join(place(one) for one in same)
        detail = f"ImageJobs are processed twice, because this one handles the same: {names}"
        remedy = (
            f"give one of both another IMAGEJOB_CLASS, or other IMAGEJOB_WATCH_NAMESPACES; {INSTALL}#variants"
        )
        return Finding(subject, Result.NOT_OK, detail, remedy)
    return Finding(subject, Result.OK, "none handles the same ImageJobs")


def _operator_store(session: Session, namespace: str) -> Finding:
    path = f"/api/v1/namespaces/{namespace}/services/{OPERATOR}:http/proxy/metrics"
    metrics = str(_read(session.client, path).get("text", ""))
    value = re.search(r"^imagejob_store_usable (\S+)", metrics, re.MULTILINE)
    if value is None:
        return Finding("operator's store", Result.UNKNOWN, "the metrics of the operator do not name it")
    if float(value[1]):
        return Finding("operator's store", Result.OK, "the operator can list its staging")
    labels = f"app.kubernetes.io/name={OPERATOR}"
    log = session.of_the_cluster().kubectl("logs", "-n", namespace, "-l", labels, "--prefix")
    remedy = f"see the log: {log}; {RUNBOOK}#the-store-is-unavailable"
    return Finding("operator's store", Result.NOT_OK, "the operator cannot list its staging", remedy)


def _selector(client: Client, namespace: str) -> str:
    """Labels of the namespaces that may use the operator's store; empty if its settings cannot be read."""
    try:
        found = settings(client.transport, namespace)
    except (ImageJobError, KeyError):
        return ""
    return "" if found is None else found.get("IMAGEJOB_NAMESPACE_SELECTOR") or DEFAULT_SELECTOR


def _namespace(session: Session, operator_namespace: str) -> Finding:
    client = session.client
    name = client.namespace
    labels = _read(client, f"/api/v1/namespaces/{name}")["metadata"].get("labels") or {}
    selector = _selector(client, operator_namespace)
    words = (selector or DEFAULT_SELECTOR).split(",")
    wanted = [] if selector == "*" else [word.strip() for word in words if word.strip()]
    missing = [word for word in wanted if labels.get(word.partition("=")[0]) != word.partition("=")[2]]
    if not missing:
        return Finding("namespace", Result.OK, f"{name!r} may use the operator's store")
    label = session.of_the_cluster().kubectl("label", "namespace", name, *missing)
    remedy = f"an administrator: {label}; or use an ImageStore (storeRef)"
    if not selector:
        detail = f"{name!r} does not have the usual label; the settings of the operator cannot be read"
        return Finding("namespace", Result.UNKNOWN, detail, remedy)
    return Finding("namespace", Result.NOT_OK, f"{name!r} may not use the operator's store", remedy)


def _rights(session: Session, _: str) -> Finding:
    client = session.client
    denied = []
    for group, resource, subresource, verb in RIGHTS:
        attributes = {"namespace": client.namespace, "group": group, "resource": resource, "verb": verb}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {**attributes, "subresource": subresource}},
        }
        path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        answer = client.transport.request("POST", path, "your own rights", {}, review)
        if not answer["status"].get("allowed"):
            denied.append(f"{verb} {resource}" + (f"/{subresource}" if subresource else ""))
    where = f"in namespace {client.namespace!r}"
    if denied:
        remedy = _role(denied)
        return Finding("rights", Result.NOT_OK, f"you may not {', '.join(denied)} {where}", remedy)
    return Finding("rights", Result.OK, f"you may use ImageJobs and read Pods {where}")


def _role(denied: Sequence[str]) -> str:
    """Which role has all that is denied."""
    if all("pods" in one for one in denied):
        return "ask an administrator for a RoleBinding to the ClusterRole 'view' of Kubernetes"
    return (
        "ask an administrator for a RoleBinding to the ClusterRole 'edit' of Kubernetes, which includes "
        "'imagejob-edit'; 'imagejob-edit' alone does not allow to read Pods and their logs"
    )


def _quota(session: Session, _: str) -> Finding:
    client = session.client
    quotas = _read(client, f"/api/v1/namespaces/{client.namespace}/resourcequotas")["items"]
    full = []
    for quota in quotas:
        status = quota.get("status") or {}
        for resource, limit in (status.get("hard") or {}).items():
            used = (status.get("used") or {}).get(resource, "0")
            if used == limit:
                full.append(f"{resource} of quota {quota['metadata']['name']!r} is {used} of {limit}")
    if full:
        remedy = "delete what is not needed, or ask an administrator to raise the quota"
        return Finding("quota", Result.NOT_OK, "; ".join(full), remedy)
    return Finding("quota", Result.OK, "no quota is used up" if quotas else "the namespace has none")


def _stores(session: Session, _: str) -> Finding:
    client = session.client
    stores = _read(client, f"/apis/{GROUP}/{VERSION}/namespaces/{client.namespace}/{STORE_PLURAL}")["items"]
    unready = []
    for store in stores:
        conditions = (store.get("status") or {}).get("conditions") or []
        found = next(
            (c for c in conditions if c["type"] == "Ready"), {"message": "no operator has handled it"}
        )
        if found.get("status") != "True":
            unready.append(f"{store['metadata']['name']}: {found.get('message') or found.get('reason', '')}")
    if unready:
        remedy = "docs/administrators/stores.md has each reason"
        return Finding("ImageStores", Result.NOT_OK, "; ".join(unready), remedy)
    return Finding("ImageStores", Result.OK, f"{len(stores)} ready" if stores else "the namespace has none")


def _jobs(session: Session, operator_namespace: str) -> Finding:
    jobs, problems, remedies = session.client.list(), [], []
    if unserved := [(job.name, text) for job in jobs if (text := job.unserved(now()))]:
        problems.append(f"not handled by any operator: {named([name for name, _ in unserved], sys.stdout)}")
        remedies.append(unserved[0][1])
    if late := [job.name for job in jobs if hangs(job, now())]:
        problems.append(f"not deleted after 2 minutes: {named(late, sys.stdout)}")
        remedies.append(f"{RUNBOOK}#a-deletion-hangs")
    if problems:
        return Finding("ImageJobs", Result.NOT_OK, "; ".join(problems), "; ".join(remedies))
    if jobs and not _may_run(session, operator_namespace):
        detail = f"{len(jobs)}; no operator that handles them is ready in namespace {operator_namespace!r}"
        return Finding("ImageJobs", Result.UNKNOWN, detail)
    return Finding("ImageJobs", Result.OK, f"{len(jobs)}, all handled by an operator" if jobs else "none yet")


def _may_run(session: Session, operator_namespace: str) -> bool:
    """Whether an operator is ready, as far as the user may see."""
    try:
        return ready(deployments(session.client.transport, operator_namespace)) > 0
    except ImageJobError:
        return True
