"""The operator's own store is checked from the start, and its state is a metric."""

from __future__ import annotations

import logging

import pytest

from fakes.clock import ManualClock
from fakes.memory_store import MemoryStore
from imagejob_operator.adapters.process.metrics import Metrics
from imagejob_operator.controller.store_probe import StoreProbe
from imagejob_operator.ports.object_store import BucketMissing, StoreUnavailable


@pytest.mark.parametrize(
    "error", [BucketMissing("NoSuchBucket: nope"), StoreUnavailable("the store cannot be reached")]
)
async def test_a_store_that_cannot_be_used_is_a_metric_and_is_logged_once(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    store, metrics = MemoryStore(ManualClock()), Metrics()
    probe = StoreProbe(store, ".imagejob-staging/here/", metrics.store_usable)

    def usable() -> float | None:
        return metrics.registry.get_sample_value("imagejob_store_usable")

    assert usable() == 0, "not known yet"
    await probe.check()
    assert usable() == 1
    fault = store.hooks.fail(error)
    for _ in range(3):
        await probe.check()
    assert usable() == 0
    store.hooks.remove(fault)
    await probe.check()
    assert usable() == 1
    assert [record.message for record in caplog.records] == [
        "the operator's store cannot be used",
        "the operator's store can be used again",
    ]
    assert str(error) in str(vars(caplog.records[0])["error"])
