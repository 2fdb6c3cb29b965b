"""One cgroup per cluster, in every hierarchy: what is in it is ours to end.

Membership is inherited and cannot be forged by a recycled process number, so
it finds container processes and shims whose parent was killed. Below the
cluster's cgroup, ``system`` holds the components and ``kubepods`` the Pods.
"""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from localcluster.waiting import wait_for

MOUNTED = Path("/sys/fs/cgroup")
SYSTEM = "system"
WANTED = ("cpu", "cpuset", "memory", "pids", "io", "hugetlb")
SHARES = 2048
"""CPU shares of the components, as many as the Pods of a machine with two CPUs have.

On other clusters the control plane has machines of its own. Here, Pods that compute would leave it a third of
the CPU time with the usual shares; with many more, a busy API server would starve the operator.
"""


@dataclass(frozen=True)
class ClusterCgroup:
    """The cgroup of one cluster (version 1, hybrid or version 2)."""

    name: str
    mounted: Path = MOUNTED

    @property
    def path(self) -> str:
        """The kubelet's ``cgroupRoot``."""
        return f"/{self.name}"

    def _unified(self) -> bool:
        return (self.mounted / "cgroup.controllers").exists()

    def _hierarchies(self) -> list[Path]:
        if self._unified():
            return [self.mounted]
        found: dict[Path, Path] = {}
        for folder in sorted(self.mounted.iterdir()):
            # "cpu,cpuacct" is mounted once and linked twice.
            if folder.is_dir() and (folder / "cgroup.procs").exists():
                found.setdefault(folder.resolve(), folder.resolve())
        return list(found)

    def _folders(self) -> list[Path]:
        return [h / self.name for h in self._hierarchies() if (h / self.name).is_dir()]

    def exists(self) -> bool:
        """Whether any hierarchy has the cgroup."""
        return bool(self._folders())

    def create(self) -> None:
        """Create the cgroup in every hierarchy."""
        for hierarchy in self._hierarchies():
            group = hierarchy / self.name
            (group / SYSTEM).mkdir(parents=True, exist_ok=True)
            if self._unified():
                for parent in (hierarchy, group):
                    _enable_controllers(parent)
            elif (hierarchy / "cpuset.cpus").exists():
                for child in (group, group / SYSTEM):
                    for setting in ("cpuset.cpus", "cpuset.mems"):
                        (child / setting).write_text((child.parent / setting).read_text())
            _prefer(group / SYSTEM)

    def entrances(self) -> list[Path]:
        """Return the files that take the number of a process to be ours."""
        return [folder / SYSTEM / "cgroup.procs" for folder in self._folders()]

    def members(self) -> set[int]:
        """Return every process of the cluster, Pods included."""
        found: set[int] = set()
        for folder in self._folders():
            for procs in folder.rglob("cgroup.procs"):
                try:
                    found.update(int(line) for line in procs.read_text().split())
                except (OSError, ValueError):
                    continue  # the group went away while we read
        return found - {0}

    def kill(self) -> int:
        """Kill every process of the cluster; returns how many there were."""
        ended: set[int] = set()

        def remaining() -> str | None:
            alive = self.members()
            for pid in alive:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
            ended.update(alive)
            return f"{len(alive)} processes remain: {sorted(alive)[:5]}" if alive else None

        wait_for(f"end of the processes in cgroup {self.name}", remaining, 30)
        return len(ended)

    def remove(self) -> None:
        """Remove the cgroup from every hierarchy."""

        def remaining() -> str | None:
            for folder in self._folders():
                below = (Path(path) for path, _, _ in os.walk(folder, topdown=False))
                for group in below:
                    try:
                        group.rmdir()
                    except FileNotFoundError:
                        continue
                    except OSError as error:
                        return f"{group}: {error.strerror}"
            return None

        wait_for(f"removal of cgroup {self.name}", remaining, 20)


def of_cluster(name: str) -> ClusterCgroup:
    """Return the cgroup of the cluster of that name."""
    return ClusterCgroup(f"imagejob-{name}")


def _prefer(group: Path) -> None:
    """Let the components have as much CPU time as the Pods."""
    if (group / "cpu.shares").exists():
        (group / "cpu.shares").write_text(str(SHARES))
    elif (group / "cpu.weight").exists():
        # The kubelet's conversion from shares, which are 2 to 262144, to weights, which are 1 to 10000.
        (group / "cpu.weight").write_text(str(1 + (SHARES - 2) * 9999 // 262142))


def _enable_controllers(group: Path) -> None:
    available = (group / "cgroup.controllers").read_text().split()
    for controller in WANTED:
        if controller in available:
            (group / "cgroup.subtree_control").write_text(f"+{controller}")
