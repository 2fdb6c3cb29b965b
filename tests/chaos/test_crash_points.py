"""The operator dies at its requests, and the next one comes to the same end. `make chaos` tries them all."""

from __future__ import annotations

import random

import pytest

from chaos.bases import base_of, verdict
from chaos.kills import Moment, Point, crash_points, kill_at, total
from chaos.scenarios import SCENARIOS
from chaos.spread import spread

WHOLE = ("success in one Pod", "deleted in Running")
SEED = 20260101
EACH = 3
"""Crash points of each scenario."""


@pytest.mark.parametrize("name", WHOLE)
def test_every_crash_point_of(name: str) -> None:
    base = base_of(name)
    points = crash_points(base)
    assert len(points) == 3 * len(base.requests) >= 75
    tally = total(name, spread(kill_at, points))
    assert tally.points == len(points)
    assert not tally.divergences, verdict(tally.divergences)


def test_a_sample_of_the_crash_points_of_all_scenarios() -> None:
    dice = random.Random(SEED)
    chosen = [point for scenario in SCENARIOS for point in some_of(scenario.name, dice)]
    assert {base.scenario.name for base, _, _ in chosen} == {scenario.name for scenario in SCENARIOS}
    found = [text for tally in spread(kill_at, chosen) for text in tally.divergences]
    assert not found, f"seed {SEED}: {verdict(found)}"


def some_of(name: str, dice: random.Random) -> list[Point]:
    """Some crash points of one scenario, of all four moments."""
    base = base_of(name)
    points = [(base, at, moment) for at in range(len(base.requests)) for moment in Moment]
    return dice.sample(points, min(EACH, len(points)))
