"""The pages of the client and the command line name what exists, and their code runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import imagejob
from fakes.memory_objects import MemoryObjects
from fakes.transport import FakeTransport, job
from imagejob import Client, ImageJob, ImageJobError
from unit.gallery.reports import done, report_of

PAGE = (Path(__file__).parents[3] / "docs" / "users" / "python-client.md").read_text()


def section(title: str) -> str:
    return PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]


def names(text: str, pattern: str) -> set[str]:
    cells = re.findall(r"^\| (`.+?) \|", text, re.MULTILINE)
    return {name for cell in cells for name in re.findall(pattern, cell)}


def test_the_methods_are_those_of_the_client() -> None:
    public = {name for name in vars(Client) if not name.startswith("_")}
    assert names(section("Methods of Client"), r"`(?:Client\.)?(\w+)\(") == public


def test_the_properties_are_those_of_a_job() -> None:
    named = names(section("An ImageJob"), r"`(\w+)`")
    assert named <= {*vars(ImageJob), "body"}
    assert {"phase", "error", "failures"} <= named


def test_the_errors_are_those_of_the_package() -> None:
    kinds = {kind.__name__ for kind in ImageJobError.__subclasses__()}
    assert names(section("Errors"), r"`(\w+)`") == kinds
    assert kinds | {"ImageJobError"} <= set(imagejob.__all__)


def test_the_code_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    api = FakeTransport()
    items = {"total": 3, "succeeded": 2, "failed": 1, "skipped": 0}
    failed = [{"item": "x.png", "code": "IMG_001", "message": "broken"}]
    ended = job("thumbs", "Succeeded", items=items, failures=failed, report="r.json")
    api.events = [ended]
    monkeypatch.setattr("imagejob.Client.connect", lambda: Client(api, "shop"))
    store = MemoryObjects(reports={"r.json": report_of([done("a.jpg")])})
    monkeypatch.setattr("imagejob.Client.bucket", lambda *_, **options: store)
    scope: dict[str, object] = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(block, scope)
    assert capsys.readouterr().out == (
        "2 images, r.json\nSucceeded 3 of 3\nx.png IMG_001 broken\n"
        "a.jpg ['a-web.webp', 'a-thumb.jpg'] None\n360000 bytes saved\n"
    )


def test_a_method_that_does_not_exist_is_found() -> None:
    assert names("| `Client.connect(x)`, `vanish(name)` | does it |\n", r"`(?:Client\.)?(\w+)\(") == {
        "connect",
        "vanish",
    }
