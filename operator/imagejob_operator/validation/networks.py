"""Which addresses the operator may fetch sources from.

A URL is named by a user and fetched by the operator, which can reach more than its users. So only addresses
of the public internet are admitted: everything special is refused by name, and whatever nobody has thought of
is refused since it is not global. An administrator can admit networks, and refuse more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

WEB_PORTS = (80, 443)

SPECIAL: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), name)
    for network, name in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "carrier-grade NAT"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "documentation"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("::ffff:0:0/96", "IPv4-mapped"),
        ("::/96", "IPv4-compatible"),
        ("64:ff9b::/96", "NAT64"),
        ("64:ff9b:1::/48", "NAT64"),
        ("100::/64", "discard-only"),
        ("2001::/32", "Teredo"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "documentation"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "documentation"),
        ("5f00::/16", "segment routing"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)
"""What is refused, the more exact first where two overlap."""

_GLOBAL_IPV6 = ip_network("2000::/3")


@dataclass(frozen=True, slots=True)
class SourceNetworks:
    """What an administrator said of networks: `blocked` goes before `allowed`, and both before the rules."""

    allowed: tuple[Network, ...] = ()
    """Reached on any port, whatever they are: an intranet's file server."""
    blocked: tuple[Network, ...] = ()
    """Never reached: the ranges of Pods and Services where these are public addresses."""

    def refusal(self, address: str, port: int) -> str:
        """What an address and port that may not be reached are, such as `a private address`; else empty.

        It does not say the address: who may not reach a network need not learn what lies in it.
        """
        try:
            # As the socket sees it: an IPv6 address may come with the name of an interface.
            ip = ip_address(address.partition("%")[0])
        except ValueError:
            return "no IP address"
        if any(ip in network for network in self.blocked):
            return "an address that the operator's settings refuse"
        if any(ip in network for network in self.allowed):
            return ""
        for network, name in SPECIAL:
            if ip in network:
                return f"{'an' if name[0] in 'Iu' else 'a'} {name} address"
        if not ip.is_global or ip.is_multicast or (ip.version == 6 and ip not in _GLOBAL_IPV6):
            return "no address of the public internet"
        if port not in WEB_PORTS:
            return f"port {port}, which is neither 80 nor 443"
        return ""


def read_networks(words: Sequence[str]) -> tuple[Network, ...]:
    """Networks in CIDR notation; a single address is a network of one.

    Raises:
        ValueError: naming the word that is none.
    """
    return tuple(ip_network(word) for word in words)
