"""Many at once but not too many, in order, and the first error ends them all."""

from __future__ import annotations

import asyncio

import pytest

from imagejob_operator.operations.concurrency import for_each


async def test_answers_are_in_the_order_of_the_items() -> None:
    async def work(n: int) -> int:
        for _ in range(10 - n):
            await asyncio.sleep(0)
        return n * n

    assert await for_each(range(10), work, at_once=4) == [n * n for n in range(10)]


async def test_no_more_than_so_many_at_once() -> None:
    under_way = most = 0

    async def work(n: int) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1

    await for_each(range(50), work, at_once=7)
    assert most == 7


async def test_nothing_is_done_for_nothing() -> None:
    assert await for_each([], asyncio.sleep) == []


async def test_the_first_error_comes_out_bare_and_ends_the_others() -> None:
    ended: list[int] = []

    async def work(n: int) -> None:
        try:
            if n == 3:
                raise KeyError("three")
            await asyncio.Event().wait()
        finally:
            ended.append(n)

    with pytest.raises(KeyError, match="three"):
        await for_each(range(100), work, at_once=5)
    assert sorted(ended) == [0, 1, 2, 3, 4], "those under way were waited for, no other was begun"


async def test_a_cancelled_caller_ends_and_waits_for_all() -> None:
    ended: list[int] = []

    async def work(n: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(n)

    task = asyncio.ensure_future(for_each(range(3), work))
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(ended) == [0, 1, 2]
