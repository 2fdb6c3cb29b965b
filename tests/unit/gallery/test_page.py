"""The page of a report: what it shows, and that no text of a report is more than text."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from imagejob.catalogue import ITEMS
from imagejob_contract.result import ItemCode, ItemError
from imagejob_gallery.links import Link
from imagejob_gallery.page import gallery_page
from imagejob_operator.api.errors import Code, Reason
from imagejob_operator.documents.report import (
    Report,
    ReportCheck,
    ReportError,
    ReportItem,
    ReportOutput,
    SourceSet,
)
from unit.gallery.reports import done, failed, output, relative, report_of


class Parsed(HTMLParser):
    """The elements of a page, and the text of its content."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[tuple[str, str | None], ...]]] = []
        self.text = ""
        self._inside = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(attrs)))
        self._inside = ("id", "content") in attrs

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.text += data
            self._inside = False


def shown(report: Report, source_url: Link = relative, output_url: Link = relative) -> Any:
    return json.loads(Parsed(gallery_page(report, source_url, output_url)).text)


EMPTY = Parsed(gallery_page(report_of([]), relative, relative)).elements


def hostile(text: str) -> Report:
    """A report with a text wherever it can have one."""
    made = ReportOutput(text, text, text, 1, 1, 1, text)
    item = ReportItem(
        text, 1, (made,), ItemError(ItemCode.KILLED, text), srcset=(SourceSet(text, text),), notes=(text,)
    )
    return report_of(
        [item],
        job=text,
        run_id=text,
        outcome=text,
        outputs_at=text,
        error=ReportError(text, text, text),
        checks=(ReportCheck(text, False, text),),
    )


def inert(page: str) -> bool:
    """Whether a page has the elements of an empty gallery, and no others."""
    return Parsed(page).elements == EMPTY


TEXTS = st.text(max_size=290) | st.text(alphabet="<>/\"'&!-=scriptSCRIPT \n\u2028\ud800\u202e{}", max_size=60)


@settings(deadline=None)
@given(TEXTS)
@example('"><script>alert(1)</script>')
@example("</script><script>alert(1)</script>")
@example("<!--<script>")
@example("{{script}}{{policy}}")
@example("\ud800")
def test_any_text_of_a_report_is_inert(text: str) -> None:
    page = gallery_page(hostile(text), str, str)
    page.encode()
    assert inert(page)
    content = shown(hostile(text), str, str)
    assert content["items"][0]["source"] == (text if text.isprintable() else content["job"])


def test_a_planted_missing_escape_is_found() -> None:
    page = gallery_page(hostile("</script><script>alert(1)</script>"), relative, relative)
    assert inert(page)
    assert not inert(page.replace("\\u003c", "<").replace("\\u003e", ">"))


def test_characters_without_a_form_are_shown_as_escapes() -> None:
    (item,) = shown(report_of([failed("a\u202egnp.exe\n\x00é.jpg")]))["items"]
    assert item["source"] == r"a\u202egnp.exe\n\x00é.jpg"


def test_failed_items_come_first_in_the_order_of_the_report() -> None:
    content = shown(report_of([done("b.jpg"), failed("z.jpg"), done("a.jpg"), failed("c.jpg")]))
    assert [item["source"] for item in content["items"]] == ["z.jpg", "c.jpg", "b.jpg", "a.jpg"]


def test_a_failed_item_has_its_code_its_message_and_what_to_do() -> None:
    content = shown(report_of([failed("a.jpg", ItemCode.TIMED_OUT, "after 30 s")]))
    (item,) = content["items"]
    assert (item["code"], item["message"]) == ("IMG_007", "after 30 s")
    entry = ITEMS[ItemCode.TIMED_OUT.value]
    assert content["errors"] == {
        "IMG_007": {"name": "TIMED_OUT", "meaning": entry.meaning, "remedy": entry.remedy}
    }


def test_every_item_code_is_in_the_catalogue() -> None:
    assert ITEMS.keys() == {code.value for code in ItemCode}


