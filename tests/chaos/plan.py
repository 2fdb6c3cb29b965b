"""What goes wrong in a play, and when; by itself nothing does."""

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
    """What goes wrong; here nothing."""

    remembers = False
    """Whether it needs listings of before."""

    def before(self, arena: Arena, request: Request) -> None:
        """A request is about to take effect: raise Killed, or the error that it ends with."""

    def effect(self, arena: Arena, request: Request) -> None:
        """It has taken effect: raise what becomes of the answer."""

    def late(self, arena: Arena, call: Call) -> bool:
        """Whether the operator ends with this call on its way, which then takes effect later."""
        return False

    def answer(self, arena: Arena, last: Request) -> str:
        """A call is over, and `last` was its last request: "", "lost", or "taken" by one that then ends."""
        return ""

    def events(self, arena: Arena, waiting: deque[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Which of the watch's events are told now; they are taken out of `waiting`."""
        told = list(waiting)
        waiting.clear()
        return told

    def wall(self, arena: Arena) -> float:
        """Seconds by which the operator's wall clock is wrong now."""
        return 0.0

    def between(self, arena: Arena) -> None:
        """Nothing is being carried out just now."""

    def next_moment(self, arena: Arena) -> float | None:
        """When it does something by itself."""
        return None
