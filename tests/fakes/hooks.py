"""What a test may do to the calls of a fake: record them, fail them, hold them, lose their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Hook = Callable[[str, str, bool], Awaitable[None]]
"""Called with the operation, what it is about, and whether it has taken effect already."""


class Hooks:
    """Every call of a fake passes here twice: before it takes effect, and after."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []
        self.effects = 0
        """How many calls took effect; those that were refused did not."""
        self._hooks: list[Hook] = []

    def install(self, hook: Hook, first: bool = False) -> Hook:
        """Have a hook called, after those that are there or before them."""
        self._hooks.insert(0 if first else len(self._hooks), hook)
        return hook

    def remove(self, hook: Hook) -> None:
        self._hooks.remove(hook)

    def fail(
        self,
        error: Exception,
        operation: str = "",
        about: str = "",
        times: int = -1,
        lost_answer: bool = False,
    ) -> Hook:
        """Have calls fail: all, or those of one operation, or about keys that contain `about`."""
        return self.install(Fault(error, operation, about, times, lost_answer))

    async def before(self, operation: str, about: str) -> None:
        self.calls.append((operation, about))
        await asyncio.sleep(0)
        for hook in list(self._hooks):
            await hook(operation, about, False)

    async def after(self, operation: str, about: str) -> None:
        self.effects += 1
        for hook in list(self._hooks):
            await hook(operation, about, True)

    def count(self, *operations: str) -> int:
        return sum(operation in operations for operation, _ in self.calls)


@dataclass
class Fault:
    """A hook that raises; with `lost_answer` the call takes effect and its answer is lost."""

    error: Exception
    operation: str = ""
    about: str = ""
    times: int = -1
    lost_answer: bool = False

    async def __call__(self, operation: str, about: str, done: bool) -> None:
        fits = self.operation in ("", operation) and self.about in about and done == self.lost_answer
        if fits and self.times != 0:
            self.times -= 1
            raise self.error


class Gate:
    """A hook that holds calls until it is opened."""

    def __init__(self, operation: str, about: str = "") -> None:
        self._operation, self._about = operation, about
        self._open = asyncio.Event()
        self.reached = asyncio.Event()

    def open(self) -> None:
        self._open.set()

    async def __call__(self, operation: str, about: str, done: bool) -> None:
        if not done and operation == self._operation and self._about in about:
            self.reached.set()
            await self._open.wait()


class Death:
    """A hook that ends the process at one call: that call and all later ones never return."""

    def __init__(self, at_call: int, after_effect: bool) -> None:
        self._left = at_call
        self._after_effect = after_effect
        self.happened = asyncio.Event()

    async def __call__(self, operation: str, about: str, done: bool) -> None:
        if not self.happened.is_set():
            if done != self._after_effect:
                return
            self._left -= 1
            if self._left >= 0:
                return
            self.happened.set()
        await asyncio.Event().wait()
