"""Paths: the cache (kept, by version) and the cluster roots.

Roots are short, because the path of a Unix socket has at most 107 bytes.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from localcluster.commands import home
from localcluster.errors import ClusterError

LONGEST_SOCKET = 107
LONGEST_NAME = 20
# The longest socket path below a root is the kubelet's pod-resources/kubelet.sock (37); plus a reserve.
ROOM_FOR_SOCKETS = 48


def repository() -> Path:
    """Return the root of the source tree."""
    return Path(__file__).resolve().parents[2]


def cache_root() -> Path:
    """Return the cache folder."""
    declared = os.environ.get("IMAGEJOB_CACHE", "")
    if declared:
        return Path(declared).absolute()
    user_cache = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(user_cache) if user_cache.startswith("/") else home() / ".cache"
    return base / "imagejob"


def clusters_root() -> Path:
    """Return the folder of all cluster roots."""
    return Path(os.environ.get("IMAGEJOB_CLUSTER_ROOT", "") or "/var/lib/imagejob").absolute()


@dataclass(frozen=True)
class Layout:
    """The files of one cluster."""

    name: str
    root: Path

    @property
    def state(self) -> Path:
        """The state file, written when the cluster is created."""
        return self.root / "cluster.json"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, for inside and outside of the cluster."""
        return self.root / "kubeconfig"

    @property
    def audit_log(self) -> Path:
        """The audit log, one JSON object a line."""
        return self.root / "audit" / "audit.log"

    @property
    def containerd_socket(self) -> Path:
        """The socket of this cluster's containerd."""
        return self.root / "ctd" / "containerd.sock"

    @property
    def registry_hosts(self) -> Path:
        """A containerd ``certs.d`` folder: tests put hosts.toml files here."""
        return self.root / "certs.d"

    def require_room_for_sockets(self) -> None:
        """Check that the longest socket path fits."""
        if len(str(self.root)) + ROOM_FOR_SOCKETS > LONGEST_SOCKET:
            raise ClusterError(
                f"{self.root} is too long for Unix sockets; set IMAGEJOB_CLUSTER_ROOT to a shorter path"
            )

    def log(self, component: str) -> Path:
        """Return the log of a component."""
        return self.root / "logs" / f"{component}.log"

    def pki(self, name: str) -> Path:
        """Return a certificate or key file."""
        return self.root / "pki" / name

    def config(self, name: str) -> Path:
        """Return a configuration file of a component."""
        return self.root / "config" / name


def layout(name: str) -> Layout:
    """Return the layout of a cluster; its name is checked."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name) or len(name) > LONGEST_NAME:
        raise ClusterError(
            f"invalid cluster name {name!r}: use lowercase letters, digits and '-', "
            f"at most {LONGEST_NAME} characters"
        )
    return Layout(name=name, root=clusters_root() / name)
