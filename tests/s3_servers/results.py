"""What was found: the cases of each server, side by side."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree


@dataclass(frozen=True)
class Cell:
    """One case on one server."""

    case: str
    failed: bool


def read(path: Path, kind: str, part: str) -> list[Cell]:
    """The cases in a JUnit file; a part that could not run is one that failed."""
    if not path.exists():
        return [Cell(f"{part}: could not run", failed=True)]
    cases = list(ElementTree.parse(path).getroot().iter("testcase"))
    found = [Cell(f"{part}: {name_of(case, kind)}", _failed(case)) for case in cases]
    return found or [Cell(f"{part}: could not run", failed=True)]


def name_of(case: ElementTree.Element, kind: str) -> str:
    """The name of a test without the server, which is its first parameter."""
    module = case.get("classname", "").rpartition(".")[2].removeprefix("test_").replace("_", " ")
    name, _, rest = case.get("name", "").removeprefix("test_").partition("[")
    parameters = re.sub(rf"^{re.escape(kind)}(-|$)", "", rest.removesuffix("]"))
    words = name.replace("_", " ") + (f" [{parameters}]" if parameters else "")
    return f"{module}: {words}"


def _failed(case: ElementTree.Element) -> bool:
    """A test that was skipped has shown nothing."""
    return any(case.find(verdict) is not None for verdict in ("failure", "error", "skipped"))


def table(found: Mapping[str, Sequence[Cell]]) -> list[str]:
    """Lines with a row for each case and a column for each server."""
    cells = {kind: {cell.case: cell for cell in cells} for kind, cells in found.items()}
    cases = list(dict.fromkeys(case for of_kind in cells.values() for case in of_kind))
    wide = max(map(len, [*cases, "case"]))
    lines = [f"{'case':<{wide}}" + "".join(f"  {kind:>9}" for kind in found)]
    for case in cases:
        words = ("–" if case not in of else "FAILED" if of[case].failed else "ok" for of in cells.values())
        lines.append(f"{case:<{wide}}" + "".join(f"  {word:>9}" for word in words))
    for kind, of_kind in cells.items():
        failed = sum(cell.failed for cell in of_kind.values())
        lines.append(f"{kind}: {len(of_kind)} cases, {failed} failed")
    return lines
