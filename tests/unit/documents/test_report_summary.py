"""Totals and source sets of a report."""

from datetime import UTC, datetime

import msgspec

from imagejob_contract.result import (
    MAX_MESSAGE_CHARACTERS,
    MAX_NOTE_CHARACTERS,
    MAX_NOTES,
    MAX_RESULT_BYTES,
    ImageFacts,
    ItemCode,
    ItemError,
    ItemResult,
    OutputRecord,
    Result,
    SourceRecord,
    Timings,
    encode_result,
    max_item_bytes,
    max_result_bytes,
)
from imagejob_operator.documents import report_summary
from imagejob_operator.documents.report import (
    Report,
    ReportItem,
    ReportOutput,
    SourceSet,
    encode_report,
    read_report,
)

A, B = "a" * 64, "b" * 64
CAT, DOG = "0f" * 8, "f0" * 8


def facts(look: str) -> ImageFacts:
    return ImageFacts("JPEG", 2**31 - 1, 2**31 - 1, look, "#010203", "A" * 36)


def output(rendition: str, key: str, size: int, width: int) -> ReportOutput:
    form = "image/jpeg" if key.endswith(".jpg") else "image/webp"
    return ReportOutput(rendition, key, form, size, width, 10, A)


def item(
    source: str, sha256: str = "", look: str = "", *outputs: ReportOutput, size: int = 100
) -> ReportItem:
    return ReportItem(source, size, outputs, sha256=sha256, image=facts(look) if look else None)


def test_totals() -> None:
    items = [
        item("a", A, CAT, output("web", "a.webp", 40, 800), output("thumb", "a.jpg", 5, 100)),
        item("b", B, DOG, output("web", "b.webp", 130, 800)),
        ReportItem("c", 7, error=ItemError(ItemCode.UNDECODABLE, "no"), timings=Timings(1, 20, 3)),
    ]
    summed = report_summary.totals(items)
    assert (summed.items, summed.failed, summed.outputs) == (3, 1, 3)
    assert (summed.source_bytes, summed.output_bytes) == (207, 175)
    assert summed.bytes_saved == (100 - 40) + (100 - 130)
    assert summed.process_milliseconds == 20


def test_source_sets_are_what_a_page_takes() -> None:
    outputs = [
        output("large", "x/a b,c.webp", 9, 1600),
        output("small", "x/small.webp", 9, 400),
        output("same", "x/same.webp", 9, 400),
        output("old", "x/old.jpg", 9, 400),
    ]
    assert report_summary.source_sets(outputs) == (
        SourceSet("image/webp", "x/small.webp 400w, x/a%20b%2Cc.webp 1600w"),
        SourceSet("image/jpeg", "x/old.jpg 400w"),
    )


NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_a_report_is_read_back_and_older_ones_too() -> None:
    items = (item("a", A, CAT, output("web", "a.webp", 40, 800)),)
    report = Report("ns/j", "u", "1", 1, "Succeeded", NOW, items=items, totals=report_summary.totals(items))
    assert read_report(encode_report(report)) == report
    older = {"job": "ns/j", "uid": "u", "runId": "1", "run": 1, "outcome": "Succeeded", "writtenAt": NOW}
    assert read_report(msgspec.json.encode({**older, "items": [{"source": "a", "size": 1}]})).items


def test_a_report_that_is_too_long_omits_what_can_be_computed_again() -> None:
    long = msgspec.structs.replace(
        item("a", A, CAT), srcset=(SourceSet("image/webp", "x" * 3000),), notes=("x" * 2000,)
    )
    report = Report("ns/j", "u", "1", 1, "Succeeded", NOW, items=(long,))
    assert read_report(encode_report(report)) == report
    short = read_report(encode_report(report, most=4000))
    assert (short.items[0].srcset, short.items[0].notes) == ((), ())
    assert short.items[0].sha256 == A


def test_the_longest_result_of_a_pod_is_within_its_limit() -> None:
    outputs = tuple(OutputRecord(f"{n:032d}", 2**40, 65535, 65535, A) for n in range(32))
    source, timings = SourceRecord(2**40, A), Timings(10**7, 10**7, 10**7)
    notes = ("\u20ac" * MAX_NOTE_CHARACTERS,) * MAX_NOTES
    done = ItemResult(10**6, outputs, None, source, facts(CAT), timings, notes)
    failed = ItemResult(
        10**6,
        (),
        ItemError(ItemCode.KILLED, "\u20ac" * MAX_MESSAGE_CHARACTERS),
        source,
        facts(CAT),
        timings,
        notes,
    )
    for each in (done, failed):
        assert len(msgspec.json.encode(each)) <= max_item_bytes(len(each.outputs))
        stored = encode_result(Result(1, 999, 9, (each,) * 1000))
        assert len(stored) <= max_result_bytes(1000, len(each.outputs)) <= MAX_RESULT_BYTES
