"""The report of a run: what became of every item. Written once; its presence is the end of the run."""

from __future__ import annotations

from datetime import datetime

import msgspec

from imagejob_contract.result import ImageFacts, ItemError, Timings
from imagejob_contract.wire import Wire

MAX_REPORT_BYTES = 256 * 1024 * 1024
ITEMS_FOR_PEOPLE = 10_000
"""A report of more items is written in one line."""


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


class SourceSet(Wire, frozen=True):
    """A content type, and the keys of all outputs of it with their widths, as `srcset` takes them."""

    type: str
    srcset: str


class ReportItem(Wire, frozen=True):
    """What became of one item: the source's key, size in bytes and sha256, what it looks like, its outputs.

    A skipped one had all its outputs already, as it would have made them. All but `source` and `size` is
    what the Pod said; keys of outputs are the operator's own.
    """

    source: str
    size: int
    outputs: tuple[ReportOutput, ...] = ()
    error: ItemError | None = None
    skipped: bool = False
    sha256: str = ""
    image: ImageFacts | None = None
    timings: Timings | None = None
    srcset: tuple[SourceSet, ...] = ()


class Totals(Wire, frozen=True, omit_defaults=False):
    """Sums over all items; outputs and their bytes without those that were there already.

    `bytes_saved` is what serving the largest output in place of each source would save.
    """

    items: int = 0
    failed: int = 0
    skipped: int = 0
    outputs: int = 0
    source_bytes: int = 0
    output_bytes: int = 0
    bytes_saved: int = 0
    process_milliseconds: int = 0


class Duplicates(Wire, frozen=True):
    """Sources that are the same file (Same), or look the same by their perceptual hash (Alike)."""

    kind: str
    sources: tuple[str, ...]


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
    totals: Totals = Totals()
    duplicates: tuple[Duplicates, ...] = ()

    @property
    def objects(self) -> int:
        """Published objects."""
        return sum(len(item.outputs) for item in self.items if not item.skipped)

    @property
    def bytes(self) -> int:
        """Published bytes."""
        return sum(output.bytes for item in self.items if not item.skipped for output in item.outputs)


def encode_report(report: Report, most: int = MAX_REPORT_BYTES) -> bytes:
    """The report as it is stored: set out for people, unless it is too long for them.

    One too long to be read back goes without what can be told anew.
    """
    data = msgspec.json.encode(report)
    if len(report.items) <= ITEMS_FOR_PEOPLE:
        data = msgspec.json.format(data, indent=1)
    if len(data) <= most:
        return data
    items = tuple(msgspec.structs.replace(item, srcset=(), timings=None) for item in report.items)
    return msgspec.json.encode(msgspec.structs.replace(report, items=items))


def read_report(data: bytes) -> Report:
    """Read a report.

    Raises:
        msgspec.ValidationError, msgspec.DecodeError: if it is not one.
    """
    return msgspec.json.decode(data, type=Report)
