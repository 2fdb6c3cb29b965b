"""Reports to make galleries of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from imagejob_contract.result import ImageFacts, ItemCode, ItemError
from imagejob_operator.documents.report import Report, ReportItem, ReportOutput
from imagejob_operator.documents.report_summary import source_sets, totals

WRITTEN = datetime(2026, 5, 4, 10, 30, tzinfo=UTC)
THUMB_HASH = "1QcSHQRnh493V4dIh4eXh1h4kJUI"
"""A sunset, from the page of the format."""


def facts(thumb_hash: str = THUMB_HASH) -> ImageFacts:
    return ImageFacts("JPEG", 1600, 1067, "0f" * 8, "#a07050", thumb_hash)


def output(key: str, size: int = 40_000, width: int = 1200, rendition: str = "web") -> ReportOutput:
    form = {"jpg": "image/jpeg", "webp": "image/webp", "png": "image/png"}.get(
        key[-4:].strip("."), "image/avif"
    )
    return ReportOutput(rendition, key, form, size, width, width * 2 // 3, "a" * 64)


def done(source: str, size: int = 400_000, *outputs: ReportOutput, **more: Any) -> ReportItem:
    """An item that has succeeded; by default with the renditions web and thumb."""
    stem = source.rpartition(".")[0]
    made = outputs or (output(f"{stem}-web.webp"), output(f"{stem}-thumb.jpg", 5_000, 200, "thumb"))
    return ReportItem(source, size, made, image=facts(), srcset=source_sets(made), **more)


def failed(source: str, code: ItemCode = ItemCode.UNDECODABLE, message: str = "no image") -> ReportItem:
    return ReportItem(source, 10, error=ItemError(code, message))


def report_of(items: Sequence[ReportItem], **more: Any) -> Report:
    known: dict[str, Any] = {
        "job": "shop/spring",
        "uid": "u",
        "run_id": "1",
        "run": 1,
        "outcome": "Succeeded",
        "written_at": WRITTEN,
    }
    return Report(**{**known, "items": tuple(items), "totals": totals(items), **more})


def many(count: int) -> Report:
    """A report of many items, of which each hundredth has failed."""
    return report_of(
        [
            failed(f"uploads/{index:05}.jpg")
            if index % 100 == 99
            else done(f"uploads/{index:05}.jpg", 300_000 + index)
            for index in range(count)
        ]
    )


def relative(key: str) -> str:
    """The URL of a key in a folder beside the page."""
    return quote(f"store/{key}")
