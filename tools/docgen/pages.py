"""Generated pages: phases, API reference, failure matrix. Each is a pure function of its source."""

from __future__ import annotations

import re
from typing import Any

from imagejob_operator.api.phase import MOVES, TERMINAL, Phase

NOTE = "<!-- Made by `python -m docgen`; do not edit. -->\n"

_PHASES = {
    Phase.PENDING: "the first phase; nothing has been staged",
    Phase.VALIDATING: "`run.mode: Validate`: sources, permissions and the Pod template are checked",
    Phase.STAGING: "sources are copied or downloaded into staging",
    Phase.LAUNCHING: "everything is staged; no Pod has run yet",
    Phase.RUNNING: "at least one Pod has run",
    Phase.PUBLISHING: "results are verified, outputs are copied to their keys, the report is written",
    Phase.SUSPENDED: "paused by `spec.suspend`; Pods and staging are deleted",
    Phase.SUCCEEDED: "terminal: outputs and report are published",
    Phase.FAILING: "the failure is recorded; Pods are deleted and staging is emptied",
    Phase.FAILED: "terminal: `status.error` has the cause",
    Phase.CANCELLING: "the cancellation is recorded; Pods are deleted and staging is emptied",
    Phase.CANCELLED: "terminal: ended by `cancelRunID` or by a new `run.id`",
    Phase.DELETING: "the ImageJob is being deleted; `Ready` has what it waits for, and until when",
}

_PHASES_INTRODUCTION = """\
`status.phase` shows the progress of a run to people. Programs should read the conditions. If the report of a
run was written before the run failed or was cancelled, `Failing` and `Cancelling` end as `Succeeded`.
`Running` and `Publishing` are shown if they last longer than a second.

A run that succeeds is Pending, Staging, Launching, Running, Publishing and Succeeded. One that fails is
Failing until its Pods and its staging are deleted, then Failed.

When an ImageJob is deleted, its phase is `Deleting` from any other phase, until its Pods and its staging are
deleted. This takes at most the cleaning budget of the operator (60 seconds by default). An ImageJob that has
nothing to clean is gone at once.
"""


def phases() -> str:
    """The phases and their transitions."""
    lines = [NOTE, "# Phases of a run\n", _PHASES_INTRODUCTION]
    lines += ["| phase | meaning | next phase |", "|---|---|---|"]
    for old in Phase:
        moves = ", ".join(new for new in Phase if new in MOVES[old])
        note = " (only by a new run)" if old in TERMINAL else ""
        lines.append(f"| {old} | {_PHASES[old]} | {moves}{note} |")
    return "\n".join(lines) + "\n"


_FAILURES = """\
# Failure matrix

`make e2e` causes each of these {count} failures for real: with Pods on a real cluster, a real store behind
a proxy that breaks single requests, a registry, and admission webhooks. For each case the test checks the
code, the reason, the evidence in the message, the time, that there is one Event, and that no staged object,
Secret or running Pod is left.

Measured at commit {commit} on {date} ({machine}), with a start grace of 8 s, a cleaning budget of 10 s and
deadlines of seconds instead of minutes. *At most* is the limit that the test allows. It includes slack,
because the cases run in parallel on two cores.
"""


def failures(measured: dict[str, Any]) -> str:
    """The failure matrix as it was last measured."""
    rows = measured["rows"]
    lines = [NOTE, _FAILURES.format(count=len(rows), **measured)]
    for end in sorted({row["ends"] for row in rows}):
        lines.append(f"## {end}\n")
        lines += ["| cause | seconds | at most | message |", "|---|---|---|---|"]
        lines += [_failure(row) for row in rows if row["ends"] == end]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _failure(row: dict[str, Any]) -> str:
    message = f"`{row['message']}`" if row["message"] else ""
    cells = (row["cause"], f"{row['seconds']:.1f}", f"{row['limit']:.0f}", message)
    return f"| {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |"


_KEYS = re.compile(
    r"must (be|result in) (a )?relative|must not contain control characters|must not start with \.imagejob/"
)
"""What is in messages of rules that hold for all keys and prefixes."""
_VALID = "sources-and-keys.md#valid-keys"


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
            lines += [f"Rules on `{part}` that the API server checks, beside [those on keys]({_VALID}):\n"]
            lines += [*rules, ""]
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
    messages = (
        " ".join(rule.get("message", rule["rule"]).split())
        for rule in schema.get("x-kubernetes-validations", [])
    )
    found = [f"- `{path}`: {message}" for message in messages if not _KEYS.search(message)]
    for name, field in schema.get("properties", {}).items():
        found += _rules(field, f"{path}.{name}")
    if "items" in schema:
        found += _rules(schema["items"], f"{path}[]")
    return found
