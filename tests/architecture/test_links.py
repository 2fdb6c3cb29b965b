"""Every relative link of a page leads to a file that exists, and to a heading of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from architecture.runbook import ROOT, anchors

PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), ROOT / "examples" / "README.md"]
LINK = re.compile(r"\]\(([^)\s]+)\)")


def broken(page: Path, text: str) -> list[str]:
    """The targets of a page's links that do not exist."""
    found = []
    for target in LINK.findall(re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)):
        path, _, anchor = target.partition("#")
        other = page.parent / path if path else page
        if "://" in target:
            continue
        if not other.exists() or (anchor and anchor not in anchors(text if not path else other.read_text())):
            found.append(target)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert broken(page, page.read_text()) == []


def test_broken_links_are_found() -> None:
    text = "# One\n[a](#one) [b](#two) [c](README.md) [d](NOWHERE.md) [e](README.md#nil) [f](https://x.example)\n"
    assert broken(ROOT / "README.md", text) == ["#two", "NOWHERE.md", "README.md#nil"]


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {
        (index.parent / target.partition("#")[0]).resolve() for target in LINK.findall(index.read_text())
    }
    pages = {page for page in (ROOT / "docs").rglob("*.md") if "decisions" not in page.parts}
    assert pages - linked == {index}
