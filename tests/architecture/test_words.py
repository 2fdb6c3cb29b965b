"""Retired words do not come back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from architecture.runbook import ROOT
from architecture.words import ALLOWED, PLACES, RETIRED

GENERATED = "<!-- Made by"
TESTS = re.compile(r"tests/[\w/]+\.py(?:::\w+)?")
"""Names of tests, which pages quote."""
FILES = sorted(path for place in PLACES for path in ROOT.glob(place) if path.is_file())


def plain(text: str) -> str:
    """The words of a text in lower case, identifiers split, on one line."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", TESTS.sub("", text))
    return re.sub(r"[\s#]+", " ", split).lower()


def retired(path: str, text: str) -> list[str]:
    """Each retired word of a text with its surroundings and its replacement."""
    words = plain(text)
    for place, phrase in ALLOWED:
        if place == path:
            words = words.replace(phrase, "")
    return [
        f"…{words[max(0, found.start() - 30) : found.end() + 30]}…: write {better!r} for {found[0]!r}"
        for pattern, better in RETIRED.items()
        for found in re.finditer(rf"\b(?:{pattern})\b", words)
    ]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_retired_word_is_used(path: Path) -> None:
    text = path.read_text()
    if not text.startswith(GENERATED):
        assert retired(str(path.relative_to(ROOT)), text) == []


@pytest.mark.parametrize(
    "planted", ["The Sweeper deletes it.", "run_effort = 1", "class RunEffort: ...", "comes to\n# its end"]
)
def test_a_planted_word_is_found(planted: str) -> None:
    assert len(retired("README.md", planted)) == 1


def test_a_word_is_not_found_in_another_word() -> None:
    assert retired("README.md", "replies, foretold, effortless, turn the image clockwise") == []


def test_every_exception_is_used() -> None:
    for path, phrase in ALLOWED:
        assert phrase in plain((ROOT / path).read_text())
        assert retired("", phrase)
