"""Attempts as Pods, created directly: a refusal is the response to our own request."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from imagejob_operator.adapters.kubernetes.answers import ApiError, already_deleted, refusal, translate
from imagejob_operator.adapters.kubernetes.container_status import MAX_EVIDENCE
from imagejob_operator.adapters.kubernetes.listing import PAGE, list_objects
from imagejob_operator.adapters.kubernetes.pod_manifest import (
    PodSettings,
    pod_manifest,
    remaining_time,
    secret_manifest,
)
from imagejob_operator.adapters.kubernetes.pod_status import read_attempt
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from imagejob_operator.api.errors import Reason, bounded
from imagejob_operator.api.imagejob import ImageJob, whole_spec
from imagejob_operator.decision.attempt import Attempt, Problem
from imagejob_operator.naming.names import LABEL_INSTALLATION
from imagejob_operator.ports.clock import Clock
from imagejob_operator.ports.launcher import Refused


class PodLauncher:
    """See the port."""

    def __init__(self, http: KubeHTTP, settings: PodSettings, clock: Clock) -> None:
        self._http = http
        self._settings = settings
        self._clock = clock

    async def launch(self, job: ImageJob, shard: int, number: int, ends_by: datetime) -> Attempt:
        """See the port."""
        manifest = self._manifest(job, shard, number, ends_by)
        path = f"/api/v1/namespaces/{job.key.namespace}/pods"
        try:
            # Strict: a misspelt field in podTemplate is refused, not ignored.
            body = await self._http.request("POST", f"{path}?fieldValidation=Strict", manifest)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise _refused(error) from error
            body = await self._get(f"{path}/{manifest['metadata']['name']}")
        seen = read_attempt(body)
        if seen is None or seen[0] != job.identity:
            name = manifest["metadata"]["name"]
            text = (
                f"a Pod named {name} exists and has another owner; delete that Pod, or create the ImageJob "
                "under a different name"
            )
            raise Refused(Problem(Reason.POD_REJECTED, text, certain=True))
        return seen[1]

    async def rehearse(self, job: ImageJob, ends_by: datetime) -> str:
        """See the port; a dry run of the Pod and its Secret, including admission."""
        pod = self._manifest(job, 0, 1, ends_by)
        secret = secret_manifest(job.key.namespace, pod["metadata"]["name"], job.uid, "")
        path = f"/api/v1/namespaces/{job.key.namespace}"
        try:
            await self._http.request("POST", f"{path}/pods?fieldValidation=Strict&dryRun=All", pod)
            await self._http.request("POST", f"{path}/secrets?dryRun=All", secret)
        except ApiError as error:
            if error.status == 400 and "does not support dry run" in error.message:
                return bounded(error.message, MAX_EVIDENCE)
            if error.reason != "AlreadyExists":
                raise _refused(error) from error
        return ""

    def _manifest(self, job: ImageJob, shard: int, number: int, ends_by: datetime) -> dict[str, Any]:
        """The Pod; Refused if its template is not allowed (the settings may have changed during the run)."""
        if why := self._settings.allowed.refusal(whole_spec(job).execution.pod_template):
            raise Refused(Problem(Reason.POD_REJECTED, why, certain=True))
        return pod_manifest(self._settings, job, shard, number, remaining_time(self._clock(), ends_by))

    def present(self, namespaces: Sequence[str]) -> AsyncIterator[dict[str, Any]]:
        """All Pods of this installation, of all namespaces if none is named; ApiError if the list failed."""
        selector = f"{LABEL_INSTALLATION}={self._settings.installation}"
        return list_objects(self._http, "/api/v1", "pods", namespaces, selector)

    async def _get(self, path: str) -> dict[str, object]:
        try:
            return await self._http.request("GET", path)
        except ApiError as error:
            raise _refused(error) from error

    async def deliver(self, attempt: Attempt, namespace: str, order_url: str, ca_bundle: str = "") -> None:
        """See the port; the Pod owns the Secret."""
        manifest = secret_manifest(namespace, attempt.name, attempt.uid, order_url, ca_bundle)
        try:
            await self._http.request("POST", f"/api/v1/namespaces/{namespace}/secrets", manifest)
        except ApiError as error:
            # Another 409 is a quota that changed meanwhile: the Secret was not created.
            if error.reason != "AlreadyExists":
                raise _refused(error) from error

    async def remark(self, attempt: Attempt, namespace: str) -> str:
        """See the port; the newest Event of the Pod, warnings first."""
        place = f"/api/v1/namespaces/{namespace}/events"
        try:
            query = f"fieldSelector=involvedObject.uid%3D{attempt.uid}&limit={PAGE}"
            body = await self._http.request("GET", f"{place}?{query}", only=_Events)
        except ApiError as error:
            return bounded(f"the Events of the Pod cannot be read: {error.message}", MAX_EVIDENCE)
        newest = max(body["items"] or (), key=_rank, default=None)
        return bounded(f"{newest['reason']}: {newest['message']}", MAX_EVIDENCE) if newest else ""

    async def stop(self, attempt: Attempt, namespace: str) -> None:
        """See the port; exactly this Pod, never a later one with its name."""
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {"uid": attempt.uid},
        }
        try:
            await self._http.request("DELETE", f"/api/v1/namespaces/{namespace}/pods/{attempt.name}", options)
        except ApiError as error:
            if not already_deleted(error):
                raise translate(error) from error


def _refused(error: ApiError) -> Refused:
    return Refused(refusal(error), error.retry_after)


class _Created(msgspec.Struct, rename="camel"):
    creation_timestamp: str


class _Event(msgspec.Struct):
    metadata: _Created
    type: str = ""
    reason: str = ""
    message: str = ""
    last: str | None = msgspec.field(default=None, name="lastTimestamp")
    time: str | None = msgspec.field(default=None, name="eventTime")


class _Events(msgspec.Struct):
    """What is used of a list of Events: tenants may write their labels."""

    items: list[_Event] | None = None


def _rank(event: dict[str, Any]) -> tuple[bool, str]:
    """Warnings are greatest, then by time."""
    moments = (event["lastTimestamp"], event["eventTime"], event["metadata"]["creationTimestamp"])
    return event["type"] == "Warning", next(moment for moment in moments if moment)
