"""What the page of a run shows, as one JSON object that its script reads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

import msgspec

from imagejob.catalogue import ITEMS, explain_failure
from imagejob_contract.result import ItemCode
from imagejob_gallery.links import Link, safe
from imagejob_gallery.text import source_element, visible
from imagejob_operator.documents.report import (
    Report,
    ReportCheck,
    ReportError,
    ReportItem,
    ReportOutput,
    Totals,
)


class _Content(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """Base of what the page reads: camelCase, without what is empty."""


class Output(_Content, frozen=True):
    """One published output; sizes in bytes and pixels."""

    rendition: str
    key: str
    type: str
    bytes: int
    width: int
    height: int
    url: str | None = None


class Item(_Content, frozen=True):
    """One item. `saved` is how many bytes its largest output is smaller than its source."""

    source: str
    size: int
    url: str | None = None
    code: str = ""
    message: str = ""
    skipped: bool = False
    saved: int | None = None
    format: str = ""
    width: int = 0
    height: int = 0
    color: str = ""
    thumb_hash: str = ""
    outputs: tuple[Output, ...] = ()
    srcset: str = ""
    notes: tuple[str, ...] = ()


class RunError(_Content, frozen=True):
    """Why the run did not succeed; meaning, remedy and runbook only if the catalogue has code and reason."""

    code: str
    reason: str
    message: str
    meaning: str = ""
    remedy: str = ""
    runbook: str = ""


class Check(_Content, frozen=True):
    """One check of a validation."""

    name: str
    passed: bool
    message: str


class FormatSum(_Content, frozen=True):
    """All outputs of one content type, also those that were up to date."""

    type: str
    outputs: int
    bytes: int


class ItemError(_Content, frozen=True):
    """What an item code means, and what to do."""

    name: str
    meaning: str
    remedy: str


class Content(_Content, frozen=True):
    """Everything that the page shows. Items are in the order of the report, failed ones first."""

    job: str
    run: int
    run_id: str
    outcome: str
    written_at: str
    totals: Totals
    outputs_at: str = ""
    error: RunError | None = None
    checks: tuple[Check, ...] = ()
    formats: tuple[FormatSum, ...] = ()
    renditions: tuple[str, ...] = ()
    errors: dict[str, ItemError] = {}
    items: tuple[Item, ...] = ()


def content_of(report: Report, source_url: Link, output_url: Link) -> Content:
    """What the page of a report shows, with URLs for the keys of sources and of outputs."""
    found = report.items or tuple(chain.from_iterable(check.items for check in report.checks))
    items = sorted(found, key=lambda item: item.error is None)
    outputs = [output for item in items for output in item.outputs]
    codes = {item.error.code for item in items if item.error}
    return Content(
        job=visible(report.job),
        run=report.run,
        run_id=visible(report.run_id),
        outcome=visible(report.outcome),
        written_at=report.written_at.isoformat(timespec="seconds"),
        totals=report.totals,
        outputs_at=visible(report.outputs_at),
        error=_run_error(report.error) if report.error else None,
        checks=tuple(_check(check) for check in report.checks),
        formats=formats_of(outputs),
        renditions=tuple(dict.fromkeys(visible(output.rendition) for output in outputs)),
        errors={code.value: _item_error(code) for code in sorted(codes)},
        items=tuple(_item(item, source_url, output_url) for item in items),
    )


def formats_of(outputs: Iterable[ReportOutput]) -> tuple[FormatSum, ...]:
    """Number and bytes of the outputs by content type, the most bytes first."""
    by_type: dict[str, list[int]] = {}
    for output in outputs:
        by_type.setdefault(output.type, []).append(output.bytes)
    sums = (FormatSum(visible(form), len(sizes), sum(sizes)) for form, sizes in by_type.items())
    return tuple(sorted(sums, key=lambda form: -form.bytes))


def _item(item: ReportItem, source_url: Link, output_url: Link) -> Item:
    image = item.image
    return Item(
        source=visible(item.source),
        size=item.size,
        url=safe(source_url(item.source)),
        code=item.error.code.value if item.error else "",
        message=visible(item.error.message) if item.error else "",
        skipped=item.skipped,
        saved=_saved(item.size, item.outputs),
        format=image.format if image else "",
        width=image.width if image else 0,
        height=image.height if image else 0,
        color=image.dominant_color if image else "",
        thumb_hash=image.thumb_hash if image else "",
        outputs=tuple(_output(output, output_url) for output in item.outputs),
        srcset="\n".join(visible(source_element(one.type, one.srcset)) for one in item.srcset),
        notes=tuple(map(visible, item.notes)),
    )


def _saved(size: int, outputs: Sequence[ReportOutput]) -> int | None:
    return size - max(output.bytes for output in outputs) if outputs else None


def _output(output: ReportOutput, output_url: Link) -> Output:
    return Output(
        rendition=visible(output.rendition),
        key=visible(output.key),
        type=visible(output.type),
        bytes=output.bytes,
        width=output.width,
        height=output.height,
        url=safe(output_url(output.key)),
    )


def _run_error(error: ReportError) -> RunError:
    shown = RunError(visible(error.code), visible(error.reason), visible(error.message))
    entry = explain_failure(error.code, error.reason)
    if entry is None:  # of another version of the operator
        return shown
    known = {"meaning": entry.meaning, "remedy": entry.remedy, "runbook": entry.runbook}
    return msgspec.structs.replace(shown, **known)


def _check(check: ReportCheck) -> Check:
    return Check(visible(check.name), check.passed, visible(check.message))


def _item_error(code: ItemCode) -> ItemError:
    entry = ITEMS[code.value]
    return ItemError(code.name, entry.meaning, entry.remedy)
