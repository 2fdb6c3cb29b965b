"""Two replicas of the operator, and the time of a takeover after a fault of the leader."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kubernetes import client

from demo.stack import NAMESPACE, OPERATOR
from e2e.audit import Write
from e2e.world import Shop, World, process_of, until

LEASE = "imagejob-production"
ON_THE_WAY = 2
"""Writes of a frozen replica that may land late (docs/administrators/limits.md)."""
LONGEST = 60
"""Seconds that anything here may take."""


@dataclass(frozen=True)
class Takeover:
    """Seconds from the fault to the takeover, by the audit log."""

    way: str
    lease: float
    """Until it held the Lease."""
    work: float
    """Until its first write for a job."""
    late: int
    """Writes for jobs by the one before after that one, that took effect."""

    @property
    def took(self) -> float:
        """What is promised: who takes over in good order has no work before a job has something new."""
        return self.lease if self.way == "stopped" else self.work


class Replicas:
    """The operator with two replicas, and their leader."""

    def __init__(self, world: World, shop: Shop) -> None:
        self._world = world
        self._shop = shop
        self._leases = client.CoordinationV1Api(world.api)

    def await_both(self) -> None:
        """Wait until both replicas are ready."""
        self._world.await_operator()
        until("two replicas are ready", lambda: self._ready() == 2, LONGEST)

    def _ready(self) -> int:
        apps = client.AppsV1Api(self._world.api)
        return apps.read_namespaced_deployment(OPERATOR, NAMESPACE).status.ready_replicas or 0

    def holder(self) -> str:
        """The name of the leader's Pod; '' if there is none."""
        return self._leases.read_namespaced_lease(LEASE, NAMESPACE).spec.holder_identity or ""

    def strike(self, way: str) -> Takeover:
        """Inject a fault into the leader, and wait until the other replica works."""
        until("somebody is in charge", self.holder, LONGEST)
        before = self.holder()
        process = process_of(self._world.core.read_namespaced_pod(before, NAMESPACE), "imagejob_operator")
        since, struck = self._world.audit.mark(), datetime.now(UTC)
        match way:
            case "killed":
                os.kill(process, signal.SIGKILL)
                self._delete(before, grace=0)  # else its next life would take the lease again
            case "frozen":
                os.kill(process, signal.SIGSTOP)
            case "stopped":
                self._delete(before, grace=30)
        try:
            lease = self._first(since, before, struck, "leases", NAMESPACE)
            work = self._first(since, before, struck, "", self._shop.name)
        finally:
            if way == "frozen":
                os.kill(process, signal.SIGCONT)
        if way == "frozen":
            # It ends as soon as it goes on. A new Pod: its container would wait longer every time.
            until("the frozen one has ended", lambda: not Path(f"/proc/{process}").exists(), LONGEST)
            self._delete(before, grace=0)
        self.await_both()
        writes = self._world.audit.writes(since, namespace=self._shop.name)
        late = [w for w in writes if w.pod == before and w.received > work and w.code < 300]
        return Takeover(way, _seconds(struck, lease), _seconds(struck, work), len(late))

    def _first(self, since: int, before: str, struck: datetime, resource: str, namespace: str) -> datetime:
        """The time of the first successful write by another replica."""
        found: list[Write] = []

        def look() -> bool:
            writes = self._world.audit.writes(since, namespace=namespace)
            found[:] = [
                w
                for w in writes
                if w.pod not in ("", before) and resource in ("", w.resource) and w.code < 300
            ]
            return bool(found)

        until(f"another replica writes in {namespace}", look, LONGEST)
        return min(w.received for w in found)

    def _delete(self, name: str, grace: int) -> None:
        self._world.core.delete_namespaced_pod(name, NAMESPACE, grace_period_seconds=grace)


def _seconds(begun: datetime, ended: datetime) -> float:
    return round((ended - begun).total_seconds(), 1)
