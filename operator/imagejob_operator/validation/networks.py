"""Which addresses the operator may download sources from.

Users choose the URLs, but the operator can reach addresses that users cannot. So only public addresses are
allowed, and networks of the administrator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

WEB_PORTS = (80, 443)
SPECIAL: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), name)
    for name, networks in (
        ("this network", "0.0.0.0/8"),
        ("unspecified", "::/128"),
        ("loopback", "127.0.0.0/8 ::1/128"),
        ("private", "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7"),
        ("carrier-grade NAT", "100.64.0.0/10"),
        ("link-local", "169.254.0.0/16 fe80::/10"),
        ("site-local", "fec0::/10"),
        ("documentation", "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20"),
        ("benchmarking", "198.18.0.0/15"),
        ("multicast", "224.0.0.0/4 ff00::/8"),
        ("IPv4-mapped", "::ffff:0:0/96"),
        ("IPv4-compatible", "::/96"),
        ("NAT64", "64:ff9b::/96 64:ff9b:1::/48"),
        ("discard-only", "100::/64"),
        ("Teredo", "2001::/32"),
        ("6to4", "2002::/16"),
        ("6to4 relay", "192.88.99.0/24"),
        ("segment routing", "5f00::/16"),
        ("reserved", "192.0.0.0/24 240.0.0.0/4 2001::/23"),
    )
    for network in networks.split()
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
    """Parse networks in CIDR notation, or single addresses; a ValueError names the invalid one."""
    return tuple(ip_network(word) for word in words)
