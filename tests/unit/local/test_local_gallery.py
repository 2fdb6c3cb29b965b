"""`imagejob run --gallery`: links that lead to the files of the folder, and files that cannot be written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from PIL import Image

from imagejob.errors import FileFailed, Invalid
from imagejob.html_file import check_html_file
from imagejob_local.command import run
from imagejob_local.folder import Folder
from imagejob_local.gallery import write_gallery
from unit.gallery.reports import done, failed, report_of
from unit.gallery.test_page import Parsed

KEY = "photos/a b%#?&.jpg"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    root = tmp_path / "store"
    (root / "photos").mkdir(parents=True)
    Image.new("RGB", (64, 48), "#a03020").save(root / KEY)
    return root


@pytest.fixture
def folder(store: Path) -> Iterator[Folder]:
    opened = Folder(store)
    yield opened
    opened.close()


def job(tmp_path: Path, source: dict[str, Any], **spec: Any) -> Path:
    rendition = {"name": "web", "steps": [{"resize": {"width": 32}}], "output": {"format": "WebP"}}
    body = {
        "apiVersion": "imagejob.dev/v1alpha1",
        "kind": "ImageJob",
        "metadata": {"name": "spring"},
        "spec": {"source": source, "renditions": [rendition], "destination": {"prefix": "out/"}, **spec},
    }
    path = tmp_path / "job.yaml"
    path.write_text(yaml.safe_dump(body))
    return path


def shown(page: Path) -> Any:
    return json.loads(Parsed(page.read_text()).text)


def test_a_run_writes_a_gallery_with_links_relative_to_it(
    tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pages").mkdir()
    page = tmp_path / "pages" / "spring.html"
    assert run(job(tmp_path, {"keys": [KEY]}), store, gallery=page) == 0
    assert f"gallery      {page}\n" in capsys.readouterr().out
    (item,) = shown(page)["items"]
    (made,) = item["outputs"]
    assert (page.parent / unquote(item["url"])).resolve() == store / KEY
    assert (page.parent / unquote(made["url"])).resolve() == store / made["key"]


def test_a_failed_run_has_a_gallery_too(tmp_path: Path, store: Path) -> None:
    (store / "photos" / "broken.jpg").write_bytes(b"no image")
    page = tmp_path / "spring.html"
    assert run(job(tmp_path, {"match": {"prefix": "photos/"}}), store, gallery=page) == 1
    content = shown(page)
    assert content["error"]["code"] == "JOB_005"
    assert content["items"][0]["code"] == "IMG_001"


def test_a_file_that_cannot_be_written_is_refused_before_the_run(
    tmp_path: Path, store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(job(tmp_path, {"keys": [KEY]}), store, gallery=store / KEY) == 2
    assert "must end with .html or .htm" in capsys.readouterr().err
    assert not (store / "out").exists()


def test_what_is_wrong_with_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder.html").mkdir()
    for name, text in (
        ("x.png", "'x.png' must end with"),
        ("folder.html", "is a folder"),
        ("none/x.html", "does not exist"),
    ):
        with pytest.raises(Invalid, match=text):
            check_html_file(tmp_path / name, "--gallery")


def test_a_disk_error_is_named_and_leaves_no_file(
    tmp_path: Path, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(FileFailed, match="cannot be written: No space left on device"):
        write_gallery(report_of([]), folder, tmp_path / "x.html")
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_only_the_source_of_the_run_is_shown(tmp_path: Path, store: Path, folder: Folder) -> None:
    size = (store / KEY).stat().st_size
    os.symlink("/etc/passwd", store / "link.jpg")
    items = [
        done(KEY, size),
        done("photos/from-the-web.jpg"),
        done("../../etc/passwd"),
        failed("link.jpg"),
    ]
    page = write_gallery(report_of(items), folder, tmp_path / "x.html")
    urls = {item["source"]: item.get("url") for item in shown(page)["items"]}
    assert urls == {
        KEY: "store/photos/a%20b%25%23%3F%26.jpg",
        "photos/from-the-web.jpg": None,
        "../../etc/passwd": None,
        "link.jpg": None,
    }
    (store / KEY).write_bytes(b"changed since")
    page = write_gallery(report_of(items[:1]), folder, tmp_path / "x.html")
    assert "url" not in shown(page)["items"][0]
