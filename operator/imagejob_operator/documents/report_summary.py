"""The derived parts of a report: totals, duplicates, and source sets for web pages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import quote

import msgspec

from imagejob_contract.output import CONTENT_TYPES
from imagejob_contract.recipe import Rendition
from imagejob_contract.source_format import for_source
from imagejob_operator.documents.report import Duplicates, ReportItem, ReportOutput, SourceSet, Totals

FLAT = "0" * 16
"""Perceptual hash of an image without detail; all such images have it."""


def totals(items: Sequence[ReportItem]) -> Totals:
    """Sum up what was read and written."""
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
    """Find items with the same file, then different files with the same perceptual hash."""
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
    """Group sources by their hash; only groups of two or more, in the order of their first member."""
    by_hash: defaultdict[str, list[str]] = defaultdict(list)
    for value, source in pairs:
        by_hash[value].append(source)
    return [tuple(group) for group in by_hash.values() if len(group) > 1]


def with_source_sets(item: ReportItem, renditions: Iterable[Rendition]) -> ReportItem:
    """Add the source sets to an item with outputs."""
    if not item.outputs:
        return item
    types = {
        rendition.name: CONTENT_TYPES[for_source(rendition, item.source).output.format]
        for rendition in renditions
    }
    return msgspec.structs.replace(item, srcset=source_sets(item.outputs, types))


def source_sets(outputs: Sequence[ReportOutput], types: Mapping[str, str]) -> tuple[SourceSet, ...]:
    """The values of `<source type srcset>`: one per content type, candidates by width.

    Args:
        outputs: the outputs of one item.
        types: content types by the rendition's name.
    """
    by_type: dict[str, dict[int, str]] = {}
    for output in outputs:
        # A browser cannot choose between candidates of the same width: the first one counts.
        by_type.setdefault(types[output.rendition], {}).setdefault(output.width, output.key)
    return tuple(
        SourceSet(form, ", ".join(f"{quote(key)} {width}w" for width, key in sorted(candidates.items())))
        for form, candidates in by_type.items()
    )
