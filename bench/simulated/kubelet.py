"""The part of a kubelet: which Pods wait for it, and the statuses that it sets."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from imagejob_operator.adapters.kubernetes.answers import ApiError
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from simulated.api import Object
from simulated.nodes import PREFIX

log = logging.getLogger(__name__)

STRATEGIC = "application/strategic-merge-patch+json"


class Kubelet:
    """Sets the status of Pods of one namespace."""

    def __init__(self, http: KubeHTTP, namespace: str) -> None:
        self._http = http
        self.pods = f"/api/v1/namespaces/{namespace}/pods"

    async def set_running(self, pod: Object, started: str) -> None:
        """The container of a Pod runs."""
        await self._set(pod, "Running", started, {"running": {"startedAt": started}})

    async def set_ended(self, pod: Object, started: str, code: int, message: str) -> None:
        """The container of a Pod has ended with an exit code and a termination message."""
        terminated = {
            "exitCode": code,
            "reason": "Error" if code else "Completed",
            "message": message,
            "startedAt": started,
            "finishedAt": now(),
        }
        await self._set(pod, "Failed" if code else "Succeeded", started, {"terminated": terminated})

    async def _set(self, pod: Object, phase: str, started: str, state: Object) -> None:
        """Set a Pod's status as a kubelet does; a Pod that is gone has none."""
        running = "running" in state
        (container,) = pod["spec"]["containers"]
        status = {
            "phase": phase,
            "startTime": started,
            "conditions": [{"type": "Ready", "status": str(running)}],
            "containerStatuses": [
                {
                    "name": container["name"],
                    "image": container["image"],
                    "imageID": "",
                    "ready": running,
                    "started": running,
                    "restartCount": 0,
                    "state": state,
                }
            ],
        }
        # The uid makes it a conflict if the Pod is another one by now.
        body = {"metadata": {"uid": pod["metadata"]["uid"]}, "status": status}
        name = pod["metadata"]["name"]
        try:
            await self._http.request("PATCH", f"{self.pods}/{name}/status", body, STRATEGIC)
        except ApiError as error:
            if error.status not in (404, 409):
                log.warning("the status of Pod %s cannot be set: %s", name, error)


def waits(pod: Object) -> bool:
    """Whether a Pod is bound to a simulated node, and has not been started."""
    bound = pod["spec"].get("nodeName", "").startswith(PREFIX)
    return bool(bound and pod["status"]["phase"] == "Pending")


def now() -> str:
    """The time as a kubelet writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
