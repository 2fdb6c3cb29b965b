"""Where a part runs: a new cluster with the shipped operator, and what is known of its processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from demo.kubectl import Kubectl
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from localcluster.errors import ClusterError
from localcluster.native import NativeCluster
from localcluster.providers import cluster as find_cluster
from scale.drive import LoadFailed
from scale.meters import cpu_seconds, find_programs, resident_bytes
from simulated.actor import Actor
from simulated.api import connect
from simulated.installation import stacked

MIB = 2**20
NODES = 8
"""Simulated nodes: each takes 250 Pods."""
RESET_PEAK = "5"
"""What the kernel takes in `clear_refs` to forget the peak of a process's memory."""


@dataclass(frozen=True)
class Place:
    """A cluster that no other part has used."""

    cluster: str
    kubectl: Kubectl


@contextmanager
def new_place(cluster: str) -> Iterator[Place]:
    """A new cluster with the shipped operator; it is removed with the block.

    Raises:
        ClusterError: A cluster with this name is up, or it would not be one of processes of this machine.
    """
    found = find_cluster(cluster)
    if not isinstance(found, NativeCluster):
        raise ClusterError("only the native provider has processes whose memory can be measured")
    if found.status().healthy:
        raise ClusterError(
            f"cluster {cluster} is up, and a part needs a new one: remove it with "
            f"`python -m localcluster down --name {cluster}`, or choose another name with --cluster"
        )
    with stacked(cluster) as kubectl:
        yield Place(cluster, kubectl)


@asynccontextmanager
async def connected(place: Place, *namespaces: str) -> AsyncIterator[KubeHTTP]:
    """A session with the API server; during the block, the Pods of these namespaces are played."""
    async with connect(place.kubectl.kubeconfig) as http:
        try:
            async with asyncio.TaskGroup() as group:
                actors = [group.create_task(Actor(http, name).run()) for name in namespaces]
                # The Pods have a limit of active requests of their own.
                yield KubeHTTP(http.server, http.session)
                for actor in actors:
                    actor.cancel()
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None


class Program:
    """One process of the operator or the store."""

    def __init__(self, place: Place, name: str = "operator") -> None:
        """Find it; waits for it, as after a restart."""
        self._name = name
        self._pid = find_programs(place.cluster)[name]

    def cpu_seconds(self) -> float:
        """User and system time so far.

        Raises:
            LoadFailed: The process has ended.
        """
        try:
            return cpu_seconds(self._pid)
        except OSError as error:
            raise LoadFailed(f"the process of the {self._name} has ended: {error}") from error

    def resident_bytes(self) -> int:
        """The memory that is in RAM now."""
        return resident_bytes(self._pid)

    def forget_peak(self) -> None:
        """Let the peak begin with what is in RAM now."""
        Path(f"/proc/{self._pid}/clear_refs").write_text(RESET_PEAK)

    def peak_bytes(self) -> int:
        """The most memory in RAM since the start, or since the peak was forgotten."""
        status = Path(f"/proc/{self._pid}/status").read_text()
        (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024


async def find_program(place: Place, name: str = "operator") -> Program:
    """The process of a program, once there is exactly one of it."""
    return await asyncio.to_thread(Program, place, name)
