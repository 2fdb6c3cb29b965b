"""The report of a run: what became of every item. Written once; its presence is the end of the run."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from imagejob_processor.contract import ItemError, Wire

MAX_REPORT_BYTES = 256 * 1024 * 1024


class ReportOutput(Wire, frozen=True):
    """One published object: key below the namespace's part, sizes in bytes and pixels, sha256 in hex.

    `etag` is what the store knows it by; `content` is its content key, equal for what would come out equal.
    """

    rendition: str
    key: str
    bytes: int
    width: int
    height: int
    sha256: str
    etag: str = ""
    content: str = ""


class ReportItem(Wire, frozen=True):
    """What became of one item; a skipped one had all its outputs already, as it would have made them."""

    source: str
    size: int
    outputs: tuple[ReportOutput, ...] = ()
    error: ItemError | None = None
    skipped: bool = False


class ReportCheck(Wire, frozen=True):
    """One thing that a validation looked at, whether it is as a run needs it, and what was seen."""

    name: str
    passed: bool
    message: str


class ReportError(Wire, frozen=True):
    """Why the run did not succeed."""

    code: str
    reason: str
    message: str


class Report(Wire, frozen=True, omit_defaults=False):
    """All of a run."""

    job: str
    uid: str
    run_id: str
    run: int
    outcome: str
    written_at: datetime
    items: tuple[ReportItem, ...] = ()
    error: ReportError | None = None
    checks: tuple[ReportCheck, ...] = ()
    """What a run that was only to be validated has looked at; then there are no items."""

    @property
    def objects(self) -> int:
        """Published objects."""
        return sum(len(item.outputs) for item in self.items if not item.skipped)

    @property
    def bytes(self) -> int:
        """Published bytes."""
        return sum(output.bytes for item in self.items if not item.skipped for output in item.outputs)


def encode_report(report: Report) -> bytes:
    """The report as it is stored."""
    return msgspec.json.format(msgspec.json.encode(report), indent=1)


def read_report(data: bytes) -> Report:
    """Read a report.

    Raises:
        msgspec.ValidationError, msgspec.DecodeError: if it is not one.
    """
    return msgspec.json.decode(data, type=Report)


def failed_items(items: Sequence[ReportItem]) -> list[ReportItem]:
    """The items that failed, in their order."""
    return [item for item in items if item.error is not None]
