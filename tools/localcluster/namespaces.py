"""The cluster's own network and mounts, held open by one process.

Everything the kubelet and containerd mount, and every device the CNI makes,
lives in these namespaces: when the last process ends, the kernel removes it
all. The only way out of the network is a veth pair to this machine; it has no
default route, so nothing can leave the machine.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from localcluster.addresses import Addresses
from localcluster.commands import find_program, program, run
from localcluster.errors import ClusterError
from localcluster.paths import Layout
from localcluster.processes import Process, Processes
from localcluster.waiting import wait_for

BRIDGE = "node0"
INNER_DEVICE = "machine"
# These paths are compiled into programs: each cluster has its own folders there.
PRIVATE_FOLDERS = ("/var/lib/kubelet", "/var/lib/cni", "/var/log/containers", "/run/containerd")


@dataclass(frozen=True)
class Namespaces:
    """The namespaces of one cluster."""

    layout: Layout
    addresses: Addresses

    def create(self, processes: Processes, pause: Path) -> Process:
        """Start the process that holds the namespaces, and set up network and mounts."""
        argv = [program("unshare"), "--net", "--mount", "--propagation", "slave", str(pause)]
        holder = processes.start("namespaces", argv)
        wait_for(
            "the cluster's namespaces",
            lambda: None if _is_pause(holder, pause) else "unshare has not returned",
            10,
            self.layout.log("namespaces"),
        )
        self._make_mounts(holder)
        self._make_network(holder)
        return holder

    def _make_mounts(self, holder: Process) -> None:
        resolver = self.layout.config("resolv.conf")
        resolver.parent.mkdir(parents=True, exist_ok=True)
        resolver.write_text(f"nameserver {self.addresses.node}\n")
        pairs = [(str(resolver), os.path.realpath("/etc/resolv.conf"))]
        for target in PRIVATE_FOLDERS:
            own = self.layout.root / "private" / target.strip("/").replace("/", "-")
            own.mkdir(parents=True, exist_ok=True)
            Path(target).mkdir(parents=True, exist_ok=True)
            pairs.append((str(own), target))
        for source, target in pairs:
            if Path(target).exists():
                run(["nsenter", "-t", str(holder.pid), "-m", "--", "mount", "--bind", source, target])

    def _make_network(self, holder: Process) -> None:
        own = self.addresses
        self.delete_link()
        outside = [
            f"link add {own.host_device} type veth peer name {INNER_DEVICE} netns {holder.pid}",
            f"address add {own.host}/{own.link.prefixlen} dev {own.host_device}",
            f"link set {own.host_device} up",
        ]
        inside = [
            "link set lo up",
            f"link add {BRIDGE} type bridge",
            f"address add {own.node}/{own.node_network.prefixlen} dev {BRIDGE}",
            f"link set {BRIDGE} up",
            f"address add {own.gateway}/{own.link.prefixlen} dev {INNER_DEVICE}",
            f"link set {INNER_DEVICE} up",
            # Without it only Pods would reach Services, not the node itself.
            f"route add {own.services} dev {BRIDGE}",
        ]
        routes = [f"route add {network} via {own.gateway}" for network in own.routed]
        enter = ["nsenter", "-t", str(holder.pid), "-n", "--"]
        run(["ip", "-batch", "-"], stdin="\n".join(outside))
        run([*enter, "ip", "-batch", "-"], stdin="\n".join(inside))
        run([*enter, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"])
        run(["ip", "-batch", "-"], stdin="\n".join(routes))

    def delete_link(self) -> None:
        """Remove the machine's end of the link; its routes go with it."""
        device = Path("/sys/class/net", self.addresses.host_device)
        if find_program("ip") is None or not device.exists():
            return
        try:
            run(["ip", "link", "delete", device.name])
        except ClusterError:
            # The kernel may be removing the namespace of the other end, and the link with it.
            if device.exists():
                raise


def _is_pause(holder: Process, pause: Path) -> bool:
    try:
        return os.readlink(f"/proc/{holder.pid}/exe") == str(pause.resolve())
    except OSError:
        return False


def remove_private_mountpoints() -> None:
    """Remove the empty folders that served as mount points.

    Only when no cluster is left: removing a mount point detaches the mount in
    every other namespace.
    """
    for target in PRIVATE_FOLDERS:
        folder = Path(target)
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
