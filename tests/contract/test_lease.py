"""The port Lease: the fake and a real API server keep the same promises."""

from __future__ import annotations

import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from fakes.memory_lease import LeaseLine, MemoryLease
from imagejob_operator.adapters.kubernetes.lease import KubeLease
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from imagejob_operator.controller.leader_election import LEASE_DURATION
from imagejob_operator.ports.imagejobs import Conflict
from imagejob_operator.ports.lease import Lease

Delete = Callable[[], Awaitable[None]]


async def check(lease: Lease, delete: Delete) -> None:
    """All promises of the port, in the life of one lease."""
    assert await lease.read() is None
    first = await lease.write("a", None)
    assert (first.holder, first.transitions) == ("a", 0)
    assert await lease.read() == first
    with pytest.raises(Conflict):
        await lease.write("b", None)
    renewed = await lease.write("a", first)
    assert renewed.version != first.version, "a renewal must be seen"
    assert renewed.transitions == 0
    with pytest.raises(Conflict):
        await lease.write("b", first)
    released = await lease.write("", renewed)
    assert (released.holder, released.transitions) == ("", 0)
    taken = await lease.write("b", released)
    assert (taken.holder, taken.transitions) == ("b", 1)
    assert await lease.read() == taken
    await delete()
    assert await lease.read() is None
    renewed = await lease.write("b", taken)
    assert renewed.holder == "b"
    with pytest.raises(Conflict):
        await lease.write("a", taken)
    assert await lease.read() == renewed


async def test_the_fake() -> None:
    kept = MemoryLease()

    async def delete() -> None:
        kept.record = None

    await check(LeaseLine(kept), delete)


@pytest.mark.cluster
@pytest.mark.timeout(900)
async def test_an_api_server(kube: KubeHTTP) -> None:
    name = f"contract-{uuid.uuid4().hex[:8]}"
    lease = KubeLease(kube, "default", name, LEASE_DURATION, lambda: datetime.now(UTC))

    async def delete() -> None:
        await kube.request("DELETE", f"/apis/coordination.k8s.io/v1/namespaces/default/leases/{name}")

    await check(lease, delete)
