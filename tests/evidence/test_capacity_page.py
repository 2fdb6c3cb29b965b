"""The measurement of the capacity is complete and at full size, and its figures can be true."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from capacity.document import PARTS, objections
from capacity.sizes import Sizes
from docgen.__main__ import CAPACITY

MEASURED = json.loads(CAPACITY.read_text())
SIZES: dict[str, dict[str, int]] = {
    "live": {"live": Sizes.live, "active": Sizes.active},
    "items": {"items": Sizes.items},
    "neighbours": {"probes": Sizes.probes, "queued": Sizes.queued},
    "latency": {"pairs": Sizes.pairs},
    "pressure": {"jobs": Sizes.burst},
}
"""Figures that say how large a part was, and what they must be."""


def missing(measured: dict[str, Any]) -> list[str]:
    """What a measurement lacks."""
    parts = measured["parts"]
    found = [f"no part {part}" for part in PARTS if part not in parts]
    for part, each in parts.items():
        figures = each["figures"]
        found += objections(part, figures)
        found += [
            f"{part}: {name} is {figures[name]}, not {size}"
            for name, size in SIZES[part].items()
            if figures[name] != size
        ]
    return found


def test_the_measurement_is_complete() -> None:
    assert missing(MEASURED) == []


PLANTED: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no-part": (lambda parts: parts.pop("latency"), "no part latency"),
    "small": (lambda parts: parts["items"]["figures"].update(items=2000), "items is 2000, not 100000"),
    "untrue": (lambda parts: parts["items"]["figures"].update(copies=1), "fewer copies"),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_an_incomplete_measurement_is_found(planted: str) -> None:
    change, words = PLANTED[planted]
    changed = copy.deepcopy(MEASURED)
    change(changed["parts"])
    assert any(words in wrong for wrong in missing(changed))
