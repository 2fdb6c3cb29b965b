"""The results of the failure matrix: a table at the end of a run, and JSON for the documentation."""

from __future__ import annotations

import json
import platform
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from localcluster.commands import run
from localcluster.paths import repository

PLACE = Path("out") / "failures.json"


@dataclass(frozen=True)
class Row:
    """The result of one case: seconds from applying to the end, and the promised maximum."""

    case: str
    cause: str
    ends: str
    seconds: float
    limit: float
    message: str
    objections: tuple[str, ...] = ()


def table(rows: Sequence[Row]) -> list[str]:
    """Format the rows as a table."""
    wide = max(len(row.case) for row in rows)
    ends = max(len(row.ends) for row in rows)
    lines = [f"{'case':<{wide}}  {'ends':<{ends}}  seconds  at most  "]
    for row in rows:
        verdict = "ok" if not row.objections else "; ".join(row.objections)
        lines.append(
            f"{row.case:<{wide}}  {row.ends:<{ends}}  {row.seconds:>7.1f}  {row.limit:>7.0f}  {verdict}"
        )
    good = sum(not row.objections for row in rows)
    lines.append(f"{len(rows)} cases, {good} as promised, {len({row.ends for row in rows})} different ends")
    return lines


def keep(place: Path, found: Mapping[str, Any]) -> None:
    """Write measurements as JSON, with the machine and the version."""
    root = repository()
    document = {
        "commit": run(["git", "-C", str(root), "rev-parse", "--short", "HEAD"]).strip(),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, Linux {platform.release().partition('-')[0]}",
        **found,
    }
    (root / place).parent.mkdir(exist_ok=True)
    (root / place).write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def keep_rows(rows: Sequence[Row], cases: Collection[str]) -> str:
    """Write the rows of the failure matrix if they are of all its cases; return the verdict."""
    if {row.case for row in rows} != set(cases):
        return f"not written to {PLACE}: these are not all {len(cases)} cases"
    keep(PLACE, {"rows": [{k: v for k, v in asdict(row).items() if k != "objections"} for row in rows]})
    return f"written to {PLACE}"
