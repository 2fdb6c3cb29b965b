"""Links of a page to files of the repository, and where each of these files is on the site.

On the code host, a page may link to any file or folder. The site has the pages below docs/, and below
`repository/` a copy of each other file that they link to.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

CODE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<=\]\()([^)\s#]+)(#[^)\s]*)?(?=\))")
ELSEWHERE = "repository"
"""The folder of the site with the files that are not below docs/."""


def outside_code(text: str, change: Callable[[str], str]) -> str:
    """Change a text, except for its fenced blocks of code."""
    parts, end = [], 0
    for block in CODE.finditer(text):
        parts += [change(text[end : block.start()]), block[0]]
        end = block.end()
    return "".join([*parts, change(text[end:])])


def place(root: Path, path: str) -> str:
    """Return the name on the site of a file or folder of the repository.

    A file of code becomes a page. A folder becomes its README.md, or a list of its files.
    """
    if (root / path).is_dir():
        path = f"{path}/README.md"
    elif not path.startswith("docs/") and not path.endswith(".md"):
        path = f"{path}.md"
    return path.removeprefix("docs/") if path.startswith("docs/") else f"{ELSEWHERE}/{path}"


def links(page: str, text: str) -> Iterator[str]:
    """Yield the paths in the repository that a page links to; `page` is its own path."""
    for part in CODE.split(text):
        for link in LINK.finditer(part):
            if "://" not in link[1]:
                yield posixpath.normpath(posixpath.join(posixpath.dirname(page), link[1]))


def for_site(root: Path, page: str, text: str) -> str:
    """Return the text of a page with its links as they are on the site.

    Links that lead nowhere stay as they are, so that the build reports them.
    """
    here = posixpath.dirname(place(root, page))

    def moved(link: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(page), link[1]))
        if "://" in link[1] or not (root / path).exists():
            return link[0]
        return posixpath.relpath(place(root, path), here or ".") + (link[2] or "")

    return outside_code(text, lambda part: LINK.sub(moved, part))


def linked(root: Path, pages: Iterable[str]) -> dict[str, str]:
    """Return the pages to add to the site for what other pages link to: path in the repository, and text.

    Links of added pages count as well.
    """
    added: dict[str, str] = {}
    todo = list(pages)
    while todo:
        page = todo.pop()
        text = added[page] if page in added else (root / page).read_text()
        if not page.endswith(".md"):
            continue
        for path in links(page, text):
            source = f"{path}/README.md" if (root / path).is_dir() else path
            if source in added or (source.startswith("docs/") and (root / source).exists()):
                continue
            if (root / path).exists():
                added[source] = _text(root, path, source)
                todo.append(source)
    return added


def _text(root: Path, path: str, source: str) -> str:
    if source.endswith(".md") and (root / source).is_file():
        return (root / source).read_text()
    if (root / path).is_dir():
        rows = [f"- [{_title(one)}]({one.name})" for one in sorted((root / path).iterdir())]
        return "\n".join([f"# {path}\n", *rows, ""])
    language = Path(path).suffix.removeprefix(".")
    return f"# {path}\n\n```{language}\n{(root / path).read_text()}```\n"


def _title(path: Path) -> str:
    """The heading of a page, or the name of another file or folder."""
    if path.suffix == ".md":
        return path.read_text().partition("\n")[0].removeprefix("# ")
    return path.name + "/" * path.is_dir()
