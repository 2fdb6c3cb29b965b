"""The objects that a load creates, and how their ends are recognized."""

from __future__ import annotations

import enum
from typing import Any

from imagejob_operator.naming.names import API_VERSION, GROUP, KIND, PLURAL, VERSION
from simulated.api import Object
from simulated.nodes import PLACEMENT
from simulated.plain import LABEL

SOURCE = "photos/one.png"
SHARDS = "shards"
"""Folder of the sources of the ImageJob with many shards."""
MOST_SHARDS = 1000
MOST_PODS = 100
"""The limits of the API for one ImageJob; the Job with many Pods has the same parallelism."""
IMAGE = "registry.k8s.io/pause:3.10"


class Kind(enum.StrEnum):
    """What is created."""

    IMAGE_JOB = "ImageJob"
    JOB = "Job"
    POD = "Pod"

    def path(self, namespace: str) -> str:
        """The path of its collection in the API."""
        group = {Kind.IMAGE_JOB: f"apis/{GROUP}/{VERSION}", Kind.JOB: "apis/batch/v1", Kind.POD: "api/v1"}
        plural = {Kind.IMAGE_JOB: PLURAL, Kind.JOB: "jobs", Kind.POD: "pods"}
        return f"/{group[self]}/namespaces/{namespace}/{plural[self]}"

    def manifest(self, name: str, pods: int) -> Object:
        """An object that is worth so many Pods."""
        if self is Kind.IMAGE_JOB:
            return _image_job(name, pods)
        if self is Kind.JOB:
            return _job(name, pods)
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, **_LABELS}, "spec": _POD}

    def outcome(self, found: Object) -> str:
        """How an object has ended: Succeeded or another phase; '' while it has not ended."""
        status = found.get("status", {})
        if self is Kind.POD:
            phase = status.get("phase", "")
            return phase if phase in ("Succeeded", "Failed") else ""
        reached = {c["type"] for c in status.get("conditions", ()) if c["status"] == "True"}
        if self is Kind.IMAGE_JOB:
            return str(status["phase"]) if "Finished" in reached else ""
        return "Succeeded" if "Complete" in reached else "Failed" if "Failed" in reached else ""


_LABELS = {"labels": {LABEL: "yes"}}
_POD: Object = {
    **PLACEMENT,
    "restartPolicy": "Never",
    "automountServiceAccountToken": False,
    "securityContext": {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "seccompProfile": {"type": "RuntimeDefault"},
    },
    "containers": [
        {
            "name": "main",
            "image": IMAGE,
            "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
    ],
}


def _job(name: str, pods: int) -> Object:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {
            "completions": pods,
            "parallelism": min(pods, MOST_PODS),
            "completionMode": "Indexed",
            "template": {"metadata": _LABELS, "spec": _POD},
        },
    }


def image_job(name: str, source: Object, **spec: Any) -> Object:
    """An ImageJob with one small rendition, unless the spec says otherwise."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name},
        "spec": {
            "source": source,
            "renditions": [
                {"name": "thumb", "steps": [{"resize": {"width": 64}}], "output": {"format": "PNG"}}
            ],
            "destination": {"prefix": f"out/{name}/"},
            **spec,
        },
    }


def _image_job(name: str, pods: int) -> Object:
    source: Object = {"match": {"prefix": f"{SHARDS}/"}} if pods > 1 else {"keys": [SOURCE]}
    shape = {"itemsPerPod": 1, "parallelism": min(pods, MOST_PODS)}
    return image_job(name, source, execution={**shape, "podTemplate": PLACEMENT})
