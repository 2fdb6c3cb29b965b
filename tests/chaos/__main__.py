"""`python -m chaos`: every crash point of every scenario, with a table of what came of them."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from chaos.kills import Tally, crash_points, kill_at, total, undisturbed
from chaos.scenarios import LONG, SCENARIOS
from chaos.spread import spread

EVERY = 25
"""Of the scenarios that take hours of the world, every so manyth request is a crash point."""


def main() -> int:
    """Play them all; 0 only if nothing diverged."""
    rows: list[tuple[int, Tally]] = []
    sys.stdout.write(f"{'scenario':<44}{'requests':>9}{'points':>8}{'divergences':>13}\n")
    for scenario in (*SCENARIOS, *LONG):
        base = undisturbed(scenario)
        points = crash_points(base)
        if scenario in LONG:
            points = [point for point in points if point[1] % EVERY == 0]
        tally = total(scenario.name, spread(kill_at, points))
        rows.append((len(base.requests), tally))
        sys.stdout.write(
            f"{scenario.name:<44}{len(base.requests):>9}{tally.points:>8}{len(tally.divergences):>13}\n"
        )
        sys.stdout.flush()
    whole = total("all", (tally for _, tally in rows))
    for text in whole.divergences[:20]:
        sys.stdout.write(f"DIVERGED {text}\n")
    sys.stdout.write(
        f"\n{len(rows)} scenarios, {whole.points} crash points (before, sent, answered), "
        f"divergences {len(whole.divergences)}, duplicate launches {whole.duplicates}, "
        f"orphans {whole.orphans}\n"
    )
    _keep(rows)
    return 1 if whole.divergences else 0


def _keep(rows: list[tuple[int, Tally]]) -> None:
    found = [
        {
            "scenario": tally.name,
            "requests": requests,
            "points": tally.points,
            "divergences": len(tally.divergences),
            "duplicates": tally.duplicates,
            "orphans": tally.orphans,
        }
        for requests, tally in rows
    ]
    place = Path("out/chaos.json")
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")


if __name__ == "__main__":
    sys.exit(main())
