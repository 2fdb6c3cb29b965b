"""The pages of guarantees and threats name tests that exist; each of six points has some."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "contributors" / "guarantees.md").read_text()
THREATS = (ROOT / "docs" / "administrators" / "threat-model.md").read_text()
POINTS = 6
ROW = re.compile(r"^\|[^|]+\|(.+)\|$", re.MULTILINE)


def points(text: str) -> dict[str, list[str]]:
    """The tests that each point names."""
    parts = re.split(r"^## (\d)\. .+$", text, flags=re.MULTILINE)
    return {
        number: re.findall(r"`([^`\s]+::[^`\s]+)`", body)
        for number, body in zip(parts[1::2], parts[2::2], strict=True)
    }


@cache
def functions_of(path: Path) -> frozenset[str]:
    """Names of the test functions at the top of a file."""
    if not path.is_file():
        return frozenset()
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.parse(path.read_text()).body if isinstance(node, kinds))


def missing(names: list[str]) -> list[str]:
    """Those that are no tests."""
    found = []
    for name in names:
        path, _, function = name.partition("::")
        if not function.startswith("test_") or function not in functions_of(ROOT / path):
            found.append(name)
    return found


@pytest.mark.parametrize("number", [str(n) for n in range(1, POINTS + 1)])
def test_every_point_names_tests_that_exist(number: str) -> None:
    names = points(TEXT)[number]
    assert len(names) >= 5
    assert missing(names) == []
    assert len(names) == len(set(names)), "a test is named twice for one point"


def test_there_are_six_points() -> None:
    assert list(points(TEXT)) == [str(n) for n in range(1, POINTS + 1)]


def test_every_row_of_the_threat_model_names_tests_that_exist() -> None:
    rows = [row for row in ROW.findall(THREATS) if "| test" not in row and "---" not in row]
    assert len(rows) >= 20
    assert all(re.search(r"`[^`\s]+::[^`\s]+`", row) for row in rows)
    assert missing(re.findall(r"`([^`\s]+::[^`\s]+)`", THREATS)) == []


def test_every_row_names_a_test() -> None:
    cells = [cell for cell in ROW.findall(TEXT) if cell.strip() not in ("test", "---")]
    assert cells
    assert [cell for cell in cells if "::test_" not in cell] == []


def test_a_test_that_does_not_exist_is_found() -> None:
    there = "tests/architecture/test_guarantees.py::test_there_are_six_points"
    gone = [
        "tests/architecture/test_guarantees.py::test_seven",
        "tests/nowhere.py::test_there_are_six_points",
    ]
    assert missing([there, *gone]) == gone
