"""Concurrent calls with a limit; the first error cancels all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from operator import length_hint
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 16
"""How many store calls of one job run at the same time."""


async def for_each(items: Iterable[T], work: Callable[[T], Awaitable[R]], at_once: int = AT_ONCE) -> list[R]:
    """Call `work` on every item, at most `at_once` at a time; the results in the order of the items.

    An item is taken when there is a place for it, so those of an iterator need not exist all at once. Raises
    the first error, after the other calls are cancelled.
    """
    results: list[Any] = []
    pending = iter(items)

    async def worker() -> None:
        for item in pending:
            position = len(results)
            results.append(None)
            results[position] = await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, length_hint(items, at_once))):
                group.create_task(worker())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return results


async def compute(work: Callable[..., R], *arguments: Any) -> R:
    """Call a function that computes for long in a thread, so that the event loop can renew the Lease."""
    return await asyncio.to_thread(work, *arguments)


async def in_pages(items: AsyncIterator[T], size: int) -> AsyncIterator[list[T]]:
    """The items in lists of `size`."""
    page: list[T] = []
    async for item in items:
        page.append(item)
        if len(page) == size:
            yield page
            page = []
    if page:
        yield page
