"""Retired words do not come back."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from architecture.runbook import ROOT
from architecture.words import ALLOWED, MEASURED, OWN, PLACES, RETIRED

GENERATED = "<!-- Made by"
FILES = sorted(
    path
    for place in PLACES
    for path in ROOT.glob(place)
    if path.is_file() and path.relative_to(ROOT).as_posix() not in OWN
)


def plain(text: str) -> str:
    """The words of a text in lower case, identifiers split, on one line."""
    split = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", text)
    return re.sub(r"[\s#]+", " ", split).lower()


def strings(value: Any) -> Iterator[str]:
    """Every string of a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from strings(part)


def labels() -> set[str]:
    """Labels of measurements that have a retired word, as words."""
    measured = (json.loads(path.read_text()) for path in ROOT.glob(MEASURED))
    found = {plain(text) for value in measured for text in strings(value)}
    return {text for text in found if any(re.search(rf"\b(?:{pattern})\b", text) for pattern in RETIRED)}


LABELS = labels()


def retired(path: str, text: str) -> list[str]:
    """Each retired word of a text with its surroundings and its replacement."""
    words = plain(text)
    allowed = [phrase for place, phrase in ALLOWED if place == path]
    for phrase in (*allowed, *(LABELS if path.startswith("tests/") else ())):
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
        assert retired(str(path.relative_to(ROOT)), f"{path.stem} {text}") == []


@pytest.mark.parametrize(
    "planted", ["The Sweeper deletes it.", "run_effort = 1", "class RunEffort: ...", "comes to\n# its end"]
)
def test_a_planted_word_is_found(planted: str) -> None:
    assert len(retired("README.md", planted)) == 1


def test_a_label_of_a_measurement_is_allowed_in_tests_only() -> None:
    label = min(LABELS)
    assert retired("tests/e2e/x.py", label) == []
    assert retired("README.md", label) != []


def test_a_word_is_not_found_in_another_word() -> None:
    assert retired("README.md", "replies, foretold, effortless, turn the image clockwise") == []


def test_every_exception_is_used() -> None:
    for path, phrase in ALLOWED:
        assert phrase in plain((ROOT / path).read_text())
        assert retired("", phrase)
