"""The clusters that the checks run on: the fake one, and a real API server."""

from __future__ import annotations

import base64
from typing import Any

from contract.cluster_checks import STRANGER, tomorrow
from fakes.build import SPEC
from fakes.clock import ManualClock
from fakes.memory_cluster import MemoryCluster
from fakes.memory_store import MemoryStore
from imagejob_operator.adapters.kubernetes.answers import ApiError
from imagejob_operator.adapters.kubernetes.imagejobs import KubeImageJobs
from imagejob_operator.adapters.kubernetes.pod_manifest import PodSettings
from imagejob_operator.adapters.kubernetes.pods import PodLauncher
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.imagejob import ImageJob, Key, attempt_name, parse_job
from imagejob_operator.api.status import RunPlace
from imagejob_operator.decision.attempt import Attempt, Problem
from imagejob_operator.naming.names import API_VERSION, FINALIZER, GROUP, KIND, LABEL_JOB, PLURAL, VERSION

MERGE = "application/merge-patch+json"


class MemoryBench:
    """The fake."""

    patience = 0.2

    def __init__(self, kind: type[MemoryCluster] = MemoryCluster) -> None:
        clock = ManualClock()
        self.cluster = kind(clock, MemoryStore(clock))
        self.cluster.namespaces["shop"] = {"kubernetes.io/metadata.name": "shop"}
        self.jobs = self.launcher = self.cluster
        self.ends_by = clock()

    async def create(self, name: str) -> ImageJob:
        return self.cluster.create(name, SPEC)

    async def look(self, key: Key) -> ImageJob | None:
        return self.cluster.job(key)

    async def touch(self, job: ImageJob) -> ImageJob:
        return self.cluster.touch(job.key)

    async def add_stranger(self, job: ImageJob) -> ImageJob:
        return self.cluster.add_stranger(job.key, STRANGER)

    async def user_deletes(self, job: ImageJob) -> None:
        self.cluster.user_deletes(job.key)

    async def events(self, job: ImageJob) -> list[tuple[str, str]]:
        found = [event for (uid, _, _), event in self.cluster.events.items() if uid == job.uid]
        steps = {(e.run, e.reason): e for uid, e in self.cluster.steps if uid == job.uid}
        found += steps.values()
        return [("Warning" if event.warning else "Normal", event.reason) for event in found]

    async def attempts(self, job: ImageJob) -> dict[str, str]:
        return {attempt.name: attempt.uid for uid, attempt in self.cluster.attempts() if uid == job.uid}

    async def occupy(self, job: ImageJob, shard: int, number: int) -> None:
        self.cluster.occupy(job, shard, number)

    async def allow_no_pods(self) -> None:
        self.cluster.refusals[0] = Problem(Reason.QUOTA_EXCEEDED, "exceeded quota: pods")

    async def forbid_our_pods(self) -> None:
        self.cluster.refusals[0] = Problem(Reason.POD_REJECTED, "forbidden", certain=True)

    async def say(self, attempt: Attempt, warning: bool, reason: str, message: str) -> None:
        if warning:
            self.cluster.remarks[attempt.name] = f"{reason}: {message}"

    async def orders(self, job: ImageJob) -> dict[str, str]:
        return self.cluster.orders(job.uid)


