"""Tenants arrive, leave and are cancelled in any order: each flow gets its share, and none waits too long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hostile.generators_fairness import Crowd, Step, slots, steps
from imagejob_operator.fairness import FairLimiter, FairQueue

CROWD_AND_NEWCOMER = [*[("arrive", 0)] * 9, ("arrive", 1), *[("leave", 0)] * 4]
MANY_FLOWS = [("arrive", flow) for flow in (0, 0, 1, 1, 2, 2, 3, 3)] + [("leave", 0)] * 4


@given(slots, steps)
@example(2, CROWD_AND_NEWCOMER)
@example(1, MANY_FLOWS)
@example(1, [("arrive", 0), ("arrive", 1), ("cancel", 1), ("arrive", 2), ("leave", 0)])
def test_slots_are_shared_fairly(slots: int, steps: list[Step]) -> None:
    asyncio.run(Crowd(slots).play(steps))


@given(st.integers(1, 20), st.integers(1, 40))
def test_one_flow_gets_half_of_the_slots(slots: int, tasks: int) -> None:
    queue: FairQueue[int] = FairQueue(slots)
    for item in range(tasks):
        queue.add("tenant", item)
    taken = 0
    while queue.take():
        taken += 1
    assert taken == min(tasks, (slots + 1) // 2)


def first_come_first_served(queue: FairQueue[object]) -> str | None:
    return next(iter(queue._waiting), None) if queue.free else None


def greediest(queue: FairQueue[object]) -> str | None:
    return max(queue._waiting, key=queue._held.__getitem__, default=None) if queue.free else None


def never_given_back(limiter: FairLimiter, flow: str) -> None:
    """A slot is lost."""


@pytest.mark.parametrize(
    ("owner", "name", "bug"),
    [
        (FairQueue, "next_flow", first_come_first_served),
        (FairQueue, "next_flow", greediest),
        (FairLimiter, "_release", never_given_back),
    ],
)
def test_a_planted_unfairness_is_found(
    monkeypatch: pytest.MonkeyPatch, owner: type, name: str, bug: Callable[..., object]
) -> None:
    monkeypatch.setattr(owner, name, bug)
    with pytest.raises(AssertionError):
        test_slots_are_shared_fairly()
