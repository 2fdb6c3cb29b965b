"""Wrong answers, wrong watches, wrong clocks and two leaders: the same end. `make chaos` tries many more."""

from __future__ import annotations

import random
from functools import cache

import pytest

from chaos.faults import Fault, FaultPoint, fault_at, fault_points
from chaos.kills import Undisturbed, undisturbed
from chaos.scenarios import BY_NAME, SCENARIOS
from chaos.spread import spread

SEED = 20260102
SAMPLE = 16
"""Points of each kind of fault, over all scenarios."""


@cache
def base_of(name: str) -> Undisturbed:
    return undisturbed(BY_NAME[name])


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.value)
def test_a_fault_changes_nothing(fault: Fault) -> None:
    points = [
        point
        for scenario in SCENARIOS
        for point in fault_points(base_of(scenario.name))
        if point.fault is fault
    ]
    chosen = random.Random(SEED).sample(points, SAMPLE)
    found = [text for tally in spread(fault_at, chosen) for text in tally.divergences]
    assert not found, f"seed {SEED}, {len(found)} diverged, the first: " + "\n".join(found[:3])


def test_every_fault_has_a_scenario_and_is_really_made() -> None:
    points = fault_points(base_of("success"))
    assert {point.fault for point in points} == set(Fault)
    worlds = [FaultPoint(base_of("success"), Fault.REFUSED, point.at) for point in points[:1]]
    assert spread(fault_at, worlds)[0].points == 1
