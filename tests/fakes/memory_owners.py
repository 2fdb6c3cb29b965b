"""The garbage collector's view of a cluster in memory, and what the garbage collector counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fakes.hooks import Hooks
from fakes.memory_cluster import MemoryCluster
from imagejob_operator.api.imagejob import Key
from imagejob_operator.decision.garbage import Orphans, Owner, read_owner
from imagejob_operator.naming.names import FINALIZER
from imagejob_operator.naming.prefixes import staging_folder

CLUSTER = "00000000-aaaa-4000-8000-000000000001"
OTHER_CLUSTER = "00000000-bbbb-4000-8000-000000000002"
FOLDER = staging_folder("default", CLUSTER)
OTHER_FOLDER = staging_folder("default", OTHER_CLUSTER)
"""Of an installation with the same name in another cluster."""


class MemoryOwners:
    """See the port Owners."""

    def __init__(self, cluster: str = CLUSTER) -> None:
        self.name = cluster
        self.bodies: dict[Key, dict[str, Any]] = {}
        self.hooks = Hooks()

    def put(
        self,
        uid: str,
        *,
        number: int = 1,
        epoch: int = 1,
        phase: str = "Running",
        namespace: str = "shop",
        deleted_at: datetime | None = None,
    ) -> Key:
        key = Key(namespace, f"job-{uid[:8]}")
        metadata: dict[str, Any] = {"uid": uid, "namespace": namespace, "name": key.name}
        if deleted_at:
            metadata["deletionTimestamp"] = deleted_at.isoformat()
        run = {"id": "1", "number": number, "epoch": epoch}
        self.bodies[key] = {"metadata": metadata, "status": {"phase": phase, "run": run}}
        return key

    def drop(self, key: Key) -> None:
        del self.bodies[key]

    async def cluster_uid(self) -> str:
        await self.hooks.before("cluster_uid", "")
        return self.name

    async def uids(self, namespaces: Sequence[str]) -> Mapping[str, Key]:
        await self.hooks.before("uids", "")
        found = {
            body["metadata"]["uid"]: key
            for key, body in self.bodies.items()
            if not namespaces or key.namespace in namespaces
        }
        await self.hooks.after("uids", "")
        return found

    async def get(self, key: Key) -> tuple[str, Owner] | None:
        await self.hooks.before("get", str(key))
        body = self.bodies.get(key)
        return (body["metadata"]["uid"], read_owner(body)) if body else None


class ClusterOwners:
    """The same of the ImageJobs of a whole cluster in memory."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self._cluster = cluster
        self.hooks = Hooks()

    async def cluster_uid(self) -> str:
        await self.hooks.before("cluster_uid", "")
        return CLUSTER

    async def uids(self, namespaces: Sequence[str]) -> Mapping[str, Key]:
        await self.hooks.before("uids", "")
        return {job.uid: job.key for job in self._cluster.jobs()}

    async def get(self, key: Key) -> tuple[str, Owner] | None:
        await self.hooks.before("get", str(key))
        job = self._cluster.job(key)
        if job is None:
            return None
        metadata: dict[str, Any] = {"uid": job.uid, "finalizers": [FINALIZER] if job.guarded else []}
        if job.deleted_at:
            metadata["deletionTimestamp"] = job.deleted_at.isoformat()
        return job.uid, read_owner({"metadata": metadata, "status": job.raw_status})


@dataclass
class GarbageCounts:
    """See the port GarbageTelemetry."""

    name: str = "default"
    deleted_objects: int = 0
    left: list[Orphans] = field(default_factory=list)
    failures: int = 0

    def deleted(self, objects: int) -> None:
        self.deleted_objects += objects

    def sweep_failed(self) -> None:
        self.failures += 1
