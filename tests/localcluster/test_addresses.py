from ipaddress import IPv4Network
from itertools import combinations

import pytest

from localcluster.addresses import LIMIT, Addresses, first_free


def test_no_two_clusters_share_an_address() -> None:
    networks = [network for index in range(LIMIT) for network in Addresses(index).networks]
    assert not [pair for pair in combinations(networks, 2) if pair[0].overlaps(pair[1])]


def test_every_address_is_in_its_range() -> None:
    for own in map(Addresses, range(LIMIT)):
        assert own.node in own.node_network
        assert own.api_service in own.services
        assert own.host in own.link
        assert own.gateway in own.link
        assert own.host != own.gateway


def test_device_names_fit_the_kernel_and_differ() -> None:
    names = {Addresses(index).host_device for index in range(LIMIT)}
    assert len(names) == LIMIT
    assert max(map(len, names)) <= 15


@pytest.mark.parametrize(
    ("taken", "used", "expected"),
    [
        pytest.param([], [], 0, id="nothing-taken"),
        pytest.param([0, 2], [], 1, id="fills-the-gap"),
        pytest.param([], ["10.96.0.0/22"], 1, id="avoids-a-route-of-the-machine"),
        pytest.param([], ["172.30.0.0/15"], 64, id="a-wide-route-blocks-a-whole-block"),
        pytest.param([], ["10.96.0.0/16", "10.244.0.0/16"], 64, id="kind-has-its-networks"),
        pytest.param([3], ["172.16.0.0/12", "10.0.0.0/8"], 128, id="a-machine-in-private-networks"),
        pytest.param([], ["0.0.0.0/1", "128.0.0.0/1"], None, id="everything-is-routed"),
        pytest.param([], ["0.0.0.0/0"], 0, id="a-default-route-does-not-count"),
        pytest.param(range(LIMIT), [], None, id="full"),
    ],
)
def test_first_free(taken: list[int], used: list[str], expected: int | None) -> None:
    found = first_free(taken, map(IPv4Network, used))
    assert (found.index if found else None) == expected
