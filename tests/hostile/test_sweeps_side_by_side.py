"""A tenant points an ImageStore at a server that is slow, hangs or refuses to delete.

The sweeps of the operator's own store and of other tenants must go on, and alerts must say which store it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from fakes.build import job, status
from fakes.jumping_loop import run
from imagejob_operator.adapters.process.metrics import Metrics
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import StagingStore, error_status
from imagejob_operator.decision.garbage import Orphans
from imagejob_operator.garbage.schedule import SWEEPS_OF_IMAGESTORES, GarbageSchedule
from imagejob_operator.ports.stores import OWN_STORE, StoreWithStaging

INTERVAL = 900.0
HOUR = 3600.0


class Collector:
    """Sweeps for so many seconds, within the deadline of a sweep."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.begun: list[float] = []
        self.active = 0

    async def sweep(self) -> Orphans | None:
        self.begun.append(asyncio.get_running_loop().time())
        self.active += 1
        try:
            async with asyncio.timeout(INTERVAL):
                await asyncio.sleep(self.seconds)
                return Orphans(jobs=1)
        except TimeoutError:
            return None
        finally:
            self.active -= 1


class Round:
    """A schedule of the operator's own store and of ImageStores whose sweeps take so many seconds."""

    def __init__(self, **seconds: float) -> None:
        self.collectors = {OWN_STORE: Collector(1.0)}
        self.collectors |= {name.replace("_", "/"): Collector(spent) for name, spent in seconds.items()}
        stores: dict[str, Any] = dict(self.collectors)

        def listed() -> dict[str, StoreWithStaging]:
            return {
                name: StoreWithStaging(name, name.partition("/")[0] if "/" in name else "", store)
                for name, store in stores.items()
            }

        self.stores = stores
        new_collector: Any = lambda store, telemetry: store  # noqa: E731
        clock = asyncio.get_running_loop().time
        self.schedule = GarbageSchedule(listed, new_collector, lambda uid: None, INTERVAL, clock)

    def ages(self) -> dict[str, float]:
        return {sweeps.name: age for sweeps, age in self.schedule.sweeps()}


def play(hours: float, check: Callable[[Round], None], **seconds: float) -> None:
    async def whole() -> None:
        one = Round(**seconds)
        one.schedule.start()
        await asyncio.sleep(hours * HOUR)
        check(one)
        assert one.schedule.failure() == ""
        await one.schedule.stop()

    run(whole())


def test_stores_that_hang_do_not_delay_the_own_store_or_other_tenants() -> None:
    hanging = {f"evil_{number}": 1e9 for number in range(50)}

    def check(one: Round) -> None:
        ages = one.ages()
        assert ages[OWN_STORE] <= INTERVAL + 10
        assert ages["shop/media"] <= INTERVAL + 10
        assert ages["evil/0"] > 5 * HOUR, "its age shows that no sweep of it is completed"

    play(6, check, shop_media=2.0, **hanging)


def test_a_namespace_has_one_sweep_at_a_time_and_all_of_them_are_bounded() -> None:
    many = {f"n{number}_a": 1e9 for number in range(20)} | {"n1_b": 1e9, "n1_c": 1e9}

    def check(one: Round) -> None:
        active = [name for name, collector in one.collectors.items() if collector.active]
        assert len(active) <= SWEEPS_OF_IMAGESTORES
        assert len({name.partition("/")[0] for name in active}) == len(active)

    play(2.05, check, **many)


def test_a_store_that_is_gone_has_no_series() -> None:
    async def whole() -> None:
        one = Round(shop_media=1e9)
        one.schedule.start()
        await asyncio.sleep(60)
        del one.stores["shop/media"]
        await asyncio.sleep(10)
        assert one.ages().keys() == {OWN_STORE}
        assert not one.collectors["shop/media"].active
        await one.schedule.stop()

    run(whole())


@pytest.mark.parametrize(
    ("code", "reason", "in_image_store", "cause"),
    [
        (Code.STAGING, Reason.STORE_UNAVAILABLE, False, "installation"),
        (Code.STAGING, Reason.STORE_UNAVAILABLE, True, "tenant"),
        (Code.PUBLISH, Reason.DESTINATION_DENIED, True, "tenant"),
        (Code.LAUNCH, Reason.IMAGE_PULL_FAILED, True, "installation"),
        (Code.STAGING, Reason.SOURCE_NOT_FOUND, False, "tenant"),
    ],
)
def test_failures_that_a_tenant_causes_are_not_the_administrators(
    code: Code, reason: Reason, in_image_store: bool, cause: str
) -> None:
    metrics = Metrics()
    failed = status(Phase.FAILED)
    assert failed.run is not None
    store = StagingStore(name="media", uid="u") if in_image_store else None
    failed = msgspec.structs.replace(
        failed,
        error=error_status(Failure(code, reason, "it failed")),
        run=msgspec.structs.replace(failed.run, store=store),
    )
    metrics.moved(status(Phase.FAILING), job(failed))
    labels = {"phase": "Failed", "code": code.value, "reason": reason.value, "cause": cause}
    labels["job_namespace"] = "shop"
    assert metrics.registry.get_sample_value("imagejob_finished_total", labels) == 1
