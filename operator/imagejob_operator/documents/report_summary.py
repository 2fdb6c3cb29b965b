"""What a report says about all items: totals, duplicates, and source sets for web pages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from urllib.parse import quote

import msgspec

from imagejob_operator.documents.report import Duplicates, ReportItem, ReportOutput, SourceSet, Totals

FLAT = "0" * 16
"""The perceptual hash of every image without detail."""


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


def duplicates(items: Sequence[ReportItem]) -> tuple[Duplicates, ...]:
    """Groups of items with the same bytes, then of other items that look alike."""
    same = _groups((item.sha256, item.source) for item in items if item.sha256)
    first_of = {source: group[0] for group in same for source in group}
    alike = _groups(
        (item.image.perceptual_hash, item.source)
        for item in items
        if item.image
        and item.image.perceptual_hash != FLAT
        and first_of.get(item.source) in (None, item.source)
    )
    return tuple(
        Duplicates(kind, group) for kind, groups in (("Same", same), ("Alike", alike)) for group in groups
    )


def _groups(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Sources with equal values; only groups of several, in the order of their first member."""
    by_value: defaultdict[str, list[str]] = defaultdict(list)
    for value, source in pairs:
        by_value[value].append(source)
    return [tuple(group) for group in by_value.values() if len(group) > 1]


def with_source_sets(item: ReportItem) -> ReportItem:
    """The item with the source sets of its outputs."""
    return msgspec.structs.replace(item, srcset=source_sets(item.outputs))


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
