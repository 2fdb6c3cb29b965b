"""Fair shares of a limited resource: its slots are divided between flows, each the work of one namespace.

A flow may take a slot if it holds fewer slots than are free. So one flow gets half of the slots, and each
further flow at most half of what is left. A slot that becomes free goes to the waiting flow that holds the
fewest, and among equals to the one that was served longest ago. So a flow that holds nothing waits for at
most one release for each waiting flow.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import ContextVar
from functools import partial
from time import perf_counter
from typing import Any, Generic, NamedTuple, TypeVar

T = TypeVar("T")

COMPUTING_THREADS = 4
"""For what takes long to compute. More would only compete with the event loop for the interpreter."""

_flow: ContextVar[str] = ContextVar("flow", default="")
"""The flow that the current task works for; empty for the operator itself."""


@contextlib.contextmanager
def working_for(namespace: str, purpose: str) -> Iterator[None]:
    """Everything inside, and in tasks created inside, is in the flow of a namespace.

    A namespace has one flow for each `purpose`, so that its reconciles do not wait for its own long work.
    """
    token = _flow.set(f"{namespace}/{purpose}")
    try:
        yield
    finally:
        _flow.reset(token)


class _Items(NamedTuple, Generic[T]):
    """What waits of one flow."""

    urgent: deque[T]
    others: deque[T]


class FairQueue(Generic[T]):
    """Items of flows that wait for slots; each item that is taken holds a slot until it is released."""

    def __init__(self, slots: int) -> None:
        self.free = slots
        self._held: Counter[str] = Counter()
        self._waiting: OrderedDict[str, _Items[T]] = OrderedDict()
        """Items by flow; the flow that was served longest ago is first."""

    def add(self, flow: str, item: T, urgent: bool = False) -> None:
        """The item waits; the urgent ones of a flow come before its others."""
        items = self._waiting.setdefault(flow, _Items(deque(), deque()))
        (items.urgent if urgent else items.others).append(item)

    def discard(self, flow: str, item: T) -> None:
        """The item does not wait any more."""
        for items in self._waiting.get(flow, ()):
            with contextlib.suppress(ValueError):
                items.remove(item)
        if not any(self._waiting.get(flow, ())):
            self._waiting.pop(flow, None)

    def next_flow(self) -> str | None:
        """The flow that gets the next slot; None if no flow that waits may take one."""
        flow = min(self._waiting, key=self._held.__getitem__, default=None)
        return flow if flow is not None and self._held[flow] < self.free else None

    def take(self) -> tuple[str, T] | None:
        """The next item, which holds a slot from now on, and its flow."""
        flow = self.next_flow()
        if flow is None:
            return None
        items = self._waiting.pop(flow)
        item = (items.urgent or items.others).popleft()
        if any(items):
            self._waiting[flow] = items
        self._held[flow] += 1
        self.free -= 1
        return flow, item

    def release(self, flow: str) -> None:
        """An item of the flow gives its slot back."""
        self.free += 1
        self._held[flow] -= 1
        if not self._held[flow]:
            del self._held[flow]


Waited = Callable[[str, float], None]
"""Called with the name of a limiter and the seconds that a flow waited for a slot."""


def ignore(limiter: str, seconds: float) -> None:
    """Measure nothing."""


class FairLimiter:
    """Tasks take slots for the flow that they work for, and wait if their flow may not have one yet."""

    def __init__(self, name: str, slots: int, waited: Waited = ignore) -> None:
        self._name = name
        self._waited = waited
        self._queue: FairQueue[asyncio.Future[None]] = FairQueue(slots)

    @contextlib.asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot."""
        release = await self.acquire()
        try:
            yield
        finally:
            release()

    async def acquire(self) -> Callable[[], None]:
        """Wait for a slot; the function that gives it back."""
        flow, started = _flow.get(), perf_counter()
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.add(flow, granted)
        self._grant()
        try:
            await granted
        except asyncio.CancelledError:
            if granted.cancelled():
                self._queue.discard(flow, granted)
            else:
                self._release(flow)
            raise
        finally:
            self._waited(self._name, perf_counter() - started)
        return lambda: self._release(flow)

    def _release(self, flow: str) -> None:
        self._queue.release(flow)
        self._grant()

    def _grant(self) -> None:
        while taken := self._queue.take():
            flow, granted = taken
            if granted.cancelled():
                self._queue.release(flow)
            else:
                granted.set_result(None)


class FairExecutor(ThreadPoolExecutor):
    """Runs calls in threads, which are divided between the flows that submit calls.

    A call that is cancelled while it runs keeps its thread until it ends.
    """

    def __init__(self, name: str, threads: int, waited: Waited = ignore) -> None:
        super().__init__(threads, thread_name_prefix=name)
        self._name = name
        self._waited = waited
        self._guard = threading.Lock()
        self._calls: FairQueue[tuple[Future[Any], Callable[[], Any], float]] = FairQueue(threads)

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """See ThreadPoolExecutor; the flow is that of the caller."""
        future: Future[T] = Future()
        with self._guard:
            self._calls.add(_flow.get(), (future, partial(fn, *args, **kwargs), perf_counter()))
        self._start()
        return future

    def _start(self) -> None:
        with self._guard:
            while taken := self._calls.take():
                try:
                    super().submit(self._run, *taken)
                except RuntimeError:  # it was shut down
                    taken[1][0].cancel()

    def _run(self, flow: str, call: tuple[Future[Any], Callable[[], Any], float]) -> None:
        future, work, submitted = call
        self._waited(self._name, perf_counter() - submitted)
        try:
            if future.set_running_or_notify_cancel():
                future.set_result(work())
        except BaseException as error:  # noqa: BLE001  (raised where the result is awaited)
            future.set_exception(error)
        finally:
            with self._guard:
                self._calls.release(flow)
            self._start()
