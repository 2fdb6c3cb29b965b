"""The report of a run: the result of every item. It is written once, and commits the run."""

from __future__ import annotations

from datetime import datetime

import msgspec

from imagejob_contract.result import ImageFacts, ItemError, Timings
from imagejob_contract.wire import Wire

MAX_REPORT_BYTES = 256 * 1024 * 1024
ITEMS_FOR_PEOPLE = 10_000
"""A report with more items is not indented."""


class ReportOutput(Wire, frozen=True):
    """One published object: its key below the namespace's prefix, sizes in bytes and pixels, sha256 in hex.

    `content` is its content key: outputs with equal content keys have equal bytes.
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
    """A content type, and the keys and widths of its outputs in the syntax of `srcset`."""

    type: str
    srcset: str


class ReportItem(Wire, frozen=True):
    """One item: the source's key, size in bytes and sha256, its image, its outputs or error.

    The outputs of a skipped item were up to date. `sha256`, `image`, `timings` and the sizes of outputs come
    from the Pod.
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
    """Sums over all items; outputs and their bytes are those that the run wrote.

    `bytes_saved` is what serving the largest output of each item, instead of its source, would save.
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
    """Sources that are the same file (Same), or have the same perceptual hash (Alike)."""

    kind: str
    sources: tuple[str, ...]


class ReportCheck(Wire, frozen=True):
    """One check of a validation, and its result."""

    name: str
    passed: bool
    message: str


class ReportError(Wire, frozen=True):
    """Why the run did not succeed."""

    code: str
    reason: str
    message: str


class Report(Wire, frozen=True, omit_defaults=False):
    """The report of one run."""

    job: str
    uid: str
    run_id: str
    run: int
    outcome: str
    written_at: datetime
    items: tuple[ReportItem, ...] = ()
    error: ReportError | None = None
    checks: tuple[ReportCheck, ...] = ()
    """The checks of a validation, which has no items."""
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
    """The report as it is stored: indented for people, unless it is long.

    If it is too long to be read back, fields that can be derived or only inform are left out.
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
        msgspec.DecodeError: if it cannot be decoded.
    """
    return msgspec.json.decode(data, type=Report)
