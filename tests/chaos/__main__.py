"""`python -m chaos`: every crash point of every scenario, with a table of what came of them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from chaos.faults import Fault, fault_at, fault_points
from chaos.kills import Tally, crash_points, kill_at, total, undisturbed
from chaos.scenarios import LONG, SCENARIOS
from chaos.spread import spread

EVERY = 25
"""Of the scenarios that take hours of the world, every so manyth request is a crash point."""


FAULTS_EVERY = 4
"""Every so manyth of the faults is tried."""


@dataclass(frozen=True)
class Row:
    """What came of one scenario."""

    requests: int
    kills: Tally
    faults: Tally


def main() -> int:
    """Play them all; 0 only if nothing diverged."""
    rows: list[Row] = []
    sys.stdout.write(f"{'scenario':<44}{'requests':>9}{'kills':>8}{'faults':>8}{'divergences':>13}\n")
    for scenario in (*SCENARIOS, *LONG):
        base = undisturbed(scenario)
        points = crash_points(base)
        if scenario in LONG:
            points = [point for point in points if point[1] % EVERY == 0]
        tally = total(scenario.name, spread(kill_at, points))
        broken_at = fault_points(base)[:: FAULTS_EVERY if scenario not in LONG else 50 * FAULTS_EVERY]
        broken = total(scenario.name, spread(fault_at, broken_at))
        rows.append(Row(len(base.requests), tally, broken))
        wrong = len(tally.divergences) + len(broken.divergences)
        sys.stdout.write(
            f"{scenario.name:<44}{len(base.requests):>9}{tally.points:>8}{broken.points:>8}{wrong:>13}\n"
        )
        sys.stdout.flush()
    kills, faults = total("kills", (row.kills for row in rows)), total("faults", (row.faults for row in rows))
    whole = total("all", (kills, faults))
    for text in whole.divergences[:20]:
        sys.stdout.write(f"DIVERGED {text}\n")
    sys.stdout.write(
        f"\n{len(rows)} scenarios, {kills.points} crash points (before, sent, answered), "
        f"{faults.points} faults of {len(Fault)} kinds\n"
        f"divergences {len(whole.divergences)}, duplicate launches {whole.duplicates}, "
        f"orphans {whole.orphans}\n"
    )
    _keep(rows)
    return 1 if whole.divergences else 0


def _keep(rows: list[Row]) -> None:
    found = [
        {
            "scenario": row.kills.name,
            "requests": row.requests,
            "kills": row.kills.points,
            "faults": row.faults.points,
            "divergences": len(row.kills.divergences) + len(row.faults.divergences),
        }
        for row in rows
    ]
    place = Path("out/chaos.json")
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
