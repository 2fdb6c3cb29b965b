"""Slots that are shared fairly, and threads that behave like others: results, errors, cancellations."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from imagejob_operator.fairness import FairExecutor, FairLimiter, FairQueue, working_for


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


def queue(slots: int, **waiting: str) -> FairQueue[str]:
    made: FairQueue[str] = FairQueue(slots)
    for flow, items in waiting.items():
        for item in items:
            made.add(flow, item)
    return made


def taken(of: FairQueue[str]) -> str:
    found = []
    while one := of.take():
        found.append(one[1])
    return "".join(found)


def test_a_flow_takes_half_of_what_is_free() -> None:
    of = queue(4, a="1234", b="5")
    assert (taken(of), of.free) == ("152", 1)
    assert of.next_flow() is None
    of.release("b")
    assert (of.next_flow(), of.free) == (None, 2)
    of.release("a")
    assert (taken(of), of.free) == ("3", 2)


def test_the_flow_that_was_served_longest_ago_is_next() -> None:
    of = queue(9, a="12", b="34", c="5")
    assert taken(of) == "13524"


def test_urgent_items_of_a_flow_come_first() -> None:
    of = queue(9, a="12", b="3")
    of.add("a", "4", urgent=True)
    of.add("a", "5", urgent=True)
    of.discard("a", "5")
    assert taken(of) == "4312"


def test_an_item_that_is_discarded_is_not_taken() -> None:
    of = queue(9, a="12", b="3")
    of.discard("a", "1")
    of.discard("b", "3")
    assert of.take() == ("a", "2")
    assert of.take() is None


def test_an_item_that_does_not_wait_is_discarded_without_effect() -> None:
    of = queue(9, a="1")
    of.discard("a", "2")
    of.discard("b", "1")
    assert taken(of) == "1"


async def test_a_task_that_is_cancelled_while_it_waits_leaves_the_queue() -> None:
    limiter = FairLimiter("few", 1)
    release = await limiter.acquire()
    waiting = asyncio.create_task(limiter.acquire())
    await asyncio.sleep(0)
    waiting.cancel()
    release()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    (await limiter.acquire())()
    assert limiter._queue.free == 1


async def test_a_task_that_is_cancelled_with_its_slot_gives_it_back() -> None:
    limiter = FairLimiter("few", 1)
    release = await limiter.acquire()
    waiting = asyncio.create_task(limiter.acquire())
    await asyncio.sleep(0)
    release()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert limiter._queue.free == 1
