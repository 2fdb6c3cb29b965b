"""The page on crashes shows every scenario and fault of now, and a run in which nothing diverged."""

from __future__ import annotations

import json
from typing import Any

import pytest

from chaos.faults import Fault
from chaos.planted import BUGS
from chaos.scenarios import SCENARIOS
from docgen.__main__ import CRASHES

MEASURED: dict[str, Any] = json.loads(CRASHES["chaos.json"].read_text())


def objections(measured: dict[str, Any]) -> list[str]:
    """Differences between what was measured and what exists."""
    scenarios = {scenario.name for scenario in SCENARIOS}
    found = [f"{name} in one only" for name in scenarios ^ {row["scenario"] for row in measured["rows"]}]
    found += [f"{row['scenario']} diverged" for row in measured["rows"] if row["divergences"]]
    found += [f"{row['scenario']} was not killed" for row in measured["rows"] if not row["kills"]]
    points = {row["fault"]: row["points"] for row in measured["faults"]}
    found += [f"{fault.value} was not made" for fault in Fault if not points.get(fault.value)]
    shown = {row["bug"] for row in measured["planted"] if row["found"]}
    found += [f"not found: {bug.words}" for bug in BUGS if bug.words not in shown]
    totals = measured["totals"]
    found += [name for name in ("divergences", "duplicates", "orphans") if totals[name]]
    return found


def test_every_scenario_was_measured_and_nothing_diverged() -> None:
    assert objections(MEASURED) == []


@pytest.mark.parametrize(
    ("part", "change", "words"),
    [
        ("rows", {"scenario": "unheard-of"}, "in one only"),
        ("rows", {"divergences": 1}, "diverged"),
        ("rows", {"kills": 0}, "was not killed"),
        ("faults", {"points": 0}, "was not made"),
        ("planted", {"found": ""}, "not found"),
    ],
    ids=["another-scenario", "diverged", "not-killed", "no-fault", "blind"],
)
def test_a_page_that_is_not_so_is_found(part: str, change: dict[str, Any], words: str) -> None:
    first, *others = MEASURED[part]
    wrong = {**MEASURED, part: [{**first, **change}, *others]}
    assert any(words in text for text in objections(wrong))
