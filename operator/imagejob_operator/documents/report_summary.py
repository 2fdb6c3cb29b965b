"""What a report says about all items: totals, and source sets for web pages."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from imagejob_operator.documents.report import ReportItem, ReportOutput, SourceSet, Totals


def totals(items: Sequence[ReportItem]) -> Totals:
    """Sums over all items."""
    done = [item for item in items if item.outputs]
    written = [item for item in done if not item.skipped]
    return Totals(
        items=len(items),
        failed=sum(1 for item in items if item.error),
        skipped=sum(1 for item in items if item.skipped),
        outputs=sum(len(item.outputs) for item in written),
        source_bytes=sum(item.size for item in items),
        output_bytes=sum(output.bytes for item in written for output in item.outputs),
        bytes_saved=sum(item.size - max(output.bytes for output in item.outputs) for item in done),
        process_milliseconds=sum(item.timings.process for item in items if item.timings),
    )


def source_sets(outputs: Sequence[ReportOutput]) -> tuple[SourceSet, ...]:
    """What `<source type srcset>` of a web page takes: one for each content type, candidates by width."""
    by_type: dict[str, dict[int, str]] = {}
    for output in outputs:
        # A browser cannot choose between two candidates of one width: the first one counts.
        by_type.setdefault(output.type, {}).setdefault(output.width, output.key)
    return tuple(
        SourceSet(form, ", ".join(f"{quote(key)} {width}w" for width, key in sorted(candidates.items())))
        for form, candidates in by_type.items()
    )
