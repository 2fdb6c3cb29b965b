"""Long work: one at a time for a job, started once, tried again after a rest, ended without a trace."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

from fakes.build import KEY, NOW, job
from fakes.clock import ManualClock
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob, Key
from imagejob_operator.controller.operation_runner import OperationRunner
from imagejob_operator.decision.operation import (
    Broken,
    Clean,
    Cleaned,
    Operation,
    Progress,
    Publish,
    Stage,
    Staged,
    Working,
)
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.ports.object_store import StoreDenied, StoreUnavailable
from imagejob_operator.ports.stores import StoreNotOpen

STAGE, CLEAN, PUBLISH = Stage("p/"), Clean(("p/",)), Publish("p/", "r", NOW)
DONE = Staged(1, 1, 1)


class Bench:
    """Operations whose work the test does."""

    def __init__(self, work: Callable[[Operation], Awaitable[Progress]]) -> None:
        self.clock = ManualClock()
        self.draw = 0.0
        self.started: list[Operation] = []
        self.woken: list[Key] = []
        self.job = job()

        async def recorded(job: ImageJob, operation: Operation) -> Progress:
            self.started.append(operation)
            return await work(operation)

        self.operations = OperationRunner(recorded, self.woken.append, self.clock, lambda: self.draw)

    def want(self, operation: Operation | None) -> None:
        self.operations.ensure(self.job, operation)

    async def idle(self) -> None:
        for _ in range(20):
            await asyncio.sleep(0)

    def progress(self) -> Progress | None:
        return self.operations.progress_of(KEY)[1]


async def does_well(operation: Operation) -> Progress:
    return DONE


def raising(error: Exception) -> Callable[[Operation], Awaitable[Progress]]:
    async def work(operation: Operation) -> Progress:
        raise error

    return work


async def test_an_operation_is_started_once_and_wakes_its_job() -> None:
    bench = Bench(does_well)
    bench.want(STAGE)
    assert bench.operations.progress_of(KEY) == (STAGE, Working())
    bench.want(STAGE)
    await bench.idle()
    bench.want(STAGE)
    assert (bench.started, bench.woken, bench.progress()) == ([STAGE], [KEY], DONE)


async def test_nothing_wanted_is_nothing_known() -> None:
    bench = Bench(does_well)
    bench.want(STAGE)
    await bench.idle()
    bench.want(None)
    assert bench.operations.progress_of(KEY) == (None, None)


async def test_an_error_that_may_pass_is_tried_again_with_growing_rests() -> None:
    bench = Bench(raising(StoreUnavailable("away")))
    rests = []
    bench.want(STAGE)
    for _ in range(8):
        await bench.idle()
        broken = bench.progress()
        assert isinstance(broken, Broken)
        assert broken.retry_at
        rests.append((broken.retry_at - bench.clock()).total_seconds())
        bench.want(STAGE)
        assert len(bench.started) == len(rests), "not before its time"
        bench.clock.advance_to(broken.retry_at)
        bench.want(STAGE)
    assert rests == [1, 2, 4, 8, 16, 30, 30, 30]


async def test_operations_that_fail_together_are_not_retried_together() -> None:
    bench = Bench(raising(StoreUnavailable("away")))
    bench.draw = 1.0
    bench.want(STAGE)
    await bench.idle()
    broken = bench.progress()
    assert isinstance(broken, Broken)
    assert broken.retry_at == bench.clock() + timedelta(seconds=0.5)


def broken_by(code: Code, reason: Reason) -> tuple[Code, Reason]:
    return code, reason


async def verdict(operation: Operation, error: Exception) -> tuple[Code, Reason, bool]:
    bench = Bench(raising(error))
    bench.want(operation)
    await bench.idle()
    broken = bench.progress()
    assert isinstance(broken, Broken)
    return broken.failure.code, broken.failure.reason, broken.retry_at is not None


async def test_errors_become_failures_of_their_operation() -> None:
    away, denied = StoreUnavailable("x"), StoreDenied("x")
    assert await verdict(STAGE, away) == (Code.STAGING, Reason.STORE_UNAVAILABLE, True)
    assert await verdict(STAGE, denied) == (Code.STAGING, Reason.ACCESS_DENIED, False)
    assert await verdict(PUBLISH, away) == (Code.PUBLISH, Reason.STORE_UNAVAILABLE, True)
    assert await verdict(PUBLISH, denied) == (Code.PUBLISH, Reason.DESTINATION_DENIED, False)
    assert await verdict(CLEAN, denied) == (Code.STAGING, Reason.ACCESS_DENIED, True)
    gone = StoreNotOpen(Failure(Code.CREATION, Reason.STORE_NOT_FOUND, "it is gone"))
    assert await verdict(CLEAN, gone) == (Code.CREATION, Reason.STORE_NOT_FOUND, True)
    assert await verdict(STAGE, gone) == (Code.STAGING, Reason.STORE_NOT_FOUND, True)
    assert await verdict(PUBLISH, gone) == (Code.PUBLISH, Reason.STORE_NOT_FOUND, True)
    unready = StoreNotOpen(Failure(Code.CREATION, Reason.STORE_NOT_READY, "no credentials"))
    assert await verdict(PUBLISH, unready) == (Code.PUBLISH, Reason.STORE_UNAVAILABLE, True)
    assert await verdict(STAGE, RuntimeError("a fault of ours")) == (
        Code.STAGING,
        Reason.STORE_UNAVAILABLE,
        True,
    )
    own = OperationFailed(Failure(Code.STAGING, Reason.SOURCE_EMPTY, "nothing"))
    assert await verdict(STAGE, own) == (Code.STAGING, Reason.SOURCE_EMPTY, False)


class SlowWrites:
    """Work whose write cannot be stopped once it is under way, as a thread's."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.landed = asyncio.Event()

    async def __call__(self, operation: Operation) -> Progress:
        name = type(operation).__name__
        self.log.append(f"{name} begins")
        if isinstance(operation, Stage):
            landing = asyncio.ensure_future(self.landed.wait())
            try:
                await asyncio.shield(landing)
            except asyncio.CancelledError:
                await asyncio.wait([landing])
                self.log.append("the last write lands")
                raise
        return Cleaned()


