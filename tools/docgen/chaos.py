"""The page of crash tests, from `make chaos`, `make chaos-cluster` and `make bench-failover`.

Each file of SECTIONS that is in `docs/evidence/measured/` gives one section.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from docgen.crash_cluster import failover, killed_at_random

NOTE = "<!-- Made by `python -m docgen`; do not edit. -->\n"

_INTRODUCTION = """\
# Crash tests

If the operator is killed at any moment, no work is lost or done twice. This page shows at which moments the
tests kill the operator, and what they found.
"""

_MEMORY = """\
## At every request, in memory

`make chaos` simulates the API server, the store, Pods, users and the clock in one process. The operator
runs in a child process. It is the shipped code, except for its adapters and Kopf. The requests of a
scenario are numbered, and the operator is killed at each of them with `os._exit`, so that no `finally`
runs:

{moments}

A new operator then completes the scenario. The outcome must be that of an undisturbed run: the status with
its conditions, the content of outputs and reports, staging, Pods, Events and finalizers. Times are not
compared, and a message may name another of several Pods. At every moment the test checks that no Pod is
launched twice for one attempt, beside another running Pod of its shard, or before everything is staged, and
that no staging is deleted that a run needs.

The same is done with faults instead of kills. Each fault begins at every request where it makes a difference.
Some combinations are the same as others and are left out: a 429 of the store is handled like a 5xx, a lost
response to a read is like a failed read, and a watch that fails between two events fails at the second one.

Not compared, and why:

- conditions after a silent watch, because they describe phases that the operator may have skipped. This
  fault is not tested where a user waits for a phase;
- reasons and messages, if a run fails at a deadline with its last error, and the fault was that error; only
  the codes are compared;
- the number of outputs, if a run is deleted or cancelled while it publishes; each output is still checked;
- a Pod that a frozen or second leader launches again after the compensation has begun, because its request
  was in flight; the Pod works on garbage, and it is deleted;
- the time of an end with wrong clocks, if a run ends after some seconds: this time must change with the
  clock.

{scenarios} scenarios, {kills} crash points, {faults} faults ({extent}): **{divergences} divergences,
{duplicates} duplicate launches, {orphans} orphans**.

Measured at commit {commit} on {date} ({machine}), {minutes:.0f} minutes.
"""


def chaos(measured: Mapping[str, dict[str, Any]]) -> str:
    """The page, from what was measured, by the name of its file."""
    lines = [NOTE, _INTRODUCTION]
    for name, section in SECTIONS.items():
        if name in measured:
            lines += section(measured[name])
    return "\n".join(lines).rstrip() + "\n"


def _memory(measured: dict[str, Any]) -> list[str]:
    moments = "\n".join(f"- {text}" for text in measured["moments"])
    about = {key: measured[key] for key in ("commit", "date", "machine")}
    every = measured["every"]
    about["extent"] = "all of them" if every == 1 else f"one in {every} of each scenario"
    head = _MEMORY.format(moments=moments, minutes=measured["seconds"] / 60, **about, **measured["totals"])
    lines = [head, "| scenario | requests | crash points | faults | divergences |", "|---|---|---|---|---|"]
    lines += [
        _cells(row, "scenario", "requests", "kills", "faults", "divergences") for row in measured["rows"]
    ]
    lines += ["", "| fault | points | divergences |", "|---|---|---|"]
    lines += [_cells(row, "fault", "points", "divergences") for row in measured["faults"]]
    lines += [
        "\nTo test the harness itself, typical bugs of operators are planted. The tests must find each:\n",
        "| planted | found in the scenario | by |",
        "|---|---|---|",
    ]
    planted = [{**row, "found": _shown(row)} for row in measured["planted"]]
    lines += [_cells(row, "bug", "scenario", "found") for row in planted]
    return [*lines, ""]


def _shown(row: dict[str, Any]) -> str:
    """How a planted bug was found: the beginning of the difference."""
    shown: str = row["found"].removeprefix(f"{row['scenario']}: ")
    return f"`{shown[:100]}…`" if len(shown) > 100 else f"`{shown}`"


def _cells(row: dict[str, Any], *names: str) -> str:
    return f"| {' | '.join(str(row[name]).replace('|', '&#124;') for name in names)} |"


SECTIONS: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "chaos.json": _memory,
    "chaos-cluster.json": killed_at_random,
    "failover.json": failover,
}
"""What makes a section of each file of `docs/evidence/measured/`, in the order of the page."""
