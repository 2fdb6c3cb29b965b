"""Every crash point of a scenario: before a request, after it was sent, and after its response."""

from __future__ import annotations

import asyncio
import enum
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from chaos.arena import Arena
from chaos.digest import Digest, differences, digest, without_conditions, without_evidence
from chaos.link import Call
from chaos.plan import Killed, Plan, Request
from chaos.remote_stores import TENANT_PREFIX
from chaos.scenario import Scenario
from fakes.memory_owners import FOLDER, ClusterOwners, GarbageCounts
from imagejob_operator.garbage.collector import GarbageCollector, GarbagePolicy
from imagejob_operator.naming.names import STAGING_ROOT
from imagejob_operator.stores.scoped_store import Part, ScopedStore


class Moment(enum.StrEnum):
    """When the operator is killed, relative to one request."""

    BEFORE = "before"
    SENT = "sent"
    """It took effect, with all other requests in flight, and the answers are lost."""
    ANSWERED = "answered"
    LATE = "late"
    """It takes effect when the next operator has looked around and made its first request."""


MOMENTS = {
    Moment.BEFORE: "before it: nothing of the request was sent",
    Moment.SENT: "after it was sent: it takes effect, with all requests in flight, and the answers are lost",
    Moment.ANSWERED: "after its answer: the operator has received it, and ends before its next request",
}
"""The three that are tried at each request, in words."""


class Kill(Plan):
    """The operator is killed at one request."""

    def __init__(self, at: int, moment: Moment) -> None:
        self.at, self.moment = at, moment
        self.done = False
        self._late: Call | None = None

    def late(self, arena: Arena, call: Call) -> bool:
        if self.moment is not Moment.LATE or self.done or len(arena.requests) != self.at:
            return False
        self.done, self._late = True, call
        return True

    def between(self, arena: Arena) -> None:
        if self._late and len(arena.requests) > self.at:
            call, self._late = self._late, None
            arena.carry_out(call)

    def before(self, arena: Arena, request: Request) -> None:
        if self.moment is Moment.LATE:
            return
        beyond = request.number == self.at + 1 and not self.done
        if beyond or (request.number == self.at and self.moment is Moment.BEFORE):
            # The request before it was one of the same call: nothing is in between.
            self.done = True
            raise Killed

    def answer(self, arena: Arena, last: Request) -> str:
        if self.done or last.number != self.at:
            return ""
        self.done = True
        return "lost" if self.moment is Moment.SENT else "taken"


@dataclass
class Undisturbed:
    """A scenario without faults."""

    scenario: Scenario
    digest: Digest
    requests: list[Request]
    delivered_at: set[int]
    """How many requests had been made when the watch delivered something."""


class Notes(Plan):
    """No faults; watch events are recorded."""

    def __init__(self) -> None:
        self.delivered_at: set[int] = set()

    def events(self, arena: Arena, waiting: deque[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        if waiting:
            self.delivered_at.add(len(arena.requests))
        return super().events(arena, waiting)


@dataclass
class Tally:
    """The outcome of some points of one scenario."""

    name: str
    points: int = 0
    divergences: list[str] = field(default_factory=list)
    duplicates: int = 0
    orphans: int = 0

    def add(
        self,
        where: str,
        arena: Arena,
        wanted: Digest,
        *,
        every_phase: bool = True,
        evidence: bool = True,
        every_event: bool = True,
    ) -> None:
        """Compare a run with a fault to the one without.

        Args:
            where: the crash point or fault.
            arena: the disturbed world.
            wanted: what stays of the undisturbed one.
            every_phase: whether conditions count, which tell which phases were seen.
            evidence: whether reasons and messages count.
            every_event: whether no Event may be missing; a wrong or a second one is never allowed.
        """
        self.points += 1
        got = digest(arena)
        if not every_phase:
            wanted, got = without_conditions(wanted), without_conditions(got)
        if not evidence:
            wanted, got = without_evidence(wanted), without_evidence(got)
        if not every_event:
            # Two jobs of one name may have the same Event, so each is counted.
            both: Counter[Any] = Counter(wanted["events"]) & Counter(got["events"])
            wanted = {**wanted, "events": sorted(both.elements())}
        wrong = [*arena.wrongs, *differences(wanted, got, arena.scenario.some_outputs)]
        self.duplicates += any(text.startswith("duplicate launch") for text in wrong)
        self.orphans += any(text.startswith("orphans") for text in wrong)
        if wrong:
            self.divergences.append(f"{self.name}: {where}: {'; '.join(wrong)}")


def total(name: str, tallies: Iterable[Tally]) -> Tally:
    """The sum of outcomes."""
    whole = Tally(name)
    for tally in tallies:
        whole.points += tally.points
        whole.divergences += tally.divergences
        whole.duplicates += tally.duplicates
        whole.orphans += tally.orphans
    return whole


def undisturbed(scenario: Scenario) -> Undisturbed:
    """Run a scenario without faults."""
    notes = Notes()
    arena = Arena(scenario, notes).run()
    assert not arena.wrongs, f"{scenario.name}: {arena.wrongs}"
    return Undisturbed(scenario, digest(arena), arena.requests, notes.delivered_at)


def loses_event(base: Undisturbed, at: int) -> bool:
    """Whether an operator that is killed at a request may lose an Event.

    It may between the status and the Event of a run without the finalizer, which would have kept the Event.
    """
    made = [request.operation for request in base.requests]
    guarded = made[:at].count("add_finalizer") > made[:at].count("remove_finalizer")
    return not guarded and "announce" in made[at : at + 2]


def sweep_up(arena: Arena) -> None:
    """Collect garbage in all buckets after the last signed URL has expired."""
    arena.clock.advance(timedelta(days=8).total_seconds())
    owners = ClusterOwners(arena.cluster)
    for name, bucket in arena.everywhere().items():
        staging = f"{STAGING_ROOT}/"
        store = ScopedStore([Part(staging, bucket, f"{TENANT_PREFIX}{staging}" if name else staging)])
        asyncio.run(GarbageCollector(store, owners, GarbageCounts(), GarbagePolicy(FOLDER)).sweep())


Point = tuple[Undisturbed, int, Moment]


def crash_points(base: Undisturbed) -> list[Point]:
    """All of them: three at each request."""
    return [(base, at, moment) for at in range(len(base.requests)) for moment in MOMENTS]


def kill_at(point: Point, scenario: Scenario | None = None) -> Tally:
    """Kill the operator at one point, and let the next one finish."""
    base, at, moment = point
    tally = Tally(base.scenario.name)
    arena = Arena(scenario or base.scenario, Kill(at, moment)).run()
    if moment is Moment.LATE:
        sweep_up(arena)
    where = f"killed {moment} request {at} ({base.requests[at]})"
    tally.add(where, arena, base.digest, every_event=not loses_event(base, at))
    return tally
