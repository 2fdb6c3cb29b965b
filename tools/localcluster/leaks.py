"""What a cluster could leave behind on the machine.

A test compares a snapshot before with one after. Other clusters on the machine
are excluded, because they change.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from localcluster import cgroups
from localcluster.binaries import CLUSTER_MODULES
from localcluster.commands import run
from localcluster.mounts import mount_points
from localcluster.namespaces import PRIVATE_FOLDERS
from localcluster.paths import cache_root, clusters_root
from localcluster.processes import start_time

NOT_OURS = {"/run/mount"}
"""What mount(8) keeps for itself, from its first use on a machine."""
CGROUP_SIGNS = ("imagejob-", "kubepods", "containerd", "runc", "buildah")
"""Parts of the names of cgroups that a cluster or its tools create. Others belong to other programs."""
WATCHED_FOLDERS = ("/run", "/run/netns", "/run/containerd", "/var/lib", "/var/lib/cni", "/var/log")


@dataclass(frozen=True)
class Snapshot:
    """All traces found, by kind."""

    traces: dict[str, frozenset[str]]

    def difference(self, later: "Snapshot") -> list[str]:
        """Return what was added (+) and removed (-); empty if equal."""
        lines = []
        for kind in sorted(self.traces):
            before, after = self.traces[kind], later.traces[kind]
            lines += [f"+ {kind}: {trace}" for trace in sorted(after - before)]
            lines += [f"- {kind}: {trace}" for trace in sorted(before - after)]
        return lines


@dataclass(frozen=True)
class Beside:
    """The clusters to exclude."""

    names: frozenset[str]
    devices: frozenset[str]

    def owns_path(self, path: str) -> bool:
        """Whether a path or cgroup belongs to one of them."""
        parts = path.split("/")
        return any(
            f"imagejob-{name}" in parts or f"{clusters_root()}/{name}/" in f"{path}/" for name in self.names
        )


def take(beside: Iterable[str] = (), devices: Iterable[str] = ()) -> Snapshot:
    """Take a snapshot of the machine.

    Args:
        beside: names of clusters to exclude.
        devices: their network devices on this machine.
    """
    others = Beside(frozenset(beside), frozenset(devices))
    kinds: dict[str, Callable[[Beside], Iterable[str]]] = {
        "mount": _mounts,
        "cgroup": _cgroups,
        "network device": _devices,
        "route": _routes,
        "network namespace": _network_namespaces,
        "process": _processes,
        "file": _files,
    }
    return Snapshot({kind: frozenset(look(others)) for kind, look in kinds.items()})


def _mounts(others: Beside) -> Iterable[str]:
    return (str(point) for point in mount_points() if not others.owns_path(str(point)))


def _cgroups(others: Beside) -> Iterable[str]:
    folders = (folder for folder, _, _ in os.walk(cgroups.MOUNTED))
    ours = (folder for folder in folders if any(sign in folder for sign in CGROUP_SIGNS))
    return (folder for folder in ours if not others.owns_path(folder))


def _devices(others: Beside) -> Iterable[str]:
    return set(os.listdir("/sys/class/net")) - others.devices


def _routes(others: Beside) -> Iterable[str]:
    for line in run(["ip", "-4", "route", "show", "table", "all"]).splitlines():
        if not others.devices & set(line.split()):
            yield line.strip()


def _own_processes(others: Beside) -> Iterable[Path]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and start_time(int(folder.name)) is not None:
            try:
                groups = (folder / "cgroup").read_text().splitlines()
            except OSError:
                continue
            if not any(others.owns_path(group) for group in groups):
                yield folder


def _network_namespaces(others: Beside) -> Iterable[str]:
    for process in _own_processes(others):
        try:
            yield os.readlink(process / "ns" / "net")
        except OSError:
            continue


def _processes(others: Beside) -> Iterable[str]:
    """Return the processes that could belong to a cluster."""
    programs = (str(cache_root() / "bin" / f"{module.name}-") for module in CLUSTER_MODULES)
    signs = (str(clusters_root()), *programs, "containerd-shim", "imagejob-")
    for process in _own_processes(others):
        try:
            command = (process / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
            text = command + (process / "cgroup").read_text()
            foreign = os.readlink(process / "ns" / "net") != os.readlink("/proc/self/ns/net")
        except OSError:
            continue
        ours = any(sign in text for sign in signs) and not others.owns_path(command)
        if foreign or ours:
            yield f"{process.name} {command[:120]}"


def _files(others: Beside) -> Iterable[str]:
    for folder in map(Path, WATCHED_FOLDERS):
        if folder.is_dir():
            yield from {f"{folder}/{name}" for name in os.listdir(folder)} - NOT_OURS
    yield from (folder for folder in PRIVATE_FOLDERS if Path(folder).exists())
    for root in (clusters_root(), Path("/run/imagejob")):
        if root.is_dir():
            yield from (str(path) for path in root.iterdir() if path.stem not in others.names)
