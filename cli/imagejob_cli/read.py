"""One ImageJob as the API server has it, or the reason why it cannot be shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

GROUP, VERSION, PLURAL = "imagejob.dev", "v1alpha1", "imagejobs"
TIMEOUT = (5, 30)
"""Seconds to connect and to read."""

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3
EXIT_NOT_FOUND = 4


class CannotShow(Exception):
    """The message is for people; `exit_code` for scripts: 4 is JOB_004 and nothing else."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Cluster:
    """A connection, and the namespace that is meant when none is named."""

    api: client.CustomObjectsApi
    namespace: str


def connect(kubeconfig: str | None, context: str | None) -> Cluster:
    """Connect as kubectl would.

    Raises:
        CannotShow: if there is no usable kubeconfig.
    """
    try:
        _, active = config.list_kube_config_contexts(kubeconfig)
        config.load_kube_config(kubeconfig, context=context)
    except (config.ConfigException, OSError) as error:
        raise CannotShow(f"no cluster: {error}; set KUBECONFIG or --kubeconfig", EXIT_UNREACHABLE) from None
    namespace = (active or {}).get("context", {}).get("namespace", "default")
    return Cluster(client.CustomObjectsApi(), namespace)


def read_job(cluster: Cluster, namespace: str, name: str) -> dict[str, Any]:
    """The ImageJob of that name.

    Raises:
        CannotShow: JOB_004 if there is none; another message if the cluster does not answer.
    """
    try:
        job = cluster.api.get_namespaced_custom_object(
            GROUP, VERSION, namespace, PLURAL, name, _request_timeout=TIMEOUT
        )
    except ApiException as error:
        raise _explain(error, namespace, name) from None
    except HTTPError as error:
        text = f"the cluster does not answer: {type(error).__name__}"
        raise CannotShow(text, EXIT_UNREACHABLE) from None
    return cast("dict[str, Any]", job)


def _explain(error: ApiException, namespace: str, name: str) -> CannotShow:
    if error.status == 404:
        text = (
            f"JOB_004 JobNotFound: there is no ImageJob {name!r} in namespace {namespace!r}; "
            f"kubectl get imagejobs -n {namespace} lists those that are"
        )
        return CannotShow(text, EXIT_NOT_FOUND)
    return CannotShow(f"the cluster refuses: {error.status} {error.reason}", EXIT_UNREACHABLE)


def summary(job: dict[str, Any]) -> str:
    """One line: phase, progress, and the error, or what is being waited for."""
    status = job.get("status") or {}
    words = [status.get("phase") or "Pending"]
    if status.get("progress"):
        words.append(f"{status['progress']} items")
    if error := status.get("error"):
        words.append(f"{error['code']} {error['reason']}: {error['message']}")
    elif waiting := _waiting_for(status):
        words.append(waiting)
    return "  ".join(words)


def _waiting_for(status: dict[str, Any]) -> str:
    conditions = status.get("conditions") or []
    return next((c.get("message", "") for c in conditions if c["type"] == "Ready"), "")


def finished(job: dict[str, Any]) -> bool | None:
    """Whether the current run succeeded; None while it has not ended or the spec is newer."""
    status = job.get("status") or {}
    if status.get("observedGeneration") != job["metadata"].get("generation"):
        return None
    found = {c["type"]: c["status"] for c in status.get("conditions") or []}
    return found.get("Succeeded") == "True" if found.get("Finished") == "True" else None
