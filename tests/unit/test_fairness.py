"""Threads that are shared fairly behave like other threads: results, errors, cancellations, the end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from imagejob_operator.fairness import FairExecutor, FairLimiter, working_for


@pytest.fixture
def executor() -> Iterator[FairExecutor]:
    with FairExecutor("test", 2) as made:
        yield made


def test_results_and_errors_are_those_of_the_call(executor: FairExecutor) -> None:
    assert executor.submit(divmod, 7, 2).result() == (3, 1)
    with pytest.raises(ZeroDivisionError):
        executor.submit(divmod, 7, 0).result()
    assert executor.submit(divmod, 7, 2).result() == (3, 1), "an error lost a thread"


def test_a_call_that_is_cancelled_before_its_start_is_not_made(executor: FairExecutor) -> None:
    started, gate, made = threading.Event(), threading.Event(), []

    def hold() -> None:
        started.set()
        gate.wait(5)

    with working_for("shop", "run"):
        first, second = executor.submit(hold), executor.submit(made.append, 1)
        assert started.wait(5)
        assert second.cancel()
        gate.set()
        first.result(5)
        executor.submit(made.append, 2).result(5)
    assert made == [2]


def test_calls_that_wait_when_it_is_shut_down_are_cancelled(executor: FairExecutor) -> None:
    started, gate = threading.Event(), threading.Event()

    def hold() -> None:
        started.set()
        gate.wait(5)

    first, second = executor.submit(hold), executor.submit(hold)
    assert started.wait(5)
    executor.shutdown(wait=False)
    gate.set()
    first.result(5)
    while not second.done():
        pass
    assert second.cancelled()


async def test_the_time_that_was_waited_is_measured() -> None:
    waits: list[tuple[str, float]] = []
    limiter = FairLimiter("few", 1, lambda name, seconds: waits.append((name, seconds)))
    async with limiter.slot():
        second = asyncio.create_task(limiter.acquire())
        await asyncio.sleep(0.02)
    (await second)()
    assert [name for name, _ in waits] == ["few", "few"]
    assert waits[1][1] > max(0.01, waits[0][1])
