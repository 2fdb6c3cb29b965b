"""The address ranges of a cluster, computed from its index."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

LIMIT = 64


@dataclass(frozen=True)
class Addresses:
    """The addresses of one cluster, which differ from those of all others."""

    index: int

    @property
    def node_network(self) -> IPv4Network:
        """The network of the node's bridge."""
        return IPv4Network(f"172.30.{self.index}.0/24")

    @property
    def node(self) -> IPv4Address:
        """The node's own address: API server, DNS, kubelet."""
        return self.node_network[1]

    @property
    def link(self) -> IPv4Network:
        """The /30 that joins the machine and the node."""
        return IPv4Network(f"172.31.{self.index}.0/30")

    @property
    def host(self) -> IPv4Address:
        """The machine's end of the link, where Pods can reach it."""
        return self.link[1]

    @property
    def gateway(self) -> IPv4Address:
        """The node's end of the link."""
        return self.link[2]

    @property
    def services(self) -> IPv4Network:
        """The range of Service addresses."""
        return IPv4Network(f"10.96.{self.index * 4}.0/22")

    @property
    def api_service(self) -> IPv4Address:
        """The address of the Service ``kubernetes``."""
        return self.services[1]

    @property
    def pods(self) -> IPv4Network:
        """The range of Pod addresses."""
        return IPv4Network(f"10.244.{self.index * 4}.0/22")

    @property
    def host_device(self) -> str:
        """The name of the machine's end of the link."""
        return f"ijob{self.index}"

    @property
    def routed(self) -> tuple[IPv4Network, ...]:
        """The ranges that the machine reaches through the link."""
        return (self.node_network, self.services, self.pods)

    @property
    def networks(self) -> tuple[IPv4Network, ...]:
        """Every range of the cluster."""
        return (*self.routed, self.link)


def first_free(taken: Iterable[int], used: Iterable[IPv4Network]) -> Addresses | None:
    """Return the first addresses that overlap with no other cluster and no route."""
    claimed = set(taken)
    in_use = [network for network in used if network.prefixlen]
    for index in range(LIMIT):
        candidate = Addresses(index)
        if index not in claimed and not any(
            ours.overlaps(theirs) for ours in candidate.networks for theirs in in_use
        ):
            return candidate
    return None
