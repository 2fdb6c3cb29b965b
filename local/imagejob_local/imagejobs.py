"""The one ImageJob of a run, in memory: see the port Jobs."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from imagejob_operator.api.imagejob import ImageJob, parse_job, parse_whole_job
from imagejob_operator.api.status import Status, status_body
from imagejob_operator.decision.action import RecordEvent
from imagejob_operator.naming.names import FINALIZER
from imagejob_operator.ports.clock import Clock
from imagejob_operator.ports.imagejobs import Conflict, Gone, with_spec_of


class OneImageJob:
    """An ImageJob as an API server keeps it: each write needs the newest version and makes another one."""

    def __init__(self, manifest: Mapping[str, Any], clock: Clock) -> None:
        metadata = manifest["metadata"]
        self._body: dict[str, Any] = {
            **manifest,
            "metadata": {
                "name": metadata["name"],
                "namespace": metadata["namespace"],
                "uid": str(uuid.uuid4()),
                "generation": 1,
                "resourceVersion": "1",
                "creationTimestamp": clock().isoformat(),
                "finalizers": [],
            },
            "status": {"observedGeneration": -1},
        }
        self.changed: Callable[[ImageJob], None] = lambda job: None
        """Called with the job after each change."""

    @property
    def current(self) -> ImageJob:
        """The job as it is now."""
        return parse_job(self._copy())

    def cancel(self) -> None:
        """Cancel the run, as a user does by spec.cancelRunID."""
        spec = self._body["spec"]
        spec["cancelRunID"] = spec.get("run", {}).get("id", "1")
        self._body["metadata"]["generation"] += 1
        self._write()

    async def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        """See the port."""
        return {}

    async def whole(self, job: ImageJob) -> ImageJob:
        """See the port."""
        return with_spec_of(job, parse_whole_job(self._copy()))

    async def add_finalizer(self, job: ImageJob) -> ImageJob:
        """See the port."""
        self._expect(job)
        self._body["metadata"]["finalizers"] = [FINALIZER]
        return self._write()

    async def remove_finalizer(self, job: ImageJob) -> ImageJob | None:
        """See the port."""
        self._expect(job)
        self._body["metadata"]["finalizers"] = []
        return self._write()

    async def write_status(self, job: ImageJob, status: Status) -> ImageJob:
        """See the port."""
        self._expect(job)
        self._body["status"] = status_body(status)
        return self._write()

    async def record_event(self, job: ImageJob, event: RecordEvent) -> None:
        """Do nothing: the lines on the terminal show the same."""

    async def delete(self, job: ImageJob) -> None:
        """Refuse: the retention of the ImageJob is longer than its run."""
        raise Gone(f"{job.key} is not deleted while it runs")

    def _expect(self, job: ImageJob) -> None:
        if self._body["metadata"]["resourceVersion"] != job.resource_version:
            raise Conflict(f"{job.key} has changed")

    def _write(self) -> ImageJob:
        metadata = self._body["metadata"]
        metadata["resourceVersion"] = str(int(metadata["resourceVersion"]) + 1)
        job = self.current
        self.changed(job)
        return job

    def _copy(self) -> dict[str, Any]:
        copied: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self._body))
        return copied
