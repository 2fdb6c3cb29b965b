"""The generated pages match their sources."""

import io
from pathlib import Path

import pytest
from PIL import Image

from docgen.__main__ import images, pages
from docgen.errors import errors
from docgen.pages import phases
from imagejob_operator.api.phase import Phase

PAGES = pages()
PLOTS = images()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_page_is_up_to_date(path: Path) -> None:
    assert path.read_text() == PAGES[path], "run: PYTHONPATH=tools .venv/bin/python -m docgen"


@pytest.mark.parametrize("path", PLOTS, ids=lambda path: path.name)
def test_plot_is_up_to_date(path: Path) -> None:
    assert pixels(path.read_bytes()) == pixels(PLOTS[path]), (
        "run: PYTHONPATH=tools .venv/bin/python -m docgen"
    )


def pixels(png: bytes) -> tuple[tuple[int, int], bytes]:
    with Image.open(io.BytesIO(png)) as image:
        return image.size, image.convert("RGB").tobytes()


def test_a_stale_page_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    before = phases(), errors()
    monkeypatch.setattr("docgen.pages.MOVES", dict.fromkeys(Phase, frozenset()))
    monkeypatch.setattr("docgen.errors.CATALOGUE", {})
    assert phases() != before[0]
    assert errors() != before[1]
