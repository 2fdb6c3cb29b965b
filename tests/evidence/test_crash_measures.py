"""What the page on crashes shows of real clusters was measured whole, and all was as promised."""

from __future__ import annotations

import json
from typing import Any

import pytest

from docgen.__main__ import ROOT
from docgen.crash_cluster import PROMISED, failover, killed_at_random
from e2e.killing.kinds import KINDS
from e2e.killing.replicas import ON_THE_WAY, Takeover
from e2e.killing.storm import PARTS

KILLED, FAILOVER = (
    json.loads((ROOT / "docs" / "evidence" / "measured" / name).read_text())
    for name in ("chaos-cluster.json", "failover.json")
)


def lacks_of_kills(found: dict[str, Any]) -> list[str]:
    """What a run of `make chaos-cluster` does not have that it must have."""
    lacks = [name for name in ("wrongEnds", "doubledLaunches", "orphans") if found[name]]
    lacks += [kind.name for kind in KINDS if not found["jobs"].get(kind.name)]
    lacks += [part for part in PARTS if not found["restarts"].get(part)]
    return [
        *lacks,
        *(["kills"] if found["kills"] < 100 else []),
        *(["time"] if found["minutes"] > 25 else []),
    ]


def lacks_of_failover(found: dict[str, Any]) -> list[str]:
    """What a run of `make bench-failover` does not have that it must have."""
    takeovers = found["takeovers"]
    lacks = [name for name in ("wrongEnds", "doubledLaunches") if found[name]]
    lacks += ["late writes" for t in takeovers if t["late"] > ON_THE_WAY]
    lacks += ["a slow takeover" for t in takeovers if Takeover(**t).took > PROMISED[t["way"]]]
    lacks += [way for way in PROMISED if not any(takeover["way"] == way for takeover in takeovers)]
    many = sum(takeover["way"] != "stopped" for takeover in takeovers) >= 20
    return [*lacks, *([] if many else ["takeovers"]), *(["jobs"] if found["jobs"] < 200 else [])]


def test_it_was_measured_whole() -> None:
    assert (lacks_of_kills(KILLED), lacks_of_failover(FAILOVER)) == ([], [])


@pytest.mark.parametrize(
    ("change", "lacking"),
    [
        ({"wrongEnds": ["well-1: it is gone"]}, "wrongEnds"),
        ({"doubledLaunches": ["well-1: twice"]}, "doubledLaunches"),
        ({"orphans": ["pod x"]}, "orphans"),
        ({"kills": 99}, "kills"),
        ({"minutes": 25.1}, "time"),
        ({"restarts": {}}, "etcd"),
        ({"jobs": {"well": 1}}, "deleted"),
    ],
)
def test_what_lacks_of_the_kills_is_found(change: dict[str, Any], lacking: str) -> None:
    assert lacking in lacks_of_kills({**KILLED, **change})


@pytest.mark.parametrize(
    ("change", "lacking"),
    [
        ({"wrongEnds": ["job-1: it is gone"]}, "wrongEnds"),
        ({"doubledLaunches": ["job-1: twice"]}, "doubledLaunches"),
        ({"jobs": 199}, "jobs"),
        ({"takeovers": FAILOVER["takeovers"][:20]}, "takeovers"),
        ({"takeovers": [{"way": "killed", "lease": 1, "work": 20.1, "late": 0}]}, "a slow takeover"),
        ({"takeovers": [{"way": "stopped", "lease": 3.1, "work": 3.1, "late": 0}]}, "a slow takeover"),
        ({"takeovers": [{"way": "frozen", "lease": 1, "work": 1, "late": 3}]}, "late writes"),
        ({"takeovers": [{"way": "frozen", "lease": 1, "work": 1, "late": 0}]}, "stopped"),
    ],
)
def test_what_lacks_of_the_takeovers_is_found(change: dict[str, Any], lacking: str) -> None:
    assert lacking in lacks_of_failover({**FAILOVER, **change})


def test_the_page_shows_what_went_wrong() -> None:
    wrong = {"wrongEnds": ["x"], "doubledLaunches": ["x", "y"], "orphans": ["x", "y", "z"]}
    assert "**1 wrong outcomes, 2 duplicate launches, 3 orphans**" in killed_at_random({**KILLED, **wrong})[0]
    slow = [{"way": way, "lease": 1.0, "work": 21.5, "late": 2} for way in PROMISED]
    page = "\n".join(failover({**FAILOVER, "takeovers": slow}))
    assert "21.5 s" in page
    assert "**6 writes of a replica" in page
