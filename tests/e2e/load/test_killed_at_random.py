"""The operator is killed at random moments of jobs of all kinds; parts of the cluster are restarted too.

`make chaos-cluster` kills a hundred times and writes out/chaos-cluster.json; the suite kills ten times.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.faults.results import keep
from e2e.killing.storm import Storm
from e2e.world import Shop
from localcluster.cluster import Status
from localcluster.native import NativeCluster

KILLS = int(os.environ.get("IMAGEJOB_CHAOS_KILLS", "10"))
MANY = 100
"""With so many kills it is the run whose result is kept."""
SEED = int(os.environ.get("IMAGEJOB_CHAOS_SEED") or "20261124")
MINUTES = 22
"""After so many no further kill is begun: the whole may take 25."""
RESULT = Path("out") / "chaos-cluster.json"


@pytest.fixture
def storm(shop: Shop, where: Status) -> Iterator[Storm]:
    yield Storm(shop, NativeCluster(where.name), random.Random(SEED))
    shop.world.await_operator()


@pytest.mark.timeout(1500, func_only=True)
def test_killed_at_random(storm: Storm, figures: list[str]) -> None:
    begun = time.monotonic()
    count = storm.rage(KILLS, begun + MINUTES * 60)
    figures.append(f"{count.kills} kills at random, seed {SEED}: {sum(count.jobs.values())} jobs")
    found = {
        "seed": SEED,
        "kills": count.kills,
        "restarts": dict(sorted(count.restarts.items())),
        "jobs": dict(sorted(count.jobs.items())),
        "wrongEnds": count.wrong,
        "doubledLaunches": count.doubled,
        "orphans": count.orphans,
        "minutes": round((time.monotonic() - begun) / 60, 1),
    }
    if KILLS >= MANY:
        keep(RESULT, found)
    assert (count.wrong, count.doubled, count.orphans) == ([], [], []), f"seed {SEED}"
    assert count.kills == KILLS
