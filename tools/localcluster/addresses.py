"""The address ranges of a cluster, computed from its index."""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

BLOCKS = (
    ("172.30", "172.31", "10.96", "10.244"),
    # Where Docker or kind have networks of their own, or the machine is in one of those above.
    ("10.196", "10.197", "10.198", "10.199"),
    ("198.18", "198.19", "100.96", "100.97"),
)
"""The first two bytes of the networks of nodes, links, Services and Pods."""
IN_A_BLOCK = 64
LIMIT = IN_A_BLOCK * len(BLOCKS)


@dataclass(frozen=True)
class Addresses:
    """The addresses of one cluster, which differ from those of all others."""

    index: int

    def _network(self, kind: int, third: int, length: int) -> IPv4Network:
        return IPv4Network(f"{BLOCKS[self.index // IN_A_BLOCK][kind]}.{third}.0/{length}")

    @property
    def _place(self) -> int:
        return self.index % IN_A_BLOCK

    @property
    def node_network(self) -> IPv4Network:
        """The network of the node's bridge."""
        return self._network(0, self._place, 24)

    @property
    def node(self) -> IPv4Address:
        """The node's own address: API server, DNS, kubelet."""
        return self.node_network[1]

    @property
    def link(self) -> IPv4Network:
        """The /30 that joins the machine and the node."""
        return self._network(1, self._place, 30)

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
        return self._network(2, self._place * 4, 22)

    @property
    def api_service(self) -> IPv4Address:
        """The address of the Service ``kubernetes``."""
        return self.services[1]

    @property
    def pods(self) -> IPv4Network:
        """The range of Pod addresses."""
        return self._network(3, self._place * 4, 22)

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
