"""The documentation site: links to files of the repository, lists, and what is wrong with a page is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from docsite.__main__ import build
from docsite.pages import differences, indented, left_out
from docsite.repository import for_site, linked

ONE = "/".join(("docs", "a", "one.md"))
CONFIG = """\
site_name: x
docs_dir: out/site-pages
site_dir: out/site
theme: {name: material, font: false}
nav: [README.md, a/one.md]
"""


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    files = {
        "mkdocs.yml": CONFIG,
        "GUIDE.md": f"# Guide\n\n[back]({ONE}#one), [code](code/x.yaml), [all](code)\n",
        "code/x.yaml": "a: 1\n",
        "docs/README.md": "# Start\n\n[one](a/one.md)\n",
        ONE: "# One\n\n[guide](../../GUIDE.md#guide), [start](../README.md)\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_files_that_pages_link_to_are_added(repository: Path) -> None:
    pages = ["docs/README.md", ONE]
    added = linked(repository, pages)
    assert added.keys() == {"GUIDE.md", "code/x.yaml", "code/README.md"}
    assert added["code/x.yaml"] == "# code/x.yaml\n\n```yaml\na: 1\n```\n"
    assert added["code/README.md"] == "# code\n\n- [x.yaml](x.yaml)\n"


@pytest.mark.parametrize(
    ("page", "link", "on_the_site"),
    [
        (ONE, "../../GUIDE.md#guide", "../repository/GUIDE.md#guide"),
        (ONE, "../README.md", "../README.md"),
        ("docs/README.md", "../code/x.yaml", "repository/code/x.yaml.md"),
        ("GUIDE.md", f"{ONE}#one", "../a/one.md#one"),
        ("GUIDE.md", "code", "code/README.md"),
        ("docs/README.md", "https://x.example/a.md", "https://x.example/a.md"),
        ("docs/README.md", "nowhere.md", "nowhere.md"),
    ],
)
def test_links_are_moved(repository: Path, page: str, link: str, on_the_site: str) -> None:
    text = f"[a]({link})\n```\n[a]({link})\n```\n"
    assert for_site(repository, page, text) == f"[a]({on_the_site})\n```\n[a]({link})\n```\n"


def test_a_site_without_faults_is_built(repository: Path) -> None:
    assert build(repository) == []
    assert 'href="../../repository/GUIDE/#guide"' in (repository / "out/site/a/one/index.html").read_text()


@pytest.mark.parametrize(
    ("planted", "found"),
    [
        pytest.param("[a](nowhere.md)", "page does not exist", id="a-page-that-does-not-exist"),
        pytest.param("[a](../README.md#nil)", "anchor does not exist", id="an-anchor-that-does-not-exist"),
        pytest.param("- a\n  - b", "on the code host", id="a-list-that-is-another-one"),
        pytest.param(
            "![a](https://x.example/a.png)", "loads https://x.example", id="a-picture-of-another-host"
        ),
    ],
)
def test_a_fault_of_a_page_is_found(repository: Path, planted: str, found: str) -> None:
    (repository / ONE).write_text(f"# One\n\n- a\n    1) b\n\n{planted}\n")
    assert found in " ".join(build(repository))


def test_a_page_that_is_not_in_the_navigation_is_found() -> None:
    pages = ("a/one.md", "a/two.md", "repository/x.md", "contributors/decisions/0001-x.md")
    assert left_out(pages, CONFIG) == ["a/two.md"]


def test_lists_are_written_as_the_builder_needs_them() -> None:
    page = "Text:\n- a\n  b\n\n1. c\n\n   ```sh\n   d\n   ```\nEnd\n```\n- e\n```\n"
    assert indented(page) == (
        "Text:\n\n- a\n    b\n\n1. c\n\n    ```sh\n    d\n    ```\nEnd\n```\n- e\n```\n"
    )


def test_a_difference_from_the_code_host_is_counted() -> None:
    assert differences("- a\n- b\n", "<ul><li>0</li></ul><article><li>a - b</li></article>") == [
        "2 <li> on the code host, 1 on the site"
    ]
