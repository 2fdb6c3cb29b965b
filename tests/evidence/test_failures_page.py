"""The page of failures shows every case of the matrix as it is, and a run in which all was as promised."""

from __future__ import annotations

import json
from typing import Any

import pytest

from docgen.__main__ import MEASURED
from e2e.faults.cases import CASES

ROWS = json.loads(MEASURED.read_text())["rows"]


def differences(rows: list[dict[str, Any]]) -> list[str]:
    """What the measured rows do not have in common with the cases."""
    promised = {
        name: {"cause": case.cause, "ends": case.ends, "limit": case.limit} for name, case in CASES.items()
    }
    measured = {row["case"]: {key: row[key] for key in ("cause", "ends", "limit")} for row in rows}
    found = [f"{name} is not measured" for name in promised.keys() - measured.keys()]
    found += [f"{name} is no case" for name in measured.keys() - promised.keys()]
    both = promised.keys() & measured.keys()
    found += [f"{name} was another case" for name in both if promised[name] != measured[name]]
    found += [f"{row['case']} was late" for row in rows if row["seconds"] > row["limit"]]
    return found


def test_every_case_was_measured() -> None:
    assert differences(ROWS) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"case": "unheard-of"}, "no case"),
        ({"ends": "Succeeded"}, "another case"),
        ({"seconds": 1e6}, "was late"),
    ],
    ids=["invented", "changed", "late"],
)
def test_a_row_that_is_not_so_is_found(change: dict[str, Any], words: str) -> None:
    rows = [{**ROWS[0], **change}, *ROWS[1:]]
    assert any(words in text for text in differences(rows))
