"""docs/contributors/guarantees.md lists what tenants try, line by line."""

from __future__ import annotations

import re
from pathlib import Path

from e2e.attempts import ATTEMPTS

PAGE = (Path(__file__).parents[2] / "docs" / "contributors" / "guarantees.md").read_text()


def listed(text: str) -> list[tuple[str, str]]:
    """The lines of the list of attempts."""
    lines = text.partition("What is tried:\n\n")[2]
    return re.findall(r"^- (\S+): (.+)$", lines, re.MULTILINE)


def test_the_page_lists_what_is_tried() -> None:
    assert listed(PAGE) == [(attempt.name, attempt.tries) for attempt in ATTEMPTS]
    assert len({attempt.name for attempt in ATTEMPTS}) == len(ATTEMPTS)


def test_a_line_that_is_missing_is_found() -> None:
    without = PAGE.replace(f"- {ATTEMPTS[3].name}: {ATTEMPTS[3].tries}\n", "")
    assert len(listed(without)) == len(ATTEMPTS) - 1
