"""The page of error codes: every code and reason with its meaning, and the codes of items."""

from __future__ import annotations

from imagejob.catalogue import CODE_MEANINGS, ITEMS
from imagejob.remedies import REMEDIES
from imagejob_operator.api.errors import CATALOGUE, CODE_NAMES, Code, Reason

NOTE = "<!-- Made by `python -m docgen`; do not edit. -->\n"

_INTRODUCTION = """\
# Error codes

A run that fails or is cancelled has `status.error` with a code, a reason, a message and a link to the
runbook. A code never changes its meaning; new reasons may be added. *Fault* says who can fix it.
*Retriable* means that a new run of the same spec may succeed. It is *no* for a run that a user ended, so
that no tool starts it again by itself. Each reason links to its runbook entry, which says how to diagnose
and fix it. `imagejob explain CODE` prints the same in a terminal, and `imagejob status NAME` prints it for
a run that failed.
"""


def errors() -> str:
    """Codes with their reasons, and the codes of items."""
    lines = [NOTE, _INTRODUCTION]
    for code, name in CODE_NAMES.items():
        lines += [f"## {code} {name}\n", f"{CODE_MEANINGS[code]}\n"]
        lines += ["| reason | meaning | what to do | fault | retriable |", "|---|---|---|---|---|"]
        lines += [_row(*pair) for pair in CATALOGUE if pair[0] is code]
        lines.append("")
    lines += ["## Items\n", "Codes of single images, in `status.failures` and in the report.\n"]
    lines += ["| code | name | meaning | what to do |", "|---|---|---|---|"]
    lines += [f"| {item.code} | {item.name} | {item.meaning} | {item.remedy} |" for item in ITEMS.values()]
    return "\n".join(lines) + "\n"


def _row(code: Code, reason: Reason) -> str:
    entry = CATALOGUE[code, reason]
    link = f"[{reason}](../administrators/runbook.md#{code.lower()}-{reason.lower()})"
    retriable = "yes" if entry.retriable else "no"
    return f"| {link} | {entry.meaning} | {REMEDIES[code, reason].text} | {entry.fault} | {retriable} |"
