"""Only public addresses are allowed, in any notation."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagejob_operator.validation.networks import SPECIAL, SourceNetworks, read_networks

DEFAULT = SourceNetworks()

REJECTED = {
    "0.0.0.0": "this network",
    "0.1.2.3": "this network",
    "10.0.0.1": "private",
    "100.64.0.1": "carrier-grade NAT",
    "100.127.255.255": "carrier-grade NAT",
    "127.0.0.1": "loopback",
    "127.255.255.254": "loopback",
    "169.254.169.254": "link-local",
    "172.16.0.1": "private",
    "172.31.255.255": "private",
    "192.0.0.1": "reserved",
    "192.0.2.1": "documentation",
    "192.88.99.1": "6to4 relay",
    "192.168.1.1": "private",
    "198.18.0.1": "benchmarking",
    "198.51.100.1": "documentation",
    "203.0.113.1": "documentation",
    "224.0.0.1": "multicast",
    "239.255.255.255": "multicast",
    "240.0.0.1": "reserved",
    "255.255.255.255": "reserved",
    "::": "unspecified",
    "::1": "loopback",
    "::ffff:127.0.0.1": "IPv4-mapped",
    "::ffff:8.8.8.8": "IPv4-mapped",
    "::ffff:a9fe:a9fe": "IPv4-mapped",
    "::127.0.0.1": "IPv4-compatible",
    "::8.8.8.8": "IPv4-compatible",
    "64:ff9b::7f00:1": "NAT64",
    "64:ff9b::808:808": "NAT64",
    "64:ff9b:1::1": "NAT64",
    "100::1": "discard-only",
    "2001::1": "Teredo",
    "2001:2::1": "reserved",
    "2001:db8::1": "documentation",
    "2002:7f00:1::": "6to4",
    "2002:808:808::1": "6to4",
    "3fff::1": "documentation",
    "5f00::1": "segment routing",
    "fc00::1": "private",
    "fd00:ec2::254": "private",
    "fe80::1": "link-local",
    "fe80::1%eth0": "link-local",
    "fec0::1": "site-local",
    "ff02::1": "multicast",
    "::ffff:0:127.0.0.1": "an address that is not public",
    "4000::1": "an address that is not public",
    "2130706433": "not an IP address",
    "0x7f.1": "not an IP address",
    "0177.0.0.1": "not an IP address",
    "127.1": "not an IP address",
}
ALLOWED = [
    "8.8.8.8",
    "1.1.1.1",
    "100.63.255.255",
    "100.128.0.1",
    "172.15.0.1",
    "172.32.0.1",
    "2606:4700::1111",
]


@pytest.mark.parametrize("address", REJECTED)
def test_special_addresses_are_rejected_with_a_reason(address: str) -> None:
    assert REJECTED[address] in DEFAULT.refusal(address, 443)


@pytest.mark.parametrize("address", ALLOWED)
@pytest.mark.parametrize("port", [80, 443])
def test_public_addresses_are_allowed(address: str, port: int) -> None:
    assert DEFAULT.refusal(address, port) == ""


@pytest.mark.parametrize("port", [0, 22, 81, 6443, 8080, 65535])
def test_other_ports_are_rejected(port: int) -> None:
    assert DEFAULT.refusal("8.8.8.8", port) == f"port {port}; only ports 80 and 443 are allowed"


def test_every_special_network_is_rejected_at_both_ends() -> None:
    for network, _ in SPECIAL:
        assert DEFAULT.refusal(str(network[0]), 443)
        assert DEFAULT.refusal(str(network[-1]), 443)


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_addresses_that_are_not_global_are_rejected(ip: object) -> None:
    if not DEFAULT.refusal(str(ip), 443):
        assert ip_address(str(ip)).is_global
        assert not ip_address(str(ip)).is_multicast


@given(st.ip_addresses(v=4))
def test_embedded_ipv4_addresses_are_rejected(ip: object) -> None:
    number = int(ip)  # type: ignore[call-overload]
    high, low = number >> 16, number & 0xFFFF
    for form in (f"::ffff:{ip}", f"::{ip}", f"64:ff9b::{ip}", f"2002:{high:x}:{low:x}::", f"::ffff:0:{ip}"):
        assert DEFAULT.refusal(form, 443)


def test_allowed_networks_are_reached_on_any_port() -> None:
    networks = SourceNetworks(allowed=read_networks(["10.1.0.0/16", "fd00::7"]))
    assert networks.refusal("10.1.2.3", 8080) == ""
    assert networks.refusal("fd00::7", 443) == ""
    assert "private" in networks.refusal("10.2.0.1", 443)
    assert "private" in networks.refusal("fd00::8", 443)
    assert "IPv4-mapped" in networks.refusal("::ffff:10.1.2.3", 443)


def test_blocked_networks_precede_allowed_networks() -> None:
    networks = SourceNetworks(read_networks(["10.0.0.0/8"]), read_networks(["10.96.0.0/12", "8.8.0.0/16"]))
    assert "administrator has blocked" in networks.refusal("10.96.0.1", 443)
    assert "administrator has blocked" in networks.refusal("8.8.8.8", 443)
    assert networks.refusal("10.1.0.1", 443) == ""


@pytest.mark.parametrize("word", ["10.0.0.1/8", "ten", "10.0.0.0/33", ""])
def test_an_invalid_network_is_named(word: str) -> None:
    with pytest.raises(ValueError, match=word or "''"):
        read_networks([word])
