"""Wrong answers, wrong watches, wrong clocks and two leaders: the same end. `make chaos` tries them all."""

from __future__ import annotations

import random
from collections import defaultdict
from functools import cache

import pytest

from chaos.bases import base_of, verdict
from chaos.faults import Fault, FaultPoint, fault_at, fault_points
from chaos.scenarios import SCENARIOS
from chaos.spread import spread

SEED = 20260102
EACH = 2
"""Faults of each scenario; and of each kind of fault at least so many over all of them:"""
AT_LEAST = 6


@cache
def chosen() -> dict[Fault, list[FaultPoint]]:
    """Some faults of every scenario, by their kind."""
    dice = random.Random(SEED)
    every = {scenario.name: fault_points(base_of(scenario.name)) for scenario in SCENARIOS}
    found: dict[Fault, list[FaultPoint]] = defaultdict(list)
    for points in every.values():
        for point in dice.sample(points, EACH):
            found[point.fault].append(point)
    for fault in Fault:
        others = [point for points in every.values() for point in points if point.fault is fault]
        found[fault] += dice.sample(others, max(0, AT_LEAST - len(found[fault])))
    return found


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.value)
def test_a_fault_changes_nothing(fault: Fault) -> None:
    points = chosen()[fault]
    assert len(points) >= AT_LEAST
    found = [text for tally in spread(fault_at, points) for text in tally.divergences]
    assert not found, f"seed {SEED}: {verdict(found)}"


def test_a_sample_has_faults_of_every_scenario_and_of_every_kind() -> None:
    names = {point.base.scenario.name for points in chosen().values() for point in points}
    assert names == {scenario.name for scenario in SCENARIOS}
    assert set(chosen()) == {point.fault for point in fault_points(base_of("success"))} == set(Fault)
