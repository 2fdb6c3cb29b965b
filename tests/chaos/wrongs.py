"""Faults: failed requests, watches, clocks, two leaders."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from typing import Any

from chaos.arena import Arena
from chaos.plan import Killed, Plan, Request
from imagejob_operator.api.errors import Reason
from imagejob_operator.decision.attempt import Problem
from imagejob_operator.ports.imagejobs import Conflict, Unavailable
from imagejob_operator.ports.launcher import Refused
from imagejob_operator.ports.object_store import StoreUnavailable

GUARDED = {
    ("cluster", "add_finalizer"),
    ("cluster", "remove_finalizer"),
    ("cluster", "write_status"),
    ("cluster", "delete"),
    ("stores", "write_store_status"),
}
"""Writes that rest on a resource version."""


def no_answer(request: Request, retry_after: float | None = None) -> Exception | None:
    """The error of a request without a good response; None if there is none."""
    if request.target == "store":
        return StoreUnavailable("503 Slow Down")
    if request.operation in ("launch", "rehearse", "deliver"):
        return Refused(Problem(Reason.START_DEADLINE_EXCEEDED, "the Pod cannot be created: 503"))
    if request.operation == "remark":
        return None
    return Unavailable("503 Service Unavailable", retry_after)


class Wrong(Plan):
    """A fault that starts at one request."""

    def __init__(self, at: int) -> None:
        self.at = at

    def begun(self, arena: Arena) -> bool:
        return len(arena.requests) > self.at


class Conflicts(Wrong):
    """409: somebody wrote in between."""

    def before(self, arena: Arena, request: Request) -> None:
        if request.number == self.at and (request.target, request.operation) in GUARDED:
            raise Conflict("the object has been modified")


class Refuses(Wrong):
    """429 or 5xx: nothing was done."""

    def __init__(self, at: int, times: int = 1, retry_after: float | None = None) -> None:
        super().__init__(at)
        self.times, self.retry_after = times, retry_after

    def before(self, arena: Arena, request: Request) -> None:
        error = no_answer(request, self.retry_after)
        if error and self.at <= request.number < self.at + self.times:
            raise error


class LosesAnswer(Wrong):
    """The write took effect, and then the connection broke."""

    def effect(self, arena: Arena, request: Request) -> None:
        error = no_answer(request)
        if error and request.number == self.at:
            raise error


class DeliversTwice(Wrong):
    """Every watch event is delivered a second time, later."""

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.again: list[tuple[Any, ...]] = []

    def events(self, arena: Arena, waiting: deque[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        new = super().events(arena, waiting)
        if not self.begun(arena):
            return new
        delivered, self.again = [*new, *self.again], [event for event in new if event[0] == "job"]
        return delivered


class DeliversLate(Wrong):
    """Watch events are delayed by some requests."""

    LAG = 4

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.since: int | None = None

    def events(self, arena: Arena, waiting: deque[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        if not self.begun(arena) or not waiting:
            return super().events(arena, waiting)
        if self.since is None:
            self.since = len(arena.requests)
        idle = not any(process.calls for process in arena.processes)
        if len(arena.requests) < self.since + self.LAG and not idle:
            return []
        self.since = None
        return super().events(arena, waiting)


class Reorders(Wrong):
    """Events of Pods arrive before those of jobs, which arrive in the wrong order."""

    def events(self, arena: Arena, waiting: deque[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        delivered = super().events(arena, waiting)
        if not self.begun(arena):
            return delivered
        jobs = [event for event in delivered if event[0] == "job"]
        return [*(event for event in delivered if event[0] != "job"), *reversed(jobs)]


def relisted(arena: Arena) -> list[tuple[Any, ...]]:
    """A restarted watch: existing objects, and no event for deleted ones."""
    jobs, attempts = arena.listing()
    keys = {job.uid: job.key for job in jobs}
    return [
        *(("job", "ADDED", job) for job in jobs),
        *(("attempt", "ADDED", uid, keys[uid], attempt) for uid, attempt in attempts if uid in keys),
    ]


class Expires(Wrong):
    """The watch is silent for a while, then it starts again from a listing: deletions are never delivered."""

    SILENCE = 60.0

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.until: float | None = None
        self.over = False

    def next_moment(self, arena: Arena) -> float | None:
        return self.until if not self.over else None

    def between(self, arena: Arena) -> None:
        if self.begun(arena) and self.until is None:
            self.until = arena.now + self.SILENCE
        if self.until is not None and not self.over and arena.now >= self.until:
            self.over = True
            for process in arena.processes:
                process.events.clear()
                process.events.extend(relisted(arena))

    def events(self, arena: Arena, waiting: deque[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        if self.until is not None and not self.over:
            waiting.clear()
            return []
        return super().events(arena, waiting)


class StaleListing(Wrong):
    """The operator is killed, and what the next one lists is from before the last changes."""

    AGE = 2
    remembers = True

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.killed = False

    def before(self, arena: Arena, request: Request) -> None:
        if request.number == self.at and not self.killed:
            self.killed = True
            arena.listed_before = self.AGE
            raise Killed


class ClockJumps(Wrong):
    """The operator's wall clock is set."""

    def __init__(self, at: int, by: float) -> None:
        super().__init__(at)
        self.by = by

    def wall(self, arena: Arena) -> float:
        return self.by if self.begun(arena) else 0.0


class Freezes(Wrong):
    """The leader is frozen beyond its lease; another one takes over, and then the first one continues."""

    REQUESTS = 6

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.frozen: Any = None
        self.over = False

    def between(self, arena: Arena) -> None:
        if self.frozen is None and self.begun(arena) and arena.processes[0].receive(arena.tell):
            self.frozen = arena.processes[0]
            self.frozen.frozen = True
            arena.begin(replace(arena.scenario.setup, name="operator-2"))
            self.until = 0
        elif self.frozen is not None and not self.over and arena.lease.holder == "operator-2":
            self.until = self.until or len(arena.requests) + self.REQUESTS
            if len(arena.requests) >= self.until:
                self.over = True
                self.frozen.frozen = False


class TwoLead(Wrong):
    """For some seconds two operators are in charge, each with its own view of the world."""

    REQUESTS = 12
    SECONDS = 10.0

    def __init__(self, at: int) -> None:
        super().__init__(at)
        self.first: Any = None
        self.until = 0.0
        self.over = False

    def next_moment(self, arena: Arena) -> float | None:
        return self.until if self.first is not None and not self.over else None

    def between(self, arena: Arena) -> None:
        if self.first is None and self.begun(arena):
            self.first, self.until = arena.processes[0], arena.now + self.SECONDS
            arena.begin(replace(arena.scenario.setup, name="operator-2"))
            return
        made = len(arena.requests) > self.at + self.REQUESTS
        if self.first is not None and not self.over and (made or arena.now >= self.until):
            self.over = True
            if self.first in arena.processes:
                arena.end(self.first)
