"""The page on crashes, made from what `make chaos`, `make chaos-cluster` and the failover test measured.

Each file of SECTIONS that is in `docs/evidence/measured/` gives one section.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from docgen.crash_cluster import failover, killed_at_random

NOTE = "<!-- Made by `python -m docgen`; do not edit. -->\n"

_INTRODUCTION = """\
# Crash anywhere

The operator may be killed at any moment, and nothing is lost or done twice. This page has what was killed,
where, and what came of it, as the commands measured it.
"""

_MEMORY = """\
## At every request, in memory

`make chaos`. The world (API server, store, Pods, users, clock) lives in one process, the operator as it is
shipped, but for its adapters and Kopf, in a child of it. The requests of a scenario are numbered, and at
each of them the operator is ended by `os._exit`, so that no `finally` runs:

{moments}

Then a fresh operator goes on to the end. All that stays must be as in the undisturbed world: the status
with its conditions, outputs and reports by their content, staging, Pods, Events, finalizers. Times are not
compared, nor which of several Pods a message names. At every moment it is held that no Pod is launched
twice for one attempt, none beside another live one of its shard, none before all is staged, and that no
staging is deleted under a run that needs it.

The same with faults instead of death, each beginning at every request at which it makes a world that no
other point makes: an object store's 429 is a 5xx like any other, the lost answer of a read is a read that
failed, and a watch that goes wrong between two events goes wrong at the second one.

What is not held, and why:

- conditions, after a watch that was silent: they tell of phases that the operator may have passed over; and
  such a watch is not tried where somebody waits for a phase to act in it;
- reasons and messages (codes are), where a run fails at a deadline with what its last try met, and the fault
  was what that try met;
- how many outputs there are, where a run is deleted or cancelled while it publishes; each is as it should be;
- a Pod that one of two leaders, or one that stood still, launches once more when the other one has begun to
  undo the run: its request was on its way, it works on what is garbage, and it is ended again;
- wrong clocks, where a run is to end by seconds that pass: they make them more or fewer, and rightly.

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
        "\nA harness that finds nothing may be blind, so bugs that operators of this kind really have are",
        "planted into the operator, and each must be found:\n",
        "| planted | found in the scenario | by |",
        "|---|---|---|",
    ]
    planted = [{**row, "found": _shown(row)} for row in measured["planted"]]
    lines += [_cells(row, "bug", "scenario", "found") for row in planted]
    return [*lines, ""]


def _shown(row: dict[str, Any]) -> str:
    """How a planted bug showed: where, and the beginning of what was wrong."""
    said: str = row["found"].removeprefix(f"{row['scenario']}: ")
    return f"`{said[:100]}…`" if len(said) > 100 else f"`{said}`"


def _cells(row: dict[str, Any], *names: str) -> str:
    return f"| {' | '.join(str(row[name]).replace('|', '&#124;') for name in names)} |"


SECTIONS: dict[str, Callable[[dict[str, Any]], list[str]]] = {
    "chaos.json": _memory,
    "chaos-cluster.json": killed_at_random,
    "failover.json": failover,
}
"""What makes a section of each file of `docs/evidence/measured/`, in the order of the page."""