async def test_another_operation_waits_for_the_last_write_of_the_one_before() -> None:
    work = SlowWrites()
    bench = Bench(work)
    bench.want(STAGE)
    await bench.idle()
    bench.want(CLEAN)
    await bench.idle()
    assert work.log == ["Stage begins"]
    assert bench.operations.progress_of(KEY) == (CLEAN, Working())
    work.landed.set()
    await bench.idle()
    assert work.log == ["Stage begins", "the last write lands", "Clean begins"]


async def test_it_waits_even_if_it_was_cancelled_again_and_again() -> None:
    work = SlowWrites()
    bench = Bench(work)
    bench.want(STAGE)
    await bench.idle()
    for _ in range(3):
        bench.want(None)
        await bench.idle()
    bench.want(CLEAN)
    await bench.idle()
    assert work.log == ["Stage begins"]
    work.landed.set()
    await bench.idle()
    assert work.log == ["Stage begins", "the last write lands", "Clean begins"]


async def test_it_waits_for_the_last_but_one_too() -> None:
    work = SlowWrites()
    bench = Bench(work)
    bench.want(STAGE)
    await bench.idle()
    bench.want(CLEAN)
    await bench.idle()
    bench.want(Clean(("other/",)))
    await bench.idle()
    assert work.log == ["Stage begins"], "the second was ended while it waited, the third waits for the first"
    work.landed.set()
    await bench.idle()
    assert work.log == ["Stage begins", "the last write lands", "Clean begins"]
    assert bench.started[-1] == Clean(("other/",))


async def test_closing_waits_for_last_writes() -> None:
    work = SlowWrites()
    bench = Bench(work)
    bench.want(STAGE)
    await bench.idle()
    closing = asyncio.ensure_future(bench.operations.stop())
    await bench.idle()
    assert not closing.done()
    work.landed.set()
    await closing
    assert work.log[-1] == "the last write lands"


async def test_a_forgotten_job_has_no_operation() -> None:
    work = SlowWrites()
    bench = Bench(work)
    bench.want(STAGE)
    await bench.idle()
    bench.operations.forget(KEY)
    assert bench.operations.progress_of(KEY) == (None, None)
    work.landed.set()
    await bench.idle()
    assert bench.woken == []
