"""The results of `make chaos`, as JSON for the documentation."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from chaos.faults import Fault
from chaos.kills import MOMENTS, Tally, total

PLACE = Path("out/chaos.json")


@dataclass(frozen=True)
class Row:
    """The outcome of one scenario."""

    name: str
    requests: int
    kills: Tally
    faults: Mapping[Fault, Tally]

    @property
    def all_faults(self) -> Tally:
        """Its faults of all kinds."""
        return total(self.name, self.faults.values())

    @property
    def whole(self) -> Tally:
        """Kills and faults."""
        return total(self.name, (self.kills, self.all_faults))


@dataclass(frozen=True)
class Found:
    """A planted bug, and how it was detected; empty if it was not."""

    bug: str
    scenario: str
    found: str


def document(rows: Sequence[Row], planted: Sequence[Found], every: int, seconds: float) -> dict[str, Any]:
    """All results, with the machine and the version."""
    whole = total("all", (row.whole for row in rows))
    return {
        "commit": _commit(),
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{platform.machine()}, Linux {platform.release().partition('-')[0]}",
        "seconds": round(seconds),
        "every": every,
        "moments": list(MOMENTS.values()),
        "totals": {
            "scenarios": len(rows),
            "kills": sum(row.kills.points for row in rows),
            "faults": sum(row.all_faults.points for row in rows),
            "divergences": len(whole.divergences),
            "duplicates": whole.duplicates,
            "orphans": whole.orphans,
        },
        "rows": [
            {
                "scenario": row.name,
                "requests": row.requests,
                "kills": row.kills.points,
                "faults": row.all_faults.points,
                "divergences": len(row.whole.divergences),
            }
            for row in rows
        ],
        "faults": [_of_fault(fault, rows) for fault in Fault],
        "planted": [{"bug": one.bug, "scenario": one.scenario, "found": one.found} for one in planted],
    }


def _of_fault(fault: Fault, rows: Sequence[Row]) -> dict[str, Any]:
    tally = total(fault.value, (row.faults[fault] for row in rows if fault in row.faults))
    return {"fault": fault.value, "points": tally.points, "divergences": len(tally.divergences)}


def _commit() -> str:
    words = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()


def keep(found: dict[str, Any]) -> None:
    """Write it."""
    PLACE.parent.mkdir(exist_ok=True)
    PLACE.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")
