"""The same scenarios with faults instead of kills: which fault starts where, and what is checked."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace

from chaos.arena import Arena
from chaos.kills import Tally, Undisturbed, loses_event, sweep_up
from chaos.plan import Plan, Request
from chaos.wrongs import (
    GUARDED,
    ClockJumps,
    Conflicts,
    DeliversLate,
    DeliversTwice,
    Expires,
    Freezes,
    LosesAnswer,
    Refuses,
    Reorders,
    StaleListing,
    TwoLead,
    no_answer,
)
from imagejob_operator.ports.imagejobs import Unavailable

READS = {
    "stat",
    "list",
    "folders",
    "get",
    "namespace",
    "secret",
    "config_map",
    "cluster_uid",
    "uids",
}
"""Requests that change nothing: it is all one whether they were not made, or their answer was lost."""
PACED = {"cluster", "stores", "owners"}
"""Whose 429 says when to come again; that of an object store, or to a new Pod, is a 5xx like any other."""


class Fault(enum.Enum):
    """Kinds of faults, each starting at one request."""

    CONFLICT = "409"
    TOO_MANY = "429"
    REFUSED = "5xx, nothing done"
    REFUSED_THRICE = "5xx three times"
    ANSWER_LOST = "timeout after the write took effect"
    DUPLICATED = "duplicated watch events"
    LATE = "late watch events"
    REORDERED = "reordered watch events"
    EXPIRED = "lost watch events, then 410"
    STALE = "killed, and a stale listing"
    CLOCK_FORWARD = "clock 90 s ahead"
    CLOCK_BACK = "clock an hour behind"
    FROZEN = "leader frozen beyond its lease"
    TWO_LEADERS = "two leaders for an instant"


PLANS: dict[Fault, Callable[[int], Plan]] = {
    Fault.CONFLICT: Conflicts,
    Fault.TOO_MANY: lambda at: Refuses(at, retry_after=1.0),
    Fault.REFUSED: Refuses,
    Fault.REFUSED_THRICE: lambda at: Refuses(at, times=3),
    Fault.ANSWER_LOST: LosesAnswer,
    Fault.DUPLICATED: DeliversTwice,
    Fault.LATE: DeliversLate,
    Fault.REORDERED: Reorders,
    Fault.EXPIRED: Expires,
    Fault.STALE: StaleListing,
    Fault.CLOCK_FORWARD: lambda at: ClockJumps(at, 90),
    Fault.CLOCK_BACK: lambda at: ClockJumps(at, -3600),
    Fault.FROZEN: Freezes,
    Fault.TWO_LEADERS: TwoLead,
}


OWN_EVIDENCE = {Fault.TOO_MANY, Fault.REFUSED, Fault.REFUSED_THRICE, Fault.ANSWER_LOST}
"""What the operator sees of them is an error that it may have to tell of."""

ENDS = {Fault.STALE, Fault.FROZEN, Fault.TWO_LEADERS}
"""Another operator goes on."""


@dataclass(frozen=True)
class FaultPoint:
    """One fault at one request of a scenario."""

    base: Undisturbed
    fault: Fault
    at: int


def fault_points(base: Undisturbed) -> list[FaultPoint]:
    """Every fault at every request that it can affect."""
    return [
        FaultPoint(base, fault, request.number)
        for request in base.requests
        for fault in Fault
        if _means_something(base, fault, request)
    ]


def _means_something(base: Undisturbed, fault: Fault, request: Request) -> bool:
    """Whether the fault at this request differs from that at every other point."""
    match fault:
        case Fault.CONFLICT:
            return (request.target, request.operation) in GUARDED
        case Fault.TOO_MANY:
            return request.target in PACED and isinstance(no_answer(request), Unavailable)
        case Fault.REFUSED | Fault.REFUSED_THRICE:
            return no_answer(request) is not None
        case Fault.ANSWER_LOST:
            return no_answer(request) is not None and request.operation not in READS
        case Fault.DUPLICATED | Fault.LATE | Fault.REORDERED:
            # Wherever it begins between two events, the next one is the first that it meets.
            return request.number + 1 in base.delivered_at
        case Fault.CLOCK_FORWARD:
            # It passes deadlines that are shorter, and rightly.
            return "DeadlineSeconds" not in repr(base.scenario.spec) and not base.scenario.timed
        case Fault.CLOCK_BACK:
            return not base.scenario.timed
        case Fault.EXPIRED:
            # A user that waits for a phase may never see it: a watch that was silent skips some.
            return not base.scenario.steps
        case _:
            return True


def _loses_event(point: FaultPoint) -> bool:
    """Whether the request for an Event is refused, or is the last one of an operator; it is made once."""
    refused = point.base.requests[point.at : point.at + 3]
    if point.fault in OWN_EVIDENCE:
        return any(request.operation == "announce" for request in refused)
    return point.fault in ENDS and loses_event(point.base, point.at)


def fault_at(point: FaultPoint) -> Tally:
    """Run the scenario with the fault."""
    scenario = point.base.scenario
    if point.fault is Fault.FROZEN:
        scenario = replace(scenario, setup=replace(scenario.setup, elects=True))
    arena = Arena(scenario, PLANS[point.fault](point.at)).run()
    if point.fault in (Fault.FROZEN, Fault.TWO_LEADERS):
        # A request of the one that stood still may land when all is over: garbage collection finds it.
        sweep_up(arena)
    tally = Tally(scenario.name)
    where = f"{point.fault.value} at request {point.at} ({point.base.requests[point.at]})"
    evidence = not (scenario.names_last_error and point.fault in OWN_EVIDENCE)
    tally.add(
        where,
        arena,
        point.base.digest,
        every_phase=point.fault is not Fault.EXPIRED,
        evidence=evidence,
        every_event=not _loses_event(point),
    )
    return tally
