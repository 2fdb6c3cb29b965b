"""Which addresses the operator may download sources from.

Users choose the URLs, but the operator can reach addresses that users cannot. So only public addresses are
allowed: special networks are rejected by name, and all other addresses that are not global are rejected too.
An administrator can allow and block networks.
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
"""Rejected networks; of overlapping networks, the smaller one is first."""

_GLOBAL_IPV6 = ip_network("2000::/3")


@dataclass(frozen=True, slots=True)
class SourceNetworks:
    """Networks configured by the administrator: `blocked` precedes `allowed`, which precedes the defaults."""

    allowed: tuple[Network, ...] = ()
    """Allowed on any port, such as an internal file server."""
    blocked: tuple[Network, ...] = ()
    """Never allowed, such as public addresses of Pods and Services."""

    def refusal(self, address: str, port: int) -> str:
        """Why an address and port are rejected, such as `a private address`; empty if they are allowed.

        The address is not part of the text, so that users cannot explore internal networks.
        """
        try:
            # An IPv6 address may have a zone, such as %eth0.
            ip = ip_address(address.partition("%")[0])
        except ValueError:
            return "a host that is not an IP address"
        if any(ip in network for network in self.blocked):
            return "an address that the administrator has blocked"
        if any(ip in network for network in self.allowed):
            return ""
        for network, name in SPECIAL:
            if ip in network:
                return f"{'an' if name[0] in 'Iu' else 'a'} {name} address"
        if not ip.is_global or ip.is_multicast or (ip.version == 6 and ip not in _GLOBAL_IPV6):
            return "an address that is not public"
        if port not in WEB_PORTS:
            return f"port {port}; only ports 80 and 443 are allowed"
        return ""


def read_networks(words: Sequence[str]) -> tuple[Network, ...]:
    """Parse networks in CIDR notation, or single addresses.

    Raises:
        ValueError: A word is not a network; the message names it.
    """
    return tuple(ip_network(word) for word in words)
