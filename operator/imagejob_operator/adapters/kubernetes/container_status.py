"""The containers of a Pod: the processor, and those that admission webhooks inject.

Only the processor decides how an attempt ends. The others can keep it from starting, and then they are named.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from imagejob_operator.adapters.kubernetes.pod_manifest import CONTAINER
from imagejob_operator.api.errors import Reason, bounded
from imagejob_operator.decision.attempt import Problem

MAX_EVIDENCE = 300

_WAITING: dict[str, tuple[Reason, bool]] = {
    # the kubelet's reason: (our reason, whether it is permanent)
    "InvalidImageName": (Reason.INVALID_IMAGE_NAME, True),
    "ErrImagePull": (Reason.IMAGE_PULL_FAILED, False),
    "ImagePullBackOff": (Reason.IMAGE_PULL_FAILED, False),
    "ErrImageNeverPull": (Reason.IMAGE_PULL_FAILED, False),
    "ImageInspectError": (Reason.IMAGE_PULL_FAILED, False),
    "RegistryUnavailable": (Reason.IMAGE_PULL_FAILED, False),
    "CreateContainerConfigError": (Reason.CONFIG_ERROR, False),
    "CreateContainerError": (Reason.CONFIG_ERROR, False),
    "RunContainerError": (Reason.CONFIG_ERROR, False),
    "CrashLoopBackOff": (Reason.CONFIG_ERROR, False),
}


def processor_state(pod: dict[str, Any], kind: str) -> dict[str, Any]:
    """One state (waiting, running or terminated) of the processor; empty if it is not in it."""
    status = next((one for one in _statuses(pod, "containerStatuses") if one.get("name") == CONTAINER), {})
    return _state(status, kind)


def memory_limit(pod: dict[str, Any]) -> str:
    """The memory limit of the processor."""
    containers: list[dict[str, Any]] = (pod.get("spec") or {}).get("containers") or []
    processor = next((one for one in containers if one.get("name") == CONTAINER), {})
    limit: str = processor.get("resources", {}).get("limits", {}).get("memory", "unknown")
    return limit


def start_problem(pod: dict[str, Any]) -> Problem | None:
    """Why a container does not start, the processor's reason first; None if there is no known reason."""
    every = [*_statuses(pod, "containerStatuses"), *_statuses(pod, "initContainerStatuses")]
    for status in sorted(every, key=lambda one: one.get("name") != CONTAINER):
        waiting = _state(status, "waiting")
        reason = waiting.get("reason", "")
        if reason in _WAITING:
            ours, certain = _WAITING[reason]
            text = waiting.get("message") or reason
            if status.get("name") != CONTAINER:
                text = f"container {status.get('name')}{_restarts(status)}: {text}"
            return Problem(ours, bounded(text, MAX_EVIDENCE), certain)
    return None


def blocking_problem(pod: dict[str, Any]) -> Problem | None:
    """The init container that the processor waits for; None if it waits for none."""
    for status in _statuses(pod, "initContainerStatuses"):
        name, restarts = status.get("name"), _restarts(status)
        if _is_sidecar(pod, status):
            if not status.get("started"):
                text = f"the processor waits for sidecar {name}{restarts}, which is not ready"
                reason = Reason.CONFIG_ERROR if restarts else Reason.START_DEADLINE_EXCEEDED
                return Problem(reason, bounded(text, MAX_EVIDENCE))
        elif _state(status, "running"):
            text = f"the processor waits for init container {name}, which has not ended"
            return Problem(Reason.START_DEADLINE_EXCEEDED, bounded(text, MAX_EVIDENCE))
    return None


def init_failure(pod: dict[str, Any]) -> Problem | None:
    """The init container that failed, so that the processor never ran."""
    for status in _statuses(pod, "initContainerStatuses"):
        terminated = _state(status, "terminated")
        if terminated.get("exitCode", 0) != 0 and not _is_sidecar(pod, status):
            why = terminated.get("message") or terminated.get("reason") or ""
            text = (
                f"init container {status.get('name')} of {pod['metadata']['name']}, which the operator did "
                f"not add, ended with exit code {terminated['exitCode']}: {why}"
            )
            return Problem(Reason.CONFIG_ERROR, bounded(text, MAX_EVIDENCE))
    return None


def _statuses(pod: dict[str, Any], field: str) -> Iterator[dict[str, Any]]:
    yield from (pod.get("status") or {}).get(field) or ()


def _state(status: dict[str, Any], kind: str) -> dict[str, Any]:
    found: dict[str, Any] = (status.get("state") or {}).get(kind) or {}
    return found


def _is_sidecar(pod: dict[str, Any], status: dict[str, Any]) -> bool:
    """Whether an init container is a native sidecar, which runs until the other containers have ended."""
    containers = (pod.get("spec") or {}).get("initContainers") or ()
    return any(
        one.get("name") == status.get("name") and one.get("restartPolicy") == "Always" for one in containers
    )


def _restarts(status: dict[str, Any]) -> str:
    count = status.get("restartCount", 0)
    if not count:
        return ""
    code = ((status.get("lastState") or {}).get("terminated") or {}).get("exitCode")
    return f" (restarted {count} times, last exit code {code})"
