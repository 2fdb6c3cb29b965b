"""What a sync by Flux may do to an ImageJob, and what a prune must leave; pure, to plant faults."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from e2e.audit import Write
from e2e.world import Job, ended

MANAGER = "kustomize-controller"
FINALIZER = "imagejob.dev/staging"
PRODUCT = ("f:status", "f:finalizers")
"""What the operator writes, as `managedFields` names it."""

Object = dict[str, Any]


def readiness(kustomization: Object) -> tuple[str, str]:
    """Status and reason of the condition Ready; ('Unknown', '') if it is about an earlier generation."""
    for found in kustomization.get("status", {}).get("conditions", []):
        if (
            found["type"] == "Ready"
            and found["observedGeneration"] == kustomization["metadata"]["generation"]
        ):
            return found["status"], found["reason"]
    return "Unknown", ""


def message(kustomization: Object) -> str:
    """What the condition Ready says."""
    conditions = kustomization.get("status", {}).get("conditions", [])
    return next((str(c["message"]) for c in conditions if c["type"] == "Ready"), "")


def answered(kustomization: Object, request: str) -> bool:
    """Whether a sync that was asked for has ended; after a failure, Flux waits to try again."""
    status = kustomization.get("status", {})
    doing = [c["reason"] for c in status.get("conditions", []) if c["type"] == "Reconciling"]
    return status.get("lastHandledReconcileAt") == request and doing in ([], ["ProgressingWithRetry"])


def waited(job: Job) -> float:
    """Seconds from the creation of a job until its run was started."""
    begun = datetime.fromisoformat(job["status"]["run"]["startedAt"])
    return (begun - datetime.fromisoformat(job["metadata"]["creationTimestamp"])).total_seconds()


def changes(before: Job, after: Job) -> list[str]:
    """What is another than before, of what a sync of an equal manifest must keep."""
    found = [
        f"metadata.{name}: {before['metadata'].get(name)}, then {after['metadata'].get(name)}"
        for name in ("uid", "generation", "finalizers", "resourceVersion")
        if before["metadata"].get(name) != after["metadata"].get(name)
    ]
    return found + [
        f"{name} has changed" for name in ("spec", "status") if before.get(name) != after.get(name)
    ]


def reverted(job: Job) -> list[str]:
    """What Flux took from the operator, or from the schema, of an ImageJob that it has applied.

    The operator itself removes its finalizer when a run has ended and is cleaned.
    """
    metadata, found = job["metadata"], []
    if not ended(job) and FINALIZER not in metadata.get("finalizers", []):
        found.append(f"the finalizer {FINALIZER} is gone")
    owned = [entry for entry in metadata["managedFields"] if entry["manager"] == MANAGER]
    if not owned:
        found.append(f"{MANAGER} applied nothing")
    taken = {name for entry in owned for name in PRODUCT if name in str(entry["fieldsV1"])}
    found += [f"{MANAGER} owns {name}" for name in sorted(taken)]
    if metadata["generation"] != 1:
        found.append(f"metadata.generation is {metadata['generation']}: its spec was changed")
    return found + [
        f"spec.{name} lost its default" for name in ("limits", "execution") if name not in job["spec"]
    ]


def applied_again(writes: list[Write]) -> list[str]:
    """Writes of Flux to ImageJobs after the first, which only a difference explains."""
    return [str(write) for write in writes if write.resource == "imagejobs"][1:]


def left(job: Job | None, traces: list[str], kustomization: Object) -> list[str]:
    """What a prune has left: the ImageJob, Pods, Secrets, staging objects, and its entry in the inventory."""
    found = list(traces)
    if job is not None:
        held = job["metadata"].get("finalizers", [])
        asked = "deleted" if job["metadata"].get("deletionTimestamp") else "not deleted"
        found.insert(0, f"the ImageJob exists: {asked}, finalizers {held}")
    entries = kustomization.get("status", {}).get("inventory", {}).get("entries", [])
    return found + [f"inventory entry {entry['id']}" for entry in entries if "_ImageJob" in entry["id"]]
