"""A job of a class that no operator seems to have is reported once; others are not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from fakes.build import NOW, job, later, status
from fakes.clock import ManualClock
from fakes.log_lines import lines
from fakes.memory_cluster import MemoryCluster
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import Status
from imagejob_operator.controller.cache import UNSERVED_AFTER, Cache
from imagejob_operator.controller.unserved import MOST, UnservedJobs
from imagejob_operator.decision.action import RecordEvent
from imagejob_operator.ports.imagejobs import Forbidden


def foreign(number: int = 0, current: Status | None = None) -> ImageJob:
    found = job(current or Status())
    return replace(found, uid=f"uid-{number}", created_at=NOW)


class Bench:
    def __init__(self) -> None:
        self.clock = ManualClock()
        self.cluster = MemoryCluster(self.clock)
        self.cache = Cache()
        self.unserved = UnservedJobs(self.cluster, self.cache, "gpu", self.clock)

    @property
    def events(self) -> list[str]:
        return [event.reason for event in self.cluster.events.values()]


async def test_a_job_without_a_status_is_reported_once() -> None:
    bench = Bench()
    bench.cache.put_foreign(foreign())
    await bench.unserved.check()
    assert bench.events == []
    bench.clock.advance(UNSERVED_AFTER.total_seconds())
    for _ in range(3):
        await bench.unserved.check()
    assert bench.cluster.hooks.count("announce") == 1
    assert list(bench.cluster.events.values()) == [RecordEvent(True, "NotServed", text("the class 'gpu'"), 0)]


def text(served: str) -> str:
    return (
        f"no operator has handled this ImageJob for 30 s; the one that reports it serves {served}; check "
        "spec.class, and whether an operator with that class is running"
    )


async def test_an_operator_without_a_class_reports_that(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.unserved.job_class = ""
    bench.cache.put_foreign(foreign())
    bench.clock.advance(60)
    fault = bench.cluster.hooks.fail(Forbidden("no"), "announce")
    await bench.unserved.check()
    extra = {"job": "shop/spring", "uid": "uid-0", "reason": "NotServed", "error": "no"}
    assert lines(caplog.records) == [("WARNING", "Event could not be recorded", extra)]
    bench.cluster.hooks.remove(fault)
    bench.cache.drop_job(foreign().key, "uid-0")
    await bench.unserved.check()
    bench.cache.put_foreign(foreign())
    await bench.unserved.check()
    (event,) = bench.cluster.events.values()
    assert event.message == text("ImageJobs without a class")


async def test_a_job_that_another_operator_serves_is_not() -> None:
    bench = Bench()
    bench.cache.put_foreign(foreign())
    bench.cache.put_foreign(foreign(current=status(Phase.STAGING)))
    bench.clock.advance(60)
    await bench.unserved.check()
    assert bench.events == []


async def test_a_job_that_is_gone_is_forgotten() -> None:
    bench = Bench()
    bench.cache.put_foreign(foreign())
    bench.cache.drop_job(foreign().key, "uid-0")
    assert bench.cache.unserved(later(60)) == []


async def test_many_are_reported_little_by_little_also_if_events_are_refused() -> None:
    bench = Bench()
    bench.cluster.hooks.fail(Forbidden("no"), "announce")
    for number in range(MOST + 1):
        bench.cache.put_foreign(foreign(number))
    bench.clock.advance(60)
    await bench.unserved.check()
    assert bench.cluster.hooks.count("announce") == MOST
    await bench.unserved.check()
    await bench.unserved.check()
    assert bench.cluster.hooks.count("announce") == MOST + 1
    assert len(bench.cache.unserved(NOW + timedelta(seconds=60))) == MOST + 1
