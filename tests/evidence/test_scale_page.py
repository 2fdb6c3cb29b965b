"""The measurement of the cost of an ImageJob is complete, and its figures can be true."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from docgen.__main__ import SCALE
from scale.document import objections

MEASURED = json.loads(SCALE.read_text())
REPETITIONS = 3


def missing(measured: dict[str, Any]) -> list[str]:
    """What a measurement lacks."""
    repeated = measured["repetitions"]
    few = [f"{repeated} repetitions, {REPETITIONS} are needed"] if repeated < REPETITIONS else []
    return few + objections(measured)


def test_the_measurement_is_complete() -> None:
    assert missing(MEASURED) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [({"repetitions": 1}, "1 repetitions"), ({"planes": {}}, "no stock control plane")],
    ids=["once", "no-plane"],
)
def test_an_incomplete_measurement_is_found(change: dict[str, Any], words: str) -> None:
    assert any(words in wrong for wrong in missing({**copy.deepcopy(MEASURED), **change}))
