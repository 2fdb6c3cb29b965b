"""The page of error codes: every code and reason with its meaning, and the codes of items."""

from __future__ import annotations

from imagejob_contract.result import ItemCode
from imagejob_operator.api.errors import CATALOGUE, CODE_NAMES, Code, Reason

NOTE = "<!-- Made by `python -m docgen`; do not edit. -->\n"

_INTRODUCTION = """\
# Error codes

A run that fails or is cancelled has `status.error` with a code, a reason, a message and a link to the
runbook. A code never changes its meaning; new reasons may be added. *Fault* says who can fix it.
*Retriable* means that a new run of the same spec may succeed with nothing else changed. Each reason links
to its runbook entry, which says how to diagnose and fix it.
"""

CODES = {
    Code.CREATION: "The job cannot be accepted. Nothing was launched.",
    Code.STAGING: "A source cannot be staged. Nothing was launched.",
    Code.LAUNCH: "Everything was staged, but no Pod started.",
    Code.NOT_FOUND: "The ImageJob does not exist. Only the command line reports this code (exit code 4).",
    Code.PROCESSING: "Pods ran, and more items failed than `failurePolicy.maxFailedItems` allows.",
    Code.DEADLINE: "`execution.activeDeadlineSeconds` passed.",
    Code.PUBLISH: "Outputs or the report could not be written.",
    Code.CANCELLED: "A user ended the run.",
}

MEANINGS: dict[tuple[Code, Reason], str] = {
    (Code.CREATION, Reason.INVALID_SPEC): "the spec breaks a rule that the API server does not check",
    (
        Code.CREATION,
        Reason.KEY_COLLISION,
    ): "two outputs have the same key, or an output has the key of a source",
    (Code.CREATION, Reason.NOT_PERMITTED): "the namespace lacks a label that the operator's store requires",
    (Code.CREATION, Reason.NO_PREVIOUS_REPORT): "`run.items: Failed`, but no earlier run has a report",
    (Code.CREATION, Reason.STORE_NOT_FOUND): "the namespace has no ImageStore with the name in `storeRef`",
    (
        Code.CREATION,
        Reason.STORE_NOT_READY,
    ): "the ImageStore is not ready; its `Ready` condition has the cause",
    (Code.STAGING, Reason.SOURCE_NOT_FOUND): "a source object, list, watermark image or URL does not exist",
    (Code.STAGING, Reason.SOURCE_EMPTY): "`match` selects no object, or the list has no keys",
    (Code.STAGING, Reason.TOO_MANY_ITEMS): "more sources than `match.maxItems` or the limit of a list",
    (
        Code.STAGING,
        Reason.SOURCE_TOO_LARGE,
    ): "a download, a list or a watermark image is over its size limit",
    (Code.STAGING, Reason.CHECKSUM_MISMATCH): "a download does not have the `sha256` given in the spec",
    (
        Code.STAGING,
        Reason.BLOCKED_ADDRESS,
    ): "a URL leads to an address or port that the operator does not fetch from",
    (
        Code.STAGING,
        Reason.SOURCE_UNREACHABLE,
    ): "a web server did not deliver the image before the staging deadline",
    (
        Code.STAGING,
        Reason.ACCESS_DENIED,
    ): "the store or the web server refused access, or a Secret cannot be read",
    (
        Code.STAGING,
        Reason.STORE_UNAVAILABLE,
    ): "the store did not answer, or answered 5xx or 429, until the deadline",
    (Code.STAGING, Reason.STAGING_DEADLINE_EXCEEDED): "copying took longer than `stagingDeadlineSeconds`",
    (Code.LAUNCH, Reason.POD_REJECTED): "the API server or an admission webhook refused the Pod",
    (Code.LAUNCH, Reason.QUOTA_EXCEEDED): "a ResourceQuota left no room for a Pod until the start deadline",
    (Code.LAUNCH, Reason.IMAGE_PULL_FAILED): "the processor image could not be pulled within the start grace",
    (Code.LAUNCH, Reason.INVALID_IMAGE_NAME): "`IMAGEJOB_PROCESSOR_IMAGE` is not a valid image name",
    (Code.LAUNCH, Reason.CONFIG_ERROR): "the Pod's service account, Secret or container cannot be set up",
    (Code.LAUNCH, Reason.UNSCHEDULABLE): "no node accepted a Pod until the start deadline",
    (Code.LAUNCH, Reason.QUEUE_DEADLINE_EXCEEDED): "the queue admitted no Pod within `queueDeadlineSeconds`",
    (
        Code.LAUNCH,
        Reason.START_DEADLINE_EXCEEDED,
    ): "no Pod started until the start deadline, for any other cause",
    (Code.NOT_FOUND, Reason.JOB_NOT_FOUND): "the namespace has no ImageJob with this name",
    (Code.PROCESSING, Reason.ITEMS_FAILED): "too many images failed, each with its own item code",
    (Code.PROCESSING, Reason.OUT_OF_MEMORY): "every attempt at a shard ran out of memory",
    (Code.PROCESSING, Reason.CRASHED): "every attempt at a shard ended with an error",
    (Code.PROCESSING, Reason.NODE_LOST): "the Pods of a shard were disrupted too often",
    (
        Code.PROCESSING,
        Reason.RESULTS_INVALID,
    ): "the results of the Pods are missing or do not match the outputs",
    (Code.DEADLINE, Reason.DEADLINE_EXCEEDED): "the run took longer than `activeDeadlineSeconds`",
    (Code.PUBLISH, Reason.DESTINATION_DENIED): "the store refused to write an output or the report",
    (
        Code.PUBLISH,
        Reason.STORE_UNAVAILABLE,
    ): "the store did not answer, or answered 5xx or 429, until the deadline",
    (
        Code.PUBLISH,
        Reason.OVERWRITE_REFUSED,
    ): "`overwrite: Never`, and an object exists at the key of an output",
    (Code.CANCELLED, Reason.CANCELLED): "`spec.cancelRunID` names this run",
    (Code.CANCELLED, Reason.SUPERSEDED): "`spec.run.id` was changed before the run had ended",
}

_ITEMS = {
    ItemCode.UNDECODABLE: "the file is not an image, or is truncated or corrupt",
    ItemCode.TOO_LARGE: "the image is over the byte, pixel or frame limit; checked before decoding",
    ItemCode.UNSUPPORTED_FORMAT: "the format or pixel mode is not allowed",
    ItemCode.SOURCE_CHANGED: "the source changed after it was staged",
    ItemCode.STEP_FAILED: "a step cannot be applied; the message names it",
    ItemCode.WRITE_FAILED: "an output could not be stored",
    ItemCode.TIMED_OUT: "processing took longer than `limits.itemTimeoutSeconds`",
    ItemCode.KILLED: "the worker process died on this item, or every attempt at its shard failed",
    ItemCode.OUTPUT_TOO_LARGE: "the output is over a limit of its format, or `maxSize` cannot be reached",
    ItemCode.SOURCE_MISSING: "the staged source does not exist",
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
    return f"| {link} | {MEANINGS[code, reason]} | {entry.fault} | {retriable} |"
