"""An upgrade, and the way back, with ImageJobs in flight in every phase: none is lost, none is done twice."""

from __future__ import annotations

from contextlib import closing

import pytest

from e2e.audit import pods_made
from e2e.faults.arena import store_proxy
from e2e.tenants import Tenant
from e2e.upgrade.flight import ENDS, Flight
from e2e.upgrade.versions import Version
from e2e.world import Shop, phase, verdict
from imagejob_operator.api.phase import Phase
from localcluster.cluster import Status

pytestmark = pytest.mark.timeout(600)


def test_a_job_is_in_flight_in_every_phase() -> None:
    assert {*ENDS, Phase.DELETING} == set(Phase)


@pytest.mark.parametrize("way", ["upgrade", "downgrade"])
def test_nothing_is_lost(way: str, shop: Shop, where: Status, versions: tuple[Version, Version]) -> None:
    before, after = versions if way == "upgrade" else versions[::-1]
    before.install(shop.world)
    since = shop.world.audit.mark()
    with (
        closing(Tenant(shop)) as tenant,
        store_proxy(shop.world, where.host_address, IMAGEJOB_CLEANING_BUDGET_SECONDS="600") as proxy,
        closing(Flight(shop, proxy, tenant)) as flight,
    ):
        with flight.held():
            assert [phase(shop.get(at.lower())) for at in Phase] == list(Phase)
            after.install(shop.world)
        flight.release()
        found = {at: verdict(shop.await_end(at.lower(), seconds=120)) for at in ENDS}
        shop.await_gone("deleting", seconds=60)
        assert found == ENDS
        shop.await_clean()
        made = pods_made(shop.world.audit.writes(since, namespace=shop.name))
        assert len(made) == len(set(made)), "a Pod was made twice"
        assert shop.outputs() == flight.expected()
        shop.delete("pending")
