"""Many store calls at once, but not too many; the first error ends them all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

AT_ONCE = 16
"""Store calls of one job under way at the same time."""


async def for_each(items: Iterable[T], work: Callable[[T], Awaitable[R]], at_once: int = AT_ONCE) -> list[R]:
    """Do `work` on every item, at most `at_once` at a time; the answers in the order of the items.

    Raises:
        Exception: the first error; what is under way is cancelled and waited for.
    """
    todo = list(items)
    answers: dict[int, R] = {}
    pending = iter(enumerate(todo))

    async def worker() -> None:
        for position, item in pending:
            answers[position] = await work(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(at_once, len(todo))):
                group.create_task(worker())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from errors
    return [answers[position] for position in range(len(todo))]