def test_totals_saved_bytes_and_sizes_by_format() -> None:
    items = [
        done("a.jpg", 100, output("a.webp", 40), output("a.jpg", 10, rendition="thumb")),
        done("b.jpg", 100, output("b.webp", 130), skipped=True),
        failed("c.jpg"),
    ]
    content = shown(report_of(items))
    totals = content["totals"]
    assert (totals["items"], totals["failed"], totals["skipped"], totals["bytesSaved"]) == (3, 1, 1, 30)
    assert [item.get("saved") for item in content["items"]] == [None, 60, -30]
    assert content["formats"] == [
        {"type": "image/webp", "outputs": 2, "bytes": 170},
        {"type": "image/jpeg", "outputs": 1, "bytes": 10},
    ]
    assert content["renditions"] == ["web", "thumb"]


def test_links_are_those_of_the_functions() -> None:
    content = shown(
        report_of([done("a b.jpg")]), lambda _: None, lambda key: f"https://store.example/{len(key)}?x=1&y=2"
    )
    (item,) = content["items"]
    assert "url" not in item
    assert item["outputs"][0]["url"] == "https://store.example/12?x=1&y=2"
    assert shown(report_of([done("a b.jpg")]))["items"][0]["url"] == "store/a%20b.jpg"


def test_srcset_can_be_copied() -> None:
    (item,) = shown(report_of([done("a&b.jpg", 100, output("a&b.webp", width=800), output("a&b.jpg"))]))[
        "items"
    ]
    assert item["srcset"].splitlines() == [
        '<source type="image/webp" srcset="a%26b.webp 800w">',
        '<source type="image/jpeg" srcset="a%26b.jpg 1200w">',
    ]


def test_srcset_of_a_report_cannot_leave_its_attribute() -> None:
    item = ReportItem("a", 1, srcset=(SourceSet("image/webp", '"><script>x</script>'),))
    (made,) = shown(report_of([item]))["items"]
    assert made["srcset"] == ('<source type="image/webp" srcset="&quot;&gt;&lt;script&gt;x&lt;/script&gt;">')


def test_an_empty_report() -> None:
    content = shown(report_of([]))
    assert "items" not in content
    assert content["totals"]["items"] == 0


def test_a_failed_run_without_outputs() -> None:
    error = ReportError(Code.PROCESSING, Reason.ITEMS_FAILED, "2 of 2 items failed")
    content = shown(report_of([failed("a.jpg"), ReportItem("b.jpg", 5)], outcome="Failed", error=error))
    assert content["error"]["meaning"] == "More items failed than `failurePolicy` allows."
    assert content["error"]["remedy"].startswith("Replace the images, ")
    assert content["error"]["runbook"].endswith("#job_005-itemsfailed")
    assert "formats" not in content
    assert "outputs" not in content["items"][1]


def test_an_error_of_another_version_has_no_meaning() -> None:
    error = shown(report_of([], error=ReportError("JOB_999", "New", "why")))["error"]
    assert error == {"code": "JOB_999", "reason": "New", "message": "why"}


def test_the_sources_that_a_validation_refuses_are_items() -> None:
    check = ReportCheck("sources", False, "1 of 2 sources cannot be staged", (failed("a.jpg"),))
    content = shown(report_of([], checks=(ReportCheck("keys", True, "no collision"), check)))
    assert [check["passed"] for check in content["checks"]] == [True, False]
    assert [item["source"] for item in content["items"]] == ["a.jpg"]


def test_the_policy_allows_nothing_from_elsewhere_but_images() -> None:
    policies = [
        dict(attributes)["content"] for tag, attributes in EMPTY if tag == "meta" and len(attributes) == 2
    ]
    (policy,) = [policy for policy in policies if policy and "default-src" in policy]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"].startswith("'sha256-")
    assert rules["style-src"].startswith("'sha256-")
    assert not [
        attributes for _, attributes in EMPTY if {"src", "onload", "onclick"} & dict(attributes).keys()
    ]
