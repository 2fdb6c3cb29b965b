"""Read and summarize an ImageJob."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

GROUP, VERSION, PLURAL = "imagejob.dev", "v1alpha1", "imagejobs"
TIMEOUT = (5, 30)
"""Timeouts for connecting and reading, in seconds."""
UNSERVED_AFTER = timedelta(seconds=30)
"""An operator that runs writes the first status of a job within seconds."""

EXIT_FAILED = 1
EXIT_UNREACHABLE = 3
EXIT_NOT_FOUND = 4


class CannotShow(Exception):
    """The ImageJob cannot be shown; `exit_code` is 4 only for JOB_004."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Cluster:
    """A client, and the default namespace."""

    api: client.CustomObjectsApi
    namespace: str


def connect(kubeconfig: str | None, context: str | None) -> Cluster:
    """Connect in the same way as kubectl.

    Raises:
        CannotShow: There is no valid kubeconfig.
    """
    try:
        _, active = config.list_kube_config_contexts(kubeconfig)
        config.load_kube_config(kubeconfig, context=context)
    except (config.ConfigException, OSError) as error:
        raise CannotShow(
            f"cannot load the kubeconfig: {error}; set KUBECONFIG or --kubeconfig", EXIT_UNREACHABLE
        ) from None
    namespace = (active or {}).get("context", {}).get("namespace", "default")
    return Cluster(client.CustomObjectsApi(), namespace)


def read_job(cluster: Cluster, namespace: str, name: str) -> dict[str, Any]:
    """Read an ImageJob.

    Raises:
        CannotShow: It does not exist (JOB_004), or the cluster is not available.
    """
    try:
        job = cluster.api.get_namespaced_custom_object(
            GROUP, VERSION, namespace, PLURAL, name, _request_timeout=TIMEOUT
        )
    except ApiException as error:
        raise _explain(error, namespace, name) from None
    except HTTPError as error:
        text = f"cannot reach the API server: {type(error).__name__}; check the kubeconfig and the network"
        raise CannotShow(text, EXIT_UNREACHABLE) from None
    return cast("dict[str, Any]", job)


def _explain(error: ApiException, namespace: str, name: str) -> CannotShow:
    if error.status == 404:
        text = (
            f"JOB_004 JobNotFound: ImageJob {name!r} in namespace {namespace!r} does not exist; "
            f"list the existing ones with: kubectl get imagejobs -n {namespace}"
        )
        return CannotShow(text, EXIT_NOT_FOUND)
    return CannotShow(f"the API server rejected the request: {error.status} {error.reason}", EXIT_UNREACHABLE)


def summary(job: dict[str, Any]) -> str:
    """Phase, progress, and the error or the message of the condition Ready, in one line."""
    status = job.get("status") or {}
    words = [status.get("phase") or "Pending"]
    if status.get("progress"):
        words.append(f"{status['progress']} items")
    if error := status.get("error"):
        words.append(f"{error['code']} {error['reason']}: {error['message']}")
    elif waiting := _waiting_for(status):
        words.append(waiting)
    if unserved := _unserved(job):
        words.append(unserved)
    return "  ".join(words)


def _waiting_for(status: dict[str, Any]) -> str:
    conditions = status.get("conditions") or []
    return next((c.get("message", "") for c in conditions if c["type"] == "Ready"), "")


def _unserved(job: dict[str, Any]) -> str:
    """What no operator has handled for long: the job, its deletion or its new run; else empty."""
    what, since = _unhandled(job)
    now = datetime.now(UTC)  # noqa: TID251  (the command line has no other clock)
    if not since or now - datetime.fromisoformat(since) < UNSERVED_AFTER:
        return ""
    name = (job.get("spec") or {}).get("class")
    asked = f"an operator with the class {name!r}" if name else "an operator without a class"
    wrong = f"; is spec.class {name!r} right" if name else "; is spec.class missing"
    seconds = UNSERVED_AFTER.total_seconds()
    return f"no operator has handled {what} for {seconds:.0f} s: is {asked} running in this cluster{wrong}?"


def _unhandled(job: dict[str, Any]) -> tuple[str, str]:
    """What the status does not show yet, and since when; empty if it shows all."""
    metadata, spec, status = job["metadata"], job.get("spec") or {}, job.get("status") or {}
    if not status.get("phase"):
        return "it", metadata.get("creationTimestamp") or ""
    if status["phase"] == "Deleting":
        return "", ""
    if deleted := metadata.get("deletionTimestamp"):
        # Without a finalizer of an operator, the deletion waits for somebody else.
        waits = any(name.startswith(f"{GROUP}/") for name in metadata.get("finalizers") or [])
        return ("its deletion", str(deleted)) if waits else ("", "")
    if status["phase"] in ("Cancelling", "Failing"):
        # An operator ends the earlier run first.
        return "", ""
    wanted, current = (spec.get("run") or {}).get("id"), (status.get("run") or {}).get("id")
    if wanted == current or status.get("observedGeneration") == metadata.get("generation"):
        return "", ""
    writes = [entry for entry in metadata.get("managedFields") or [] if not entry.get("subresource")]
    return f"the new run {wanted!r}", max((entry.get("time") or "" for entry in writes), default="")


def finished(job: dict[str, Any]) -> bool | None:
    """Whether the current run succeeded; None if it has not finished or the status is older than the spec."""
    status = job.get("status") or {}
    if status.get("observedGeneration") != job["metadata"].get("generation"):
        return None
    found = {c["type"]: c["status"] for c in status.get("conditions") or []}
    return found.get("Succeeded") == "True" if found.get("Finished") == "True" else None
