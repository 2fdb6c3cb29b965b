"""`python -m chaos [words]`: run every crash point and every fault of every scenario.

Args:
    words: only scenarios whose name has one of them; then nothing is kept.
    --every N: only every so manyth crash point and fault of a scenario; what is kept says so.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from chaos.faults import Fault, fault_at, fault_points
from chaos.kills import crash_points, kill_at, total, undisturbed
from chaos.measured import Found, Row, document, keep
from chaos.planted import BUGS, find
from chaos.scenario import Scenario
from chaos.scenarios import SCENARIOS
from chaos.spread import spread

SHOWN = 10
"""Divergences of one scenario that are printed in full."""


def main(words: Sequence[str], every: int) -> int:
    """Run all; 0 if nothing diverged and every planted bug was found."""
    begun = time.monotonic()
    chosen = [one for one in SCENARIOS if not words or any(word in one.name for word in words)]
    say(f"{'scenario':<58}{'requests':>9}{'kills':>7}{'faults':>8}{'divergences':>13}{'seconds':>9}")
    rows = [play(scenario, every) for scenario in chosen]
    planted = [] if words else [plant(bug.words, bug.scenario, find(bug)) for bug in BUGS]
    found = document(rows, planted, every, time.monotonic() - begun)
    totals, all_found = found["totals"], sum(bool(one.found) for one in planted)
    extent = "all" if every == 1 else f"one in {every}"
    say(
        f"\n{totals['scenarios']} scenarios, {totals['kills']} crash points ({extent}: before, sent, "
        f"answered), {totals['faults']} faults ({extent}) of {len(Fault)} kinds, {found['seconds']} seconds\n"
        f"divergences {totals['divergences']}, duplicate launches {totals['duplicates']}, "
        f"orphans {totals['orphans']}\n"
        f"planted bugs found: {all_found} of {len(planted)}"
    )
    if not words:
        keep(found)
    return 1 if totals["divergences"] or all_found < len(planted) else 0


def play(scenario: Scenario, every: int) -> Row:
    """The crash points and faults of one scenario."""
    begun = time.monotonic()
    base = undisturbed(scenario)
    kills = total(scenario.name, spread(kill_at, crash_points(base)[::every]))
    points = fault_points(base)[::every]
    broken = list(zip(points, spread(fault_at, points), strict=True))
    faults = {
        fault: total(fault.value, (tally for point, tally in broken if point.fault is fault))
        for fault in {point.fault for point in points}
    }
    row = Row(scenario.name, len(base.requests), kills, faults)
    say(
        f"{row.name:<58}{row.requests:>9}{kills.points:>7}{row.all_faults.points:>8}"
        f"{len(row.whole.divergences):>13}{time.monotonic() - begun:>9.0f}"
    )
    for text in row.whole.divergences[:SHOWN]:
        say(f"    DIVERGED {text}")
    return row


def plant(bug: str, scenario: str, found: str) -> Found:
    """Print how a planted bug was detected."""
    say(f"planted: {bug} {f'Found: {found[:120]}' if found else 'NOT FOUND'}")
    return Found(bug, scenario, found[:200])


def say(text: str) -> None:
    """Flush each line: a run takes minutes."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m chaos")
    parser.add_argument("words", nargs="*")
    parser.add_argument("--every", type=int, default=1)
    given = parser.parse_args()
    sys.exit(main(given.words, given.every))
