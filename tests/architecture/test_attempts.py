"""docs/contributors/guarantees.md lists what the tenants test tries, one line per field."""

from __future__ import annotations

import re
from pathlib import Path

from e2e.attempts import ATTEMPTS

PAGE = (Path(__file__).parents[2] / "docs" / "contributors" / "guarantees.md").read_text()


def listed(text: str) -> list[str]:
    """The lines of the list of attempts."""
    return re.findall(r"^- (.+)$", text.partition("What is tried:\n\n")[2], re.MULTILINE)


def by_field() -> list[str]:
    """One line per field, with all that is tried in it."""
    fields: dict[str, list[str]] = {}
    for attempt in ATTEMPTS:
        field, _, way = attempt.tries.partition(": ")
        fields.setdefault(field, []).append(way)
    return [f"{field}: {', '.join(ways)}".removesuffix(": ") for field, ways in fields.items()]


def test_the_page_lists_what_is_tried() -> None:
    assert listed(PAGE) == by_field()
    assert len({attempt.name for attempt in ATTEMPTS}) == len(ATTEMPTS)


def test_a_line_that_is_missing_is_found() -> None:
    assert listed(PAGE.replace(f"- {by_field()[3]}\n", "")) != by_field()
