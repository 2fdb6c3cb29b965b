"""What each code and reason means, and what to do about it.

The source of `docs/users/errors.md` and of what the command line prints. Meanings of JOB codes with their
reasons are those of the operator's own catalogue.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from imagejob.remedies import REMEDIES, Fix
from imagejob_operator.api.errors import CATALOGUE, CODE_NAMES, Code, Failure, Reason

CODE_MEANINGS = {
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

_ITEMS = """
IMG_001 UNDECODABLE         the file is not an image, or is truncated or corrupt
    Replace the file.
IMG_002 TOO_LARGE           the image exceeds the byte, pixel or frame limit; checked before decoding
    Raise the limit in `limits`, or make the image smaller.
IMG_003 UNSUPPORTED_FORMAT  the format or pixel mode is not supported
    Convert the file to JPEG, PNG, WebP, GIF, TIFF, AVIF or HEIC.
IMG_004 SOURCE_CHANGED      the source changed after it was staged
    Retry the failed items, and do not change sources during a run.
IMG_005 STEP_FAILED         a step cannot be applied; the message names it
    Correct the step, or use another rendition for this image.
IMG_006 WRITE_FAILED        an output could not be stored
    Check the store, then retry the failed items.
IMG_007 TIMED_OUT           processing took longer than `limits.itemTimeoutSeconds`
    Raise `limits.itemTimeoutSeconds`, or make the image smaller.
IMG_008 KILLED              the decoding process died on this item, or every attempt at its shard failed
    Read the logs of the Pod; give Pods more memory in `podTemplate.resources`.
IMG_009 OUTPUT_TOO_LARGE    the output exceeds a limit of its format, or `maxSize` cannot be reached
    Use another format, a smaller size or a larger `maxSize`.
IMG_010 SOURCE_MISSING      the source does not exist, or not any more
    Upload the object, or remove its key from the job.
IMG_011 SOURCE_REFUSED      the source was refused: archived, encrypted by its own key, or access denied
    Restore the object, or allow the operator to read it.
IMG_012 SOURCE_UNREACHABLE  the source could not be downloaded from its web server
    Check the URL and the web server, then retry the failed items.
IMG_013 CHECKSUM_MISMATCH   the downloaded source does not have the expected SHA-256 digest
    Correct `sha256`, or find out why the server sends another file.
IMG_014 BLOCKED_ADDRESS     the URL of the source, or a redirect, points to a disallowed address or port
    Use a public address, or ask an administrator to allow the network.
"""


@dataclass(frozen=True, slots=True)
class Item:
    """The code of a single image that failed."""

    code: str
    name: str
    meaning: str
    remedy: str


def _items() -> dict[str, Item]:
    lines = _ITEMS.strip().splitlines()
    pairs = zip(lines[::2], lines[1::2], strict=True)
    parts = ((*head.split(maxsplit=2), remedy.strip()) for head, remedy in pairs)
    return {code: Item(code, name, meaning, remedy) for code, name, meaning, remedy in parts}


ITEMS = _items()

OTHER_REASONS = {
    "SucceededWithFailures": "The run succeeded, but some items failed, as many as `failurePolicy` allows.",
    "Validated": "A run with mode Validate found no problem. Nothing was copied or launched.",
    "Progressing": "The run is in progress, and waits for nothing.",
    "Suspended": "`spec.suspend` is true: nothing runs. `imagejob resume` starts the run again.",
    "Deferred": "The staging of a finished run is not empty yet; the operator keeps trying to delete it.",
    "OtherImageJob": "The run has replaced outputs that another ImageJob had written; the message names one.",
    "NotServed": "No operator has handled the job: no operator is running, or none has its `spec.class`.",
}
"""Reasons of conditions and Events that are not errors of a run."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a code or a reason means; parts that do not apply are empty."""

    title: str
    meaning: str
    remedy: str = ""
    fault: str = ""
    retriable: bool | None = None
    """Whether a new run of the same spec may succeed."""
    fix: Fix | None = None
    """Where the remedy changes something; None if this version does not know the error."""
    before_retry: str = ""
    """What to do outside of the spec before a new run."""
    runbook: str = ""

    @property
    def new_run(self) -> str:
        """What a new run does about it; empty if not known."""
        if self.fix is Fix.NOTHING:
            return "nothing has to be corrected before a new run"
        if self.retriable is None:
            return ""
        return "a new run of the same spec may help" if self.retriable else "a new run alone does not help"


def explain_failure(code: str, reason: str) -> Explanation | None:
    """The entry of a code with its reason; None if this version does not know it."""
    try:
        pair = (Code(code), Reason(reason))
        entry = CATALOGUE[pair]
    except (ValueError, KeyError):
        return None
    return Explanation(
        title=f"{code} {reason}",
        meaning=entry.meaning,
        remedy=REMEDIES[pair].text,
        fault=entry.fault.value,
        retriable=entry.retriable,
        runbook=Failure(*pair, "").runbook,
        fix=REMEDIES[pair].fix,
        before_retry=REMEDIES[pair].before_retry,
    )


_CODE_OF_PHASE = {
    "Pending": Code.CREATION,
    "Validating": Code.STAGING,
    "Staging": Code.STAGING,
    "Launching": Code.LAUNCH,
    "Running": Code.LAUNCH,
    "Publishing": Code.PUBLISH,
}


def explain_wait(phase: str, reason: str) -> Explanation | None:
    """What a run waits for that is in a phase with this reason, and would fail with it; None if unknown."""
    codes = [code for code, known in CATALOGUE if known == reason]
    expected = _CODE_OF_PHASE.get(phase)
    code = expected if expected in codes else next(iter(codes), None)
    entry = explain_failure(code, reason) if code else None
    if entry is None:
        return None
    remedy = re.sub("[,;] then retry", "", entry.remedy)
    return replace(entry, remedy=remedy, retriable=None)


def explain(word: str) -> list[Explanation]:
    """What `JOB_002`, `JOB_002/SourceNotFound`, `SourceNotFound` or `IMG_001` means; empty if unknown."""
    code, _, reason = word.replace("/", " ").strip().partition(" ")
    wanted = {part.lower() for part in (code, reason.strip()) if part}
    found = [
        Explanation(f"{one} {CODE_NAMES[one]}", meaning)
        for one, meaning in CODE_MEANINGS.items()
        if wanted and wanted <= {one.lower(), CODE_NAMES[one].lower()}
    ]
    for pair in CATALOGUE:
        entry = explain_failure(*pair)
        if entry and wanted and wanted <= {pair[0].lower(), pair[1].lower(), CODE_NAMES[pair[0]].lower()}:
            found.append(entry)
    for item in ITEMS.values():
        if wanted and wanted <= {item.code.lower(), item.name.lower()}:
            found.append(
                Explanation(
                    f"{item.code} {item.name}", f"{item.meaning[0].upper()}{item.meaning[1:]}.", item.remedy
                )
            )
    for name, meaning in OTHER_REASONS.items():
        if wanted == {name.lower()}:
            found.append(Explanation(name, meaning))
    return found


def known_words() -> list[str]:
    """All codes and reasons that `explain` knows."""
    reasons = dict.fromkeys(reason.value for _, reason in CATALOGUE)
    return [*CODE_MEANINGS, *ITEMS, *reasons, *OTHER_REASONS]
