"""The report of a run: the result of every item. Written once; its presence ends the run."""

from __future__ import annotations

from datetime import datetime

import msgspec

from imagejob_contract.result import Count, ImageFacts, ItemError, Timings
from imagejob_contract.wire import Wire, decode

MAX_REPORT_BYTES = 256 * 1024 * 1024
MAX_INDENTED_ITEMS = 10_000
"""A report of more items is written in one line."""


class ReportOutput(Wire, frozen=True):
    """One published object: key below the namespace's part, content type, sizes in bytes and pixels.

    `content` is its content key: equal outputs have equal ones.
    """

    rendition: str
    key: str
    type: str
    bytes: Count
    width: Count
    height: Count
    sha256: str
    etag: str = ""
    content: str = ""


class SourceSet(Wire, frozen=True):
    """A content type, and the keys and widths of its outputs, in the syntax of `srcset`."""

    type: str
    srcset: str


class ReportItem(Wire, frozen=True):
    """The result of one item: its source, and its outputs or its error.

    A skipped item had all its outputs already. `notes` say what the outputs lack although the source has it.
    All but `source`, `size` and the keys and types of outputs comes from the Pod.
    """

    source: str
    size: Count
    outputs: tuple[ReportOutput, ...] = ()
    error: ItemError | None = None
    skipped: bool = False
    sha256: str = ""
    image: ImageFacts | None = None
    timings: Timings | None = None
    srcset: tuple[SourceSet, ...] = ()
    notes: tuple[str, ...] = ()


class Totals(Wire, frozen=True, omit_defaults=False):
    """Sums over all items; outputs and their bytes without those of skipped items.

    `bytes_saved` is how much smaller the largest output of each item is than its source.
    """

    items: int = 0
    failed: int = 0
    skipped: int = 0
    outputs: int = 0
    source_bytes: int = 0
    output_bytes: int = 0
    bytes_saved: int = 0
    process_milliseconds: int = 0


class ReportCheck(Wire, frozen=True):
    """One check of a validation, whether it passed, what it found, and the items that would fail."""

    name: str
    passed: bool
    message: str
    items: tuple[ReportItem, ...] = ()


class ReportError(Wire, frozen=True):
    """Why the run did not succeed."""

    code: str
    reason: str
    message: str


class ReplacedOutput(Wire, frozen=True):
    """The first output that replaced one of another ImageJob; `job` is its name, if that is known."""

    key: str
    writer: str
    job: str = ""


class Report(Wire, frozen=True, omit_defaults=False):
    """The report of one run."""

    job: str
    uid: str
    run_id: str
    run: int
    outcome: str
    written_at: datetime
    run_uid: str = ""
    """Identifies the run, as `status.run.uid` and the `imagejob-run` metadata of its outputs."""
    outputs_at: str = ""
    """Where the keys of the outputs begin: store, bucket and prefix; empty if the store was not open."""
    operator: str = ""
    """The installation and the cluster of the operator that wrote it, as in the prefix of its staging."""
    items: tuple[ReportItem, ...] = ()
    error: ReportError | None = None
    checks: tuple[ReportCheck, ...] = ()
    """The checks of a run in mode Validate, which has no items."""
    totals: Totals = Totals()
    overwrote: ReplacedOutput | None = None

    @property
    def objects(self) -> int:
        """Published objects."""
        return sum(len(item.outputs) for item in self.items if not item.skipped)

    @property
    def bytes(self) -> int:
        """Published bytes."""
        return sum(output.bytes for item in self.items if not item.skipped for output in item.outputs)


def encode_report(report: Report, most: int = MAX_REPORT_BYTES) -> bytes:
    """The report as it is stored: indented, unless it is long.

    If it is too long to be read again, it omits `srcset`, `timings` and `notes`.
    """
    data = msgspec.json.encode(report)
    if len(report.items) <= MAX_INDENTED_ITEMS:
        data = msgspec.json.format(data, indent=1)
    if len(data) <= most:
        return data
    items = tuple(msgspec.structs.replace(item, srcset=(), timings=None, notes=()) for item in report.items)
    return msgspec.json.encode(msgspec.structs.replace(report, items=items))


class _Undecoded(Report, frozen=True):
    """A report with the bytes of its items."""

    items: tuple[msgspec.Raw, ...] = ()  # type: ignore[assignment]


class _Origin(msgspec.Struct, frozen=True):
    """Only who wrote a report."""

    operator: str = ""


def read_origin(data: bytes) -> str:
    """The operator that wrote a report; empty if it is not one."""
    try:
        return decode(data, _Origin).operator
    except msgspec.DecodeError:
        return ""


_ITEM = msgspec.json.Decoder(ReportItem)


def read_report(data: bytes) -> Report:
    """Read a report; raises msgspec.DecodeError if it is not one.

    Items are decoded one by one, so that other threads can run meanwhile.
    """
    report = decode(data, _Undecoded)
    items = tuple(_ITEM.decode(item) for item in report.items)
    return Report(**{**msgspec.structs.asdict(report), "items": items})
