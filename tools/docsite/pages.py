"""The pages of the site as files for the builder, and a comparison of what it made of them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path

from markdown_it import MarkdownIt

from docsite.repository import ELSEWHERE, for_site, linked, place

COUNTED = ("li", "pre", "table", "h2", "h3")


def write(root: Path, folder: Path) -> dict[str, str]:
    """Write all pages and pictures of the site into an empty folder; return the pages by their names."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(root / "docs", folder, ignore=shutil.ignore_patterns("*.md", "measured"))
    pages = {str(path.relative_to(root)): path.read_text() for path in (root / "docs").rglob("*.md")}
    pages |= linked(root, pages)
    placed = {place(root, path): for_site(root, path, text) for path, text in pages.items()}
    for name, text in placed.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(indented(text))
    return placed


def indented(markdown: str) -> str:
    """Write lists as Python-Markdown needs them: after an empty line, and indented by four blanks."""
    lines, more, code = [""], 0, False
    for line in markdown.split("\n"):
        if not code and (item := re.match(r"(\d+\. |- )", line)):
            if not more and lines[-1]:
                lines.append("")
            more = 4 - len(item[1])
        elif line and not line.startswith(" ") and not code:
            more = 0
        if re.match(r" *```", line):
            code = not code
        lines.append(" " * more + line if more and line.startswith(" ") else line)
    return "\n".join(lines[1:])


def left_out(pages: Iterable[str], navigation: str) -> list[str]:
    """Return the pages that the navigation lacks, except those of the repository and the decisions."""
    listed = set(re.findall(r"[\w/-]+\.md", navigation))
    inside = (f"{ELSEWHERE}/", "contributors/decisions/")
    return sorted(page for page in pages if page not in listed and not page.startswith(inside))


def differences(markdown: str, html: str) -> list[str]:
    """Return the elements that a page has another number of times on the site than on the code host."""
    article = html.partition("<article")[2].partition("</article>")[0]
    host = MarkdownIt("commonmark").enable("table").render(markdown)
    found = []
    for name in COUNTED:
        there, here = (len(re.findall(rf"<{name}[ >]", text)) for text in (host, article))
        if there != here:
            found.append(f"{there} <{name}> on the code host, {here} on the site")
    return found


def loaded_from_elsewhere(html: str) -> list[str]:
    """Return the addresses on other hosts from which a page loads scripts, styles, fonts or pictures."""
    return re.findall(r"""<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)="((?:https?:)?//[^"]+)""", html)
