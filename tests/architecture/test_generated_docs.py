"""The generated pages match their sources."""

from pathlib import Path

import pytest

from docgen.__main__ import pages
from docgen.errors import errors
from docgen.pages import phases
from imagejob_operator.api.phase import Phase

PAGES = pages()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_page_is_up_to_date(path: Path) -> None:
    assert path.read_text() == PAGES[path], "run: PYTHONPATH=tools .venv/bin/python -m docgen"


def test_a_stale_page_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    before = phases(), errors()
    monkeypatch.setattr("docgen.pages.MOVES", dict.fromkeys(Phase, frozenset()))
    monkeypatch.setattr("docgen.errors.CATALOGUE", {})
    assert phases() != before[0]
    assert errors() != before[1]
