"""The verdict on mutants: a survivor lowers the share of its part, unless it is listed as harmless."""

from __future__ import annotations

from pathlib import Path

import pytest

from mutants.harmless import HARMLESS, function_of, harmless
from mutants.verdict import PARTS, Tally, report

DECISION = [f"imagejob_operator.decision.decide.x_decide__mutmut_{n}" for n in range(20)]
CONTROLLER = [f"imagejob_operator.controller.cache.xǁCacheǁsee__mutmut_{n}" for n in range(10)]
CHANGE = "- if a < b:\n+ if a <= b:"


def test_killed_mutants_pass() -> None:
    tally = Tally.of([*DECISION, *CONTROLLER], {}, {})
    assert [tally.share(part) for part in PARTS] == [1, 1]


def test_survivors_are_printed_and_lower_the_share() -> None:
    tally = Tally.of([*DECISION, *CONTROLLER], {DECISION[0]: CHANGE, DECISION[1]: CHANGE}, {})
    assert tally.share("decision") == pytest.approx(0.9)
    assert tally.share("decision") < PARTS["decision"]
    assert f"{DECISION[0]}\n{CHANGE}" in report(tally, 1)
    assert "decision: 18 of 20 killed, 90.0% (at least 95%)" in report(tally, 1)


def test_only_the_listed_change_of_the_listed_function_is_harmless() -> None:
    listed = {(function_of(DECISION[0]), CHANGE): "both are equal here"}
    tally = Tally.of(DECISION, {DECISION[0]: CHANGE, DECISION[1]: "- x\n+ y"}, listed)
    assert tally.counts("decision") == (18, 19)
    other = Tally.of(CONTROLLER, {CONTROLLER[0]: CHANGE}, listed)
    assert other.counts("operations and controller") == (9, 10)


def test_a_part_without_mutants_does_not_pass() -> None:
    assert Tally.of(DECISION, {}, {}).share("operations and controller") == 0


def test_every_harmless_mutant_has_a_reason() -> None:
    assert all(harmless((Path(__file__).parents[3] / HARMLESS).read_text()).values())
