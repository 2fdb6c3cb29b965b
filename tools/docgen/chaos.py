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

The operator may be killed at any moment, without losing work or doing it twice. This page shows where it was
killed and what the tests found.
"""

_MEMORY = """\
## At every request, in memory

`make chaos`. One process simulates the world (API server, store, Pods, users, clock). The operator runs in
a child process, as it is shipped except for its adapters and Kopf. The requests of a scenario are numbered,
and the operator is killed at each of them with `os._exit`, so that no `finally` runs:

{moments}

A new operator then finishes the scenario. The outcome must be that of the undisturbed run: the status with
its conditions, outputs and reports by content, staging, Pods, Events, finalizers. Times are not compared,
nor which of several Pods a message names. At every moment the test checks that no Pod is launched twice for
one attempt, beside a live one of its shard, or before everything is staged, and that no staging is deleted
that a run needs.

The same is done with faults instead of kills. Each fault begins at every request where it makes a
difference: a 429 of the store is a 5xx like any other, a lost answer of a read is a failed read, and a
watch that fails between two events fails at the second one.

Not compared, and why:

- conditions after a silent watch: they describe phases that the operator may have skipped. Such a watch is
  not tried where a user waits for a phase;
- reasons and messages (only codes), if a run fails at a deadline with its last error, and the fault was
  that error;
- the number of outputs, if a run is deleted or cancelled while it publishes; each output is still checked;
- a Pod that a frozen or second leader launches once more after the compensation has begun: its request was
  in flight, the Pod works on garbage, and it is deleted;
- wrong clocks, if a run is to end after some seconds: these become more or fewer, as they must.

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
        "\nTo test the harness itself, typical bugs of operators are planted. Each must be found:\n",
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
