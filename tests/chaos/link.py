"""The connection between an operator's process and the world in the parent process.

The operator's event loop never waits by itself. When it has nothing left to do, it hands over the calls that
it has made and the moment at which it wants to be woken, and waits until the world answers. So a run
is exact: the same calls in the same order each time, and no second passes but in the world.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import selectors
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import datetime
from multiprocessing.connection import Connection
from typing import Any, TypeVar, TypeVarTuple

from fakes.clock import START

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@dataclass(frozen=True)
class Call:
    """One call of a port, sent to the world."""

    number: int
    target: str
    method: str
    arguments: tuple[Any, ...]
    words: dict[str, Any]


@dataclass(frozen=True)
class Wish:
    """The operator is idle: its new calls, and when it wants to continue."""

    calls: tuple[Call, ...]
    wake_at: float | None


@dataclass(frozen=True)
class Ask:
    """A call that is answered at once, because it needs no network."""

    call: Call


@dataclass(frozen=True)
class Answer:
    """The outcome of a call."""

    number: int
    value: Any
    failed: bool = False


@dataclass(frozen=True)
class Packed:
    """A serialized error: its class may need more than a message."""

    kind: type[BaseException]
    arguments: tuple[Any, ...]
    state: dict[str, Any]

    @classmethod
    def of(cls, error: BaseException) -> Packed:
        return cls(type(error), error.args, dict(vars(error)))

    def open(self) -> BaseException:
        error: BaseException = self.kind.__new__(self.kind, *self.arguments)
        vars(error).update(self.state)
        return error


@dataclass(frozen=True)
class Go:
    """A message of the world: the time, responses, and watch events."""

    now: float
    wall: datetime
    answers: tuple[Answer, ...] = ()
    events: tuple[tuple[Any, ...], ...] = ()
    die: bool = False
    """End at once, with nothing done any more; after the answers are taken, if there are any."""


@dataclass(frozen=True)
class Broke:
    """The operator ended with an error."""

    text: str


@dataclass(frozen=True)
class Snapshot:
    """A gate that was checked when the call was made."""

    value: bool

    def __call__(self) -> bool:
        return self.value


@dataclass
class Link:
    """The operator's end."""

    connection: Connection
    end: Callable[[], None]
    now: float = 0.0
    wall: datetime = START
    on_event: Callable[..., None] = lambda *event: None
    """Takes the events of the watch; those before a listener was added are in the listing."""
    _numbers: Any = field(default_factory=itertools.count)
    _new: list[Call] = field(default_factory=list)
    _open: dict[int, asyncio.Future[Any]] = field(default_factory=dict)

    def clock(self) -> datetime:
        """The operator's wall clock."""
        return self.wall

    def make(self, target: str, method: str, arguments: tuple[Any, ...], words: dict[str, Any]) -> Call:
        fixed = tuple(Snapshot(a()) if callable(a) else a for a in arguments)
        return Call(next(self._numbers), target, method, fixed, words)

    async def call(self, call: Call) -> Any:
        self._new.append(call)
        answer = self._open[call.number] = asyncio.get_running_loop().create_future()
        try:
            return await answer
        finally:
            self._open.pop(call.number, None)

    def ask(self, call: Call) -> Any:
        self.connection.send(Ask(call))
        answer: Answer = self.connection.recv()
        if answer.failed:
            raise answer.value.open()
        return answer.value

    def exchange(self, timeout: float | None) -> None:
        """Nothing is left to do: let the world continue."""
        calls, self._new = tuple(self._new), []
        self.connection.send(Wish(calls, None if timeout is None else self.now + timeout))
        go: Go = self.connection.recv()
        if go.die and not go.answers:
            self.end()
        self.now, self.wall = go.now, go.wall
        for answer in go.answers:
            self._take(answer)
        for event in go.events:
            self.on_event(*event)
        if go.die:
            self.end()

    def _take(self, answer: Answer) -> None:
        waiting = self._open.get(answer.number)
        if waiting is None or waiting.done():
            return  # the caller was cancelled
        if answer.failed:
            waiting.set_exception(answer.value.open())
        else:
            waiting.set_result(answer.value)


class _Waits(selectors.DefaultSelector):
    def __init__(self, link: Link) -> None:
        super().__init__()
        self._link = link

    def select(self, timeout: float | None = None) -> Any:
        if timeout is None or timeout > 0:
            self._link.exchange(timeout)
        return super().select(0)


class LinkedLoop(asyncio.SelectorEventLoop):
    """An event loop with simulated time."""

    def __init__(self, link: Link) -> None:
        self._link = link
        super().__init__(_Waits(link))

    def time(self) -> float:
        return self._link.now

    def run_in_executor(self, executor: Any, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Run at once: work in a thread takes no simulated time."""
        done: asyncio.Future[T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:  # noqa: BLE001  (it is raised where it is awaited)
            done.set_exception(error)
        return done


class Remote:
    """A port of the world: effects are calls, computations are answered at once."""

    def __init__(self, link: Link, target: str, kind: type) -> None:
        self._link, self._target, self._kind = link, target, kind

    def __getattr__(self, method: str) -> Any:
        function = getattr(self._kind, method)

        def call(*arguments: Any, **words: Any) -> Any:
            made = self.made(method, arguments, words)
            if inspect.isasyncgenfunction(function):
                return self._stream(made)
            if inspect.iscoroutinefunction(function):
                return self._link.call(made)
            return self._link.ask(made)

        return call

    def made(self, method: str, arguments: tuple[Any, ...], words: dict[str, Any]) -> Call:
        return self._link.make(self._target, method, arguments, words)

    async def _stream(self, made: Call) -> AsyncIterator[Any]:
        for item in await self._link.call(made):
            yield item


def carry_out(target: Any, call: Call) -> Any:
    """Carry out a call in the world, where the fakes complete at once."""
    result = getattr(target, call.method)(*call.arguments, **call.words)
    if inspect.isasyncgen(result):
        return finish(_all(result))
    return finish(result) if inspect.iscoroutine(result) else result


def finish(coroutine: Any) -> Any:
    """Run a coroutine that never really waits."""
    try:
        while True:
            coroutine.send(None)
    except StopIteration as done:
        return done.value


async def _all(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]
