"""The plan of faults in a run; the default has none."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chaos.link import Call

if TYPE_CHECKING:
    from chaos.arena import Arena


@dataclass(frozen=True)
class Request:
    """One request of an operator to the API server or the store, numbered from 0."""

    number: int
    target: str
    operation: str
    about: str

    def __str__(self) -> str:
        return f"{self.operation} {self.about}".strip()


class Killed(Exception):
    """The operator ends here."""


class Plan:
    """The faults of a run; here none."""

    remembers = False
    """Whether it needs listings of before."""

    def before(self, arena: Arena, request: Request) -> None:
        """Before a request takes effect: raise Killed, or the error that it fails with."""

    def effect(self, arena: Arena, request: Request) -> None:
        """After it took effect: raise what happens to the response."""

    def late(self, arena: Arena, call: Call) -> bool:
        """Whether the operator is killed with this call in flight, which then takes effect later."""
        return False

    def answer(self, arena: Arena, last: Request) -> str:
        """A call is over, and `last` was its last request: "", "lost", or "taken" by one that then ends."""
        return ""

    def events(self, arena: Arena, waiting: deque[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Remove and return the watch events to deliver now from `waiting`."""
        delivered = list(waiting)
        waiting.clear()
        return delivered

    def wall(self, arena: Arena) -> float:
        """Seconds by which the operator's wall clock is wrong now."""
        return 0.0

    def between(self, arena: Arena) -> None:
        """No request is in progress."""

    def next_moment(self, arena: Arena) -> float | None:
        """When the plan does something by itself."""
        return None
