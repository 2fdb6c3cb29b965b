"""The generated pages, each a pure function of what it describes."""

from __future__ import annotations

from typing import Any

from imagejob_contract.result import ItemCode
from imagejob_operator.api.errors import CATALOGUE, CODE_NAMES
from imagejob_operator.api.phase import MOVES, TERMINAL, Phase

NOTE = "<!-- Made by `python -m docgen`; do not edit. -->\n"

_MEANINGS = {
    "JOB_001": "The job was rejected; no Pod was created.",
    "JOB_002": "A source could not be staged; no Pod was created.",
    "JOB_003": "The sources were staged, but no Pod started running.",
    "JOB_004": "The ImageJob does not exist (exit code 4 of the command line).",
    "JOB_005": "Pods ran, but too many items or shards failed.",
    "JOB_006": "The run exceeded `activeDeadlineSeconds`, in any phase.",
    "JOB_007": "Outputs or the report could not be written.",
    "JOB_008": "The run was cancelled.",
}

_ITEM_MEANINGS = {
    ItemCode.UNDECODABLE: "not an image, or truncated or corrupt",
    ItemCode.TOO_LARGE: "exceeds the size, pixel or frame limit; checked before decoding",
    ItemCode.UNSUPPORTED_FORMAT: "a format or mode that is not supported",
    ItemCode.SOURCE_CHANGED: "the source was changed after staging",
    ItemCode.STEP_FAILED: "a step could not be applied; the message names it",
    ItemCode.WRITE_FAILED: "an output could not be stored",
    ItemCode.TIMED_OUT: "exceeded `limits.itemTimeoutSeconds`",
    ItemCode.KILLED: "the worker was killed by this item, or every attempt of its shard failed",
    ItemCode.OUTPUT_TOO_LARGE: "exceeds the limit of the output format, or cannot be reduced to `maxSize`",
    ItemCode.SOURCE_MISSING: "the source was deleted after staging",
}


def states() -> str:
    """The phases and their moves, as a diagram and as a table."""
    lines = [NOTE, "# Phases of a run\n", "```mermaid", "stateDiagram-v2", "    [*] --> Pending"]
    lines += [f"    {old} --> {new}" for old in Phase for new in Phase if new in MOVES[old]]
    lines += ["```\n", "| phase | may turn into |", "|---|---|"]
    for old in Phase:
        moves = ", ".join(new for new in Phase if new in MOVES[old])
        note = " (only by a new run)" if old in TERMINAL else ""
        lines.append(f"| {old} | {moves}{note} |")
    return "\n".join(lines) + "\n"


def errors() -> str:
    """The codes with their reasons, and the codes of items."""
    lines = [
        NOTE,
        "# Error codes\n",
        "The codes and reasons in `status.error` of a job that did not succeed. The meaning of a code never",
        "changes; reasons may be added. *Retriable* means that a new run of the same spec may succeed.\n",
    ]
    for code, name in CODE_NAMES.items():
        lines += [f"## {code} {name}\n", f"{_MEANINGS[code]}\n"]
        lines += ["| reason | meaning | who can fix it | retriable |", "|---|---|---|---|"]
        for (of, reason), entry in CATALOGUE.items():
            if of is code:
                retriable = "yes" if entry.retriable else "no"
                lines.append(f"| {reason} | {entry.meaning} | {entry.fault} | {retriable} |")
        lines.append("")
    lines += ["## Items\n", "The codes of failed items in `status.failures` and in the report.\n"]
    lines += ["| code | name | meaning |", "|---|---|---|"]
    lines += [f"| {code} | {code.name} | {_ITEM_MEANINGS[code]} |" for code in ItemCode]
    return "\n".join(lines) + "\n"


_FAILURES = """\
# What was broken, and what came of it

{count} ways to break the world, each broken for real: real Pods on a real cluster, a real store behind a
proxy that breaks single requests, a registry and admission webhooks that do as they are told. Each case is
held against its code, its reason, the evidence in its message, its time, its one Event, and what is left
behind: no object in staging, no Secret, no live Pod. `make e2e` runs them all and prints the table.

Measured at commit {commit} on {date} ({machine}), with a start grace of 8 s, a cleaning budget of 10 s and
deadlines of seconds instead of minutes. *At most* is the promise with slack, since the cases run beside
each other on two cores.
"""


def failures(measured: dict[str, Any]) -> str:
    """The failure matrix as it was last measured: what was broken, and what the job said of it."""
    rows = measured["rows"]
    lines = [NOTE, _FAILURES.format(count=len(rows), **measured)]
    for end in sorted({row["ends"] for row in rows}):
        lines.append(f"## {end}\n")
        lines += ["| what is broken | seconds | at most | what the job says |", "|---|---|---|---|"]
        lines += [_failure(row) for row in rows if row["ends"] == end]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _failure(row: dict[str, Any]) -> str:
    said = f"`{row['message']}`" if row["message"] else ""
    cells = (row["cause"], f"{row['seconds']:.1f}", f"{row['limit']:.0f}", said)
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


def api(crd: dict[str, Any]) -> str:
    """Every field of a CRD with its type, limits, default and description."""
    version, names = crd["spec"]["versions"][0], crd["spec"]["names"]
    properties = version["schema"]["openAPIV3Schema"]["properties"]
    lines = [
        NOTE,
        f"# The {names['kind']} API\n",
        f"`{crd['spec']['group']}/{version['name']}`, kind `{names['kind']}`, "
        f"short name `{names['shortNames'][0]}`.\n",
    ]
    for part in ("spec", "status"):
        lines += [f"## {part}\n", "| field | type | default | meaning |", "|---|---|---|---|"]
        lines += _rows(properties[part], part)
        lines.append("")
        rules = list(_rules(properties[part], part))
        if rules:
            lines += [f"Rules on `{part}` that the API server checks:\n", *rules, ""]
    return "\n".join(lines).rstrip() + "\n"


def _rows(schema: dict[str, Any], path: str) -> list[str]:
    rows: list[str] = []
    for name, field in schema.get("properties", {}).items():
        here = f"{path}.{name}"
        default = field.get("default")
        shown = "" if default in (None, "", [], {}) else f"`{default}`"
        text = " ".join(field.get("description", "").split()).replace("|", "\\|")
        rows.append(f"| `{here}` | {_type(field)} | {shown} | {text} |")
        rows += _rows(field, here)
        if "items" in field:
            rows += _rows(field["items"], f"{here}[]")
    return rows


def _type(field: dict[str, Any]) -> str:
    if field.get("x-kubernetes-int-or-string"):
        return "integer or string"
    kind = field.get("type", "")
    if kind == "array":
        kind = f"list of {_type(field['items'])}"
    if "enum" in field:
        return " \\| ".join(str(value) for value in field["enum"])
    low, high = field.get("minimum"), field.get("maximum")
    if low is not None or high is not None:
        return f"{kind} {low if low is not None else ''}..{high if high is not None else ''}"
    return str(kind)


def _rules(schema: dict[str, Any], path: str) -> list[str]:
    found = [
        f"- `{path}`: {' '.join(rule.get('message', rule['rule']).split())}"
        for rule in schema.get("x-kubernetes-validations", [])
    ]
    for name, field in schema.get("properties", {}).items():
        found += _rules(field, f"{path}.{name}")
    if "items" in schema:
        found += _rules(schema["items"], f"{path}[]")
    return found
