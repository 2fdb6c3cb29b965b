"""The tree in the architecture page is the tree."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "contributors" / "architecture.md"


def described(page: str) -> set[str]:
    """The folders that the block marked `tree` names: a path that ends with '/', and what it is for."""
    block = re.search(r"```tree\n(.*?)```", page, re.DOTALL)
    assert block, "the page has no block marked tree"
    return set(re.findall(r"^(\S+)/(?=\s|$)", block[1], re.MULTILINE))


def real(names: list[str]) -> set[str]:
    """The folders of the files that git knows, with all that they are in."""
    return {str(folder) for name in names for folder in Path(name).parents if folder.parts}


def tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return listed.stdout.splitlines()


def differences(page: str, names: list[str]) -> list[str]:
    """Folders that only one side has.

    Where the page goes into a folder it must name all that is in it; what it does not open is its own choice.
    """
    listed, there = described(page), real(names)
    opened = {str(folder) for path in listed for folder in Path(path).parents}
    inside = {f for f in there if str(Path(f).parent) in opened and not f.startswith(".")}
    return sorted((listed - there) | (inside - listed - opened))


def test_the_page_shows_the_tree_as_it_is() -> None:
    assert differences(PAGE.read_text(), tracked()) == []


SAMPLE = """
```tree
core/        pure decisions
core/inner/  more of them
docs/        pages
deep/down/   the only folder there
```
"""
FILES = ["core/a.py", "core/inner/b.py", "docs/x.md", "README.md", "deep/down/x", ".ci/run"]


def test_a_true_page_is_true() -> None:
    assert differences(SAMPLE, FILES) == []


@pytest.mark.parametrize(
    ("files", "wanted"),
    [
        ([*FILES, "new/x.py"], ["new"]),
        ([*FILES, "core/other/x.py"], ["core/other"]),
        ([f for f in FILES if not f.startswith("docs")], ["docs"]),
    ],
    ids=["a-new-folder", "a-new-folder-inside", "a-folder-that-is-gone"],
)
def test_a_page_that_is_behind_is_found(files: list[str], wanted: list[str]) -> None:
    assert differences(SAMPLE, files) == wanted
