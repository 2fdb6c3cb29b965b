"""The page of error codes: every code and reason with its meaning, and the codes of items."""

from __future__ import annotations

from imagejob_contract.result import ItemCode
from imagejob_operator.api.errors import CATALOGUE, CODE_NAMES, Code, Reason

NOTE = "<!-- Made by `python -m docgen`; do not edit. -->\n"

_INTRODUCTION = """\
# Error codes

A run that fails or is cancelled has `status.error` with a code, a reason, a message and a link to the
runbook. A code never changes its meaning; new reasons may be added. *Fault* says who can fix it.
*Retriable* means that a new run of the same spec may succeed without other changes. Each reason links
to its runbook entry, which says how to diagnose and fix it.
"""

CODES = {
    Code.CREATION: "The job cannot be accepted. Nothing was launched.",
    Code.STAGING: (
        "The sources cannot be read, or more of them cannot be staged than `failurePolicy.maxFailedItems` "
        "allows. Nothing was launched."
    ),
    Code.LAUNCH: "Everything was staged, but no Pod started.",
    Code.NOT_FOUND: "The ImageJob does not exist. Only the command line reports this code (exit code 4).",
    Code.PROCESSING: "Pods ran, and more items failed than `failurePolicy.maxFailedItems` allows.",
    Code.DEADLINE: "The run took longer than `execution.activeDeadlineSeconds`.",
    Code.PUBLISH: "Outputs or the report could not be written.",
    Code.CANCELLED: "A user ended the run.",
}

_ITEMS = {
    ItemCode.UNDECODABLE: "the file is not an image, or is truncated or corrupt",
    ItemCode.TOO_LARGE: "the image exceeds the byte, pixel or frame limit; checked before decoding",
    ItemCode.UNSUPPORTED_FORMAT: "the format or pixel mode is not supported",
    ItemCode.SOURCE_CHANGED: "the source changed after it was staged",
    ItemCode.STEP_FAILED: "a step cannot be applied; the message names it",
    ItemCode.WRITE_FAILED: "an output could not be stored",
    ItemCode.TIMED_OUT: "processing took longer than `limits.itemTimeoutSeconds`",
    ItemCode.KILLED: "the decoding process died on this item, or every attempt at its shard failed",
    ItemCode.OUTPUT_TOO_LARGE: "the output exceeds a limit of its format, or `maxSize` cannot be reached",
    ItemCode.SOURCE_MISSING: "the source does not exist, or not any more",
    ItemCode.SOURCE_REFUSED: "the source was refused: archived, encrypted by its own key, or access denied",
    ItemCode.SOURCE_UNREACHABLE: "the source could not be downloaded from its web server",
    ItemCode.CHECKSUM_MISMATCH: "the downloaded source does not have the expected SHA-256 digest",
    ItemCode.BLOCKED_ADDRESS: "the URL of the source, or a redirect, points to a disallowed address or port",
}


def errors() -> str:
    """Codes with their reasons, and the codes of items."""
    lines = [NOTE, _INTRODUCTION]
    for code, name in CODE_NAMES.items():
        lines += [f"## {code} {name}\n", f"{CODES[code]}\n", "| reason | meaning | fault | retriable |"]
        lines.append("|---|---|---|---|")
        lines += [_row(*pair) for pair in CATALOGUE if pair[0] is code]
        lines.append("")
    lines += ["## Items\n", "Codes of single images, in `status.failures` and in the report.\n"]
    lines += ["| code | name | meaning |", "|---|---|---|"]
    lines += [f"| {code} | {code.name} | {_ITEMS[code]} |" for code in ItemCode]
    return "\n".join(lines) + "\n"


def _row(code: Code, reason: Reason) -> str:
    entry = CATALOGUE[code, reason]
    link = f"[{reason}](../administrators/runbook.md#{code.lower()}-{reason.lower()})"
    retriable = "yes" if entry.retriable else "no"
    return f"| {link} | {entry.meaning} | {entry.fault} | {retriable} |"
