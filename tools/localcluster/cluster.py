"""The interface of all providers, and the status of a cluster."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Status:
    """The status of a cluster; an empty string if a provider lacks the field."""

    name: str
    provider: str
    healthy: bool
    why_not: str
    root: str
    kubeconfig: str
    audit_log: str = ""
    registry_hosts: str = ""
    logs: str = ""
    node_address: str = ""
    host_address: str = ""
    services: str = ""
    pods: str = ""


class Cluster(Protocol):
    """A cluster of one provider."""

    def up(self) -> None:
        """Create the cluster, or make it healthy."""

    def down(self) -> None:
        """Remove the cluster completely."""

    def status(self) -> Status:
        """Return the status."""

    def load(self, archive: Path, tag: str) -> bool:
        """Load an image into the node; returns False if it already had it."""

    def binaries(self) -> Path:
        """Return the folder of kubectl in the cluster's version."""
