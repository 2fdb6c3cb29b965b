"""What every provider can do, and what can be said of a running cluster."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Status:
    """The answer of ``status``; empty strings where a provider has no such thing."""

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
        """Make the cluster healthy, whatever is there now."""

    def down(self) -> None:
        """Remove the cluster and every trace of it."""

    def status(self) -> Status:
        """Say how the cluster is."""

    def load(self, archive: Path, tag: str) -> bool:
        """Give the node an image; returns False if it had this very one."""

    def binaries(self) -> Path:
        """Return the folder that has a kubectl of the cluster's version."""
