"""The operator dies at its requests, and the next one comes to the same end. `make chaos` tries them all."""

from __future__ import annotations

import random
from functools import cache

import pytest

from chaos.kills import Moment, Undisturbed, crash_points, kill_at, total, undisturbed
from chaos.scenarios import BY_NAME, LONG, SCENARIOS
from chaos.spread import spread

WHOLE = ("success", "a Pod crashes once", "an item fails", "deleted in Running")
SEED = 20260101
SAMPLE = 250


def verdict(found: list[str]) -> str:
    return f"{len(found)} diverged, the first: " + "\n".join(found[:3])


@pytest.mark.parametrize("name", WHOLE)
def test_every_crash_point_of(name: str) -> None:
    base = undisturbed(BY_NAME[name])
    points = crash_points(base)
    assert len(points) == 3 * len(base.requests) >= 75
    tally = total(name, spread(kill_at, points))
    assert tally.points == len(points)
    assert not tally.divergences, verdict(tally.divergences)


def test_a_sample_of_the_crash_points_of_all_scenarios() -> None:
    names = [scenario.name for scenario in (*SCENARIOS, *LONG)]
    points = [point for name in names for point in every_point(len(base_of(name).requests), name)]
    chosen = random.Random(SEED).sample(points, SAMPLE)
    found = [text for texts in spread(kill_there, chosen) for text in texts]
    assert not found, f"seed {SEED}: {verdict(found)}"


@cache
def base_of(name: str) -> Undisturbed:
    return undisturbed(BY_NAME[name])


def every_point(requests: int, name: str) -> list[tuple[str, int, Moment]]:
    # Of those that take hours, few: their requests are much the same.
    step = max(1, requests // 80)
    return [(name, at, moment) for at in range(0, requests, step) for moment in Moment]


def kill_there(point: tuple[str, int, Moment]) -> list[str]:
    name, at, moment = point
    return kill_at((base_of(name), at, moment)).divergences
