"""Where things lie: the cache (kept, by version) and the cluster roots.

Roots are short on purpose: a Unix socket path holds at most 107 bytes.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from localcluster.commands import home
from localcluster.errors import ClusterError

LONGEST_SOCKET = 107
LONGEST_NAME = 20
# The longest below a root is the kubelet's pod-resources/kubelet.sock (37), and some to spare.
ROOM_FOR_SOCKETS = 48


def repository() -> Path:
    """Return the root of the source tree that this package lies in."""
    return Path(__file__).resolve().parents[2]


def cache_root() -> Path:
    """Return the folder of what is built once and kept."""
    declared = os.environ.get("IMAGEJOB_CACHE", "")
    if declared:
        return Path(declared).absolute()
    user_cache = os.environ.get("XDG_CACHE_HOME", "")
    base = Path(user_cache) if user_cache.startswith("/") else home() / ".cache"
    return base / "imagejob"


def clusters_root() -> Path:
    """Return the folder that holds one root per cluster."""
    return Path(os.environ.get("IMAGEJOB_CLUSTER_ROOT", "") or "/var/lib/imagejob").absolute()


@dataclass(frozen=True)
class Layout:
    """The files of one cluster."""

    name: str
    root: Path

    @property
    def state(self) -> Path:
        """What was decided when the cluster was made."""
        return self.root / "cluster.json"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, good inside and outside."""
        return self.root / "kubeconfig"

    @property
    def audit_log(self) -> Path:
        """Every request that the API server answered, one JSON a line."""
        return self.root / "audit" / "audit.log"

    @property
    def containerd_socket(self) -> Path:
        """Where this cluster's containerd listens."""
        return self.root / "ctd" / "containerd.sock"

    @property
    def registry_hosts(self) -> Path:
        """A containerd ``certs.d`` folder: tests put hosts.toml files here."""
        return self.root / "certs.d"

    def require_room_for_sockets(self) -> None:
        """Refuse a root below which the longest socket could not be made."""
        if len(str(self.root)) + ROOM_FOR_SOCKETS > LONGEST_SOCKET:
            raise ClusterError(f"{self.root} is too long for Unix sockets: set IMAGEJOB_CLUSTER_ROOT")

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
    """Return the layout of a cluster, refusing names that cannot work."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", name) or len(name) > LONGEST_NAME:
        raise ClusterError(
            f"bad cluster name {name!r}: lower-case letters, digits and '-', "
            f"at most {LONGEST_NAME} characters"
        )
    return Layout(name=name, root=clusters_root() / name)
