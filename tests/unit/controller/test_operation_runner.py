"""Long work: one at a time for a job, started once, tried again after a rest, ended without a trace."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from fakes.build import KEY, NOW, job
from fakes.clock import ManualClock
from fakes.log_lines import lines
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob, Key
from imagejob_operator.api.status import ItemCounts
from imagejob_operator.controller.operation_runner import OperationRunner
from imagejob_operator.decision.operation import (
    Broken,
    Clean,
    Cleaned,
    Count,
    ItemResults,
    Operation,
    Progress,
    Publish,
    Stage,
    Staged,
    Validate,
    Working,
)
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.ports.object_store import StoreDenied, StoreUnavailable
from imagejob_operator.ports.stores import StoreNotOpen

STAGE, CLEAN, PUBLISH = Stage("p/"), Clean(("p/",)), Publish("p/", "r", NOW)
VALIDATE, COUNT = Validate("p/", "r"), Count("p/", (), ItemCounts(), NOW)
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


GONE = StoreNotOpen(Failure(Code.CREATION, Reason.STORE_NOT_FOUND, "it is gone"))
UNREADY = StoreNotOpen(Failure(Code.CREATION, Reason.STORE_NOT_READY, "no credentials"))
AWAY, DENIED = StoreUnavailable("503"), StoreDenied("403")
INTERNAL = "internal error of the operator, see its log: RuntimeError: ours"
NOTHING = Failure(Code.STAGING, Reason.SOURCE_EMPTY, "nothing")
REFUSED = "the store denied the request: 403"


@pytest.mark.parametrize(
    ("operation", "error", "failure", "transient"),
    [
        (STAGE, AWAY, Failure(Code.STAGING, Reason.STORE_UNAVAILABLE, "503"), True),
        (VALIDATE, AWAY, Failure(Code.STAGING, Reason.STORE_UNAVAILABLE, "503"), True),
        (COUNT, AWAY, Failure(Code.STAGING, Reason.STORE_UNAVAILABLE, "503"), True),
        (PUBLISH, AWAY, Failure(Code.PUBLISH, Reason.STORE_UNAVAILABLE, "503"), True),
        (STAGE, DENIED, Failure(Code.STAGING, Reason.ACCESS_DENIED, REFUSED), False),
        (PUBLISH, DENIED, Failure(Code.PUBLISH, Reason.DESTINATION_DENIED, REFUSED), False),
        (CLEAN, DENIED, Failure(Code.STAGING, Reason.ACCESS_DENIED, REFUSED), True),
        (CLEAN, GONE, GONE.failure, True),
        (CLEAN, UNREADY, UNREADY.failure, True),
        (STAGE, GONE, Failure(Code.STAGING, Reason.STORE_NOT_FOUND, "it is gone"), True),
        (PUBLISH, GONE, Failure(Code.PUBLISH, Reason.STORE_NOT_FOUND, "it is gone"), True),
        (PUBLISH, UNREADY, Failure(Code.PUBLISH, Reason.STORE_UNAVAILABLE, "no credentials"), True),
        (STAGE, RuntimeError("ours"), Failure(Code.STAGING, Reason.STORE_UNAVAILABLE, INTERNAL), True),
        (STAGE, OperationFailed(NOTHING), NOTHING, False),
        (STAGE, OperationFailed(NOTHING, transient=True), NOTHING, True),
    ],
    ids=str,
)
async def test_an_error_becomes_a_failure_of_its_operation(
    operation: Operation, error: Exception, failure: Failure, transient: bool
) -> None:
    bench = Bench(raising(error))
    bench.want(operation)
    await bench.idle()
    retry_at = bench.clock() + timedelta(seconds=1) if transient else None
    assert bench.progress() == Broken(failure, retry_at)
    assert bench.woken == [KEY]


async def test_a_failure_keeps_the_results_that_were_verified() -> None:
    error = OperationFailed(NOTHING)
    error.results = ItemResults(ItemCounts(2, 1, 1))
    bench = Bench(raising(error))
    bench.want(PUBLISH)
    await bench.idle()
    assert bench.progress() == Broken(NOTHING, results=error.results)


async def test_an_error_that_may_pass_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench(raising(AWAY))
    bench.want(STAGE)
    await bench.idle()
    extra = {"job": "shop/spring", "operation": "Stage", "error": "503"}
    assert lines(caplog.records) == [("WARNING", "operation failed, retrying", extra)]


async def test_an_error_of_the_operator_itself_is_logged_with_its_trace(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bench = Bench(raising(RuntimeError("ours")))
    bench.want(STAGE)
    await bench.idle()
    first = ("ERROR", "operation failed unexpectedly", {"job": "shop/spring"})
    assert lines(caplog.records)[0] == first
    assert caplog.records[0].exc_info


async def test_while_an_operation_is_tried_again_its_last_failure_is_known() -> None:
    bench = Bench(raising(AWAY))
    bench.want(STAGE)
    await bench.idle()
    bench.clock.advance(1)
    bench.want(STAGE)
    last = Failure(Code.STAGING, Reason.STORE_UNAVAILABLE, "503")
    assert bench.progress() == Working(last)
    assert bench.operations.started_at(KEY) == NOW


def test_a_job_without_an_operation() -> None:
    bench = Bench(does_well)
    assert bench.operations.started_at(KEY) is None
    assert bench.operations.tasks() == []


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
