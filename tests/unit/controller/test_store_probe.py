"""The operator's own store is checked from the start, and its state is a metric."""

from __future__ import annotations

import asyncio
import logging

import pytest

from fakes.clock import ManualClock
from fakes.hooks import Gate
from fakes.jumping_loop import run
from fakes.log_lines import lines
from fakes.memory_store import MemoryStore
from imagejob_operator.adapters.process.metrics import Metrics
from imagejob_operator.controller.store_probe import CHECK_SECONDS, PERIOD, StoreProbe
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
    assert lines(caplog.records) == [
        ("WARNING", "the operator's store cannot be used", {"error": str(error)}),
        ("INFO", "the operator's store can be used again", {}),
    ]


def test_a_store_that_does_not_answer_cannot_be_used(caplog: pytest.LogCaptureFixture) -> None:
    found: list[bool] = []

    async def scenario() -> None:
        store = MemoryStore(ManualClock())
        store.hooks.install(Gate("folders"))
        probe = asyncio.create_task(StoreProbe(store, ".imagejob-staging/here/", found.append).run())
        await asyncio.sleep(CHECK_SECONDS + PERIOD - 1)
        assert store.hooks.calls == [("folders", ".imagejob-staging/here/")]
        await asyncio.sleep(2)
        assert store.hooks.count("folders") == 2
        probe.cancel()

    run(scenario())
    assert found == [False]
    error = {"error": "it did not answer within 30 seconds"}
    assert lines(caplog.records) == [("WARNING", "the operator's store cannot be used", error)]


async def test_another_problem_is_logged_as_well(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore(ManualClock())
    probe = StoreProbe(store, "p/", lambda usable: None)
    for text in ("503", "503", "504"):
        fault = store.hooks.fail(StoreUnavailable(text))
        await probe.check()
        store.hooks.remove(fault)
    assert [extra["error"] for _, _, extra in lines(caplog.records)] == ["503", "504"]