class ServerBench:
    """A real API server, in a namespace of its own."""

    patience = 60.0

    def __init__(self, http: KubeHTTP, namespace: str) -> None:
        self._http = http
        self._namespace = namespace
        self._core = f"/api/v1/namespaces/{namespace}"
        self.jobs = KubeImageJobs(http, tomorrow)
        self.launcher = PodLauncher(http, PodSettings("contract", "registry.test/processor:1"), tomorrow)
        self.ends_by = tomorrow()

    def _path(self, name: str = "") -> str:
        return f"/apis/{GROUP}/{VERSION}/namespaces/{self._namespace}/{PLURAL}/{name}".rstrip("/")

    async def create(self, name: str) -> ImageJob:
        metadata = {"name": name, "namespace": self._namespace}
        body = {"apiVersion": API_VERSION, "kind": KIND, "metadata": metadata, "spec": SPEC}
        return parse_job(await self._http.request("POST", self._path(), body))

    async def look(self, key: Key) -> ImageJob | None:
        try:
            return parse_job(await self._http.request("GET", self._path(key.name)))
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    async def touch(self, job: ImageJob) -> ImageJob:
        patch = {"metadata": {"labels": {"touched": job.resource_version}}}
        return parse_job(await self._http.request("PATCH", self._path(job.key.name), patch, MERGE))

    async def add_stranger(self, job: ImageJob) -> ImageJob:
        patch = {"metadata": {"finalizers": [*[FINALIZER] * job.guarded, STRANGER]}}
        return parse_job(await self._http.request("PATCH", self._path(job.key.name), patch, MERGE))

    async def user_deletes(self, job: ImageJob) -> None:
        await self._http.request("DELETE", self._path(job.key.name))

    async def _list(self, kind: str, selector: str = "") -> list[dict[str, Any]]:
        query = f"?labelSelector={selector}" if selector else ""
        items: list[dict[str, Any]] = (await self._http.request("GET", f"{self._core}/{kind}{query}"))[
            "items"
        ]
        return items

    async def events(self, job: ImageJob) -> list[tuple[str, str]]:
        found = await self._list("events")
        return [(e["type"], e["reason"]) for e in found if e["involvedObject"]["uid"] == job.uid]

    async def attempts(self, job: ImageJob) -> dict[str, str]:
        pods = await self._list("pods", f"{LABEL_JOB}={job.key.name}")
        return {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in pods}

    async def occupy(self, job: ImageJob, shard: int, number: int) -> None:
        # Whatever the Pod Security standard of the namespace says of ours, this one is admitted.
        secure = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        bounded = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
        container = {"name": "x", "image": "registry.test/other:1", "securityContext": bounded}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": attempt_name(job.key, job.uid, RunPlace(1, 1), shard, number)},
            "spec": {"securityContext": secure, "containers": [container]},
        }
        await self._http.request("POST", f"{self._core}/pods", pod)

    async def allow_no_pods(self) -> None:
        hard = {"pods": "0"}
        metadata = {"name": "no-pods"}
        quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": metadata, "spec": {"hard": hard}}
        await self._http.request("POST", f"{self._core}/resourcequotas", quota)
        # As the quota controller would: admission counts by the status.
        patch = {"status": {"hard": hard, "used": {"pods": "0"}}}
        await self._http.request("PATCH", f"{self._core}/resourcequotas/no-pods/status", patch, MERGE)

    async def forbid_our_pods(self) -> None:
        limits = [{"type": "Container", "max": {"memory": "16Mi"}}]
        metadata = {"name": "small"}
        body = {"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": {"limits": limits}}
        await self._http.request("POST", f"{self._core}/limitranges", body)

    async def say(self, attempt: Attempt, warning: bool, reason: str, message: str) -> None:
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"generateName": "contract-"},
            "involvedObject": {
                "kind": "Pod",
                "name": attempt.name,
                "namespace": self._namespace,
                "uid": attempt.uid,
            },
            "type": "Warning" if warning else "Normal",
            "reason": reason,
            "message": message,
            "lastTimestamp": f"{tomorrow():%Y-%m-%dT%H:%M:%SZ}",
        }
        await self._http.request("POST", f"{self._core}/events", event)

    async def orders(self, job: ImageJob) -> dict[str, str]:
        found: dict[str, str] = {}
        for name in await self.attempts(job):
            secret = await self._http.request("GET", f"{self._core}/secrets/{name}")
            found[name] = base64.b64decode(secret["data"]["order-url"]).decode()
            assert secret["immutable"]
            assert secret["metadata"]["ownerReferences"][0]["kind"] == "Pod"
        return found
