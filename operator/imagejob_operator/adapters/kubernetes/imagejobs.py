"""ImageJobs, their Events and their namespaces."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from imagejob_operator.adapters.kubernetes.answers import translated
from imagejob_operator.adapters.kubernetes.session import METADATA_OF_ONE, KubeHTTP
from imagejob_operator.api.errors import bounded
from imagejob_operator.api.imagejob import ImageJob, Key, parse_whole_job, with_metadata
from imagejob_operator.api.status import Status, status_body
from imagejob_operator.decision.action import RecordEvent
from imagejob_operator.naming.names import API_VERSION, FINALIZER, GROUP, KIND, MANAGED_BY, PLURAL, VERSION
from imagejob_operator.ports.clock import Clock
from imagejob_operator.ports.imagejobs import Conflict, Gone, with_spec_of

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
MAX_EVENT_MESSAGE = 1000


class KubeImageJobs:
    """See the port."""

    def __init__(self, http: KubeHTTP, clock: Clock) -> None:
        self._http = http
        self._clock = clock

    async def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        """See the port."""
        with translated():
            body = await self._http.request("GET", f"/api/v1/namespaces/{namespace}")
        labels: Mapping[str, str] = body["metadata"].get("labels", {})
        return labels

    async def whole(self, job: ImageJob) -> ImageJob:
        """See the port."""
        with translated():
            body = await self._http.request("GET", _path(job.key))
        return with_spec_of(job, parse_whole_job(body))

    async def add_finalizer(self, job: ImageJob) -> ImageJob:
        """See the port."""
        # The list itself is not cached: users may have written thousands of names into it.
        path, value = ("/-", FINALIZER) if job.finalizer_count else ("", [FINALIZER])
        return await self._patch_finalizers(job, {"op": "add", "path": path, "value": value})

    async def remove_finalizer(self, job: ImageJob) -> ImageJob | None:
        """See the port."""
        try:
            after = await self._patch_finalizers(job, {"op": "remove", "path": f"/{job.finalizer_at}"})
        except Gone:
            return None
        return None if job.deleted_at and job.finalizer_count == 1 else after

    async def _patch_finalizers(self, job: ImageJob, change: dict[str, Any]) -> ImageJob:
        # The position is that of this version only.
        patch = [
            {"op": "test", "path": "/metadata/resourceVersion", "value": job.resource_version},
            {**change, "path": f"/metadata/finalizers{change['path']}"},
        ]
        with translated(json_patch=True):
            answer = await self._http.request("PATCH", _path(job.key), patch, JSON_PATCH, METADATA_OF_ONE)
        return with_metadata(job, answer["metadata"])

    async def write_status(self, job: ImageJob, status: Status) -> ImageJob:
        """See the port."""
        path = f"{_path(job.key)}/status"
        body = status_body(status)
        patch = {
            "metadata": {"resourceVersion": job.resource_version, "uid": job.uid},
            "status": difference(job.raw_status, body),
        }
        with translated():
            # The object may have a megabyte, and nothing but its version is new.
            answer = await self._http.request("PATCH", path, patch, MERGE_PATCH, METADATA_OF_ONE)
        return replace(with_metadata(job, answer["metadata"]), status=status, raw_status=body)

    async def record_event(self, job: ImageJob, event: RecordEvent) -> None:
        """See the port; the name is derived from run and reason, so a second create conflicts."""
        now = self._clock().isoformat(timespec="seconds").replace("+00:00", "Z")
        # A step and an end may have the same reason.
        place = f"{job.uid}/{event.run}/{'step/' if event.step else ''}{event.reason}"
        name = f"{job.key.name}.{hashlib.sha256(place.encode()).hexdigest()[:16]}"
        events = f"/api/v1/namespaces/{job.key.namespace}/events"
        message = bounded(event.message, MAX_EVENT_MESSAGE)
        if event.step > 1:
            again = {"count": event.step, "lastTimestamp": now, "message": message}
            with suppress(Gone), translated():
                await self._http.request("PATCH", f"{events}/{name}", again, MERGE_PATCH)
            return
        body = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": name, "namespace": job.key.namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "namespace": job.key.namespace,
                "name": job.key.name,
                "uid": job.uid,
                "resourceVersion": job.resource_version,
            },
            "type": "Warning" if event.warning else "Normal",
            "reason": event.reason,
            "message": message,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
            "reportingComponent": MANAGED_BY,
            "source": {"component": MANAGED_BY},
        }
        # It exists, or its namespace does not.
        with suppress(Conflict, Gone), translated():
            await self._http.request("POST", events, body)

    async def delete(self, job: ImageJob) -> None:
        """See the port."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": job.uid, "resourceVersion": job.resource_version},
        }
        with translated():
            await self._http.request("DELETE", _path(job.key), options)


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch (RFC 7396) from `old` to `new`."""
    patch: dict[str, Any] = {name: None for name in old if name not in new}
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            inner = difference(before, value)
            if inner:
                patch[name] = inner
        elif before != value:
            patch[name] = value
    return patch


def _path(key: Key) -> str:
    return f"/apis/{GROUP}/{VERSION}/namespaces/{key.namespace}/{PLURAL}/{key.name}"
