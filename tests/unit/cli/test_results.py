"""`imagejob results`, `upload` and `download` with a bucket in memory."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest

from fakes.memory_objects import MemoryObjects
from fakes.transport import FakeTransport, error, job
from imagejob.client import Client
from imagejob_contract.result import ItemCode
from unit.cli.conftest import Run
from unit.gallery.reports import done, failed, output, report_of

KEY = ".imagejob/shop/spring/9361627c/1.json"
WEB = output("out/a-web.webp", 3)
HOSTILE = output("../../evil.webp", 3)
SOURCES = {"uploads/a.jpg": b"source", "out/a-web.webp": b"web"}


@pytest.fixture
def bucket(api: FakeTransport, monkeypatch: pytest.MonkeyPatch) -> MemoryObjects:
    """The operator's store; the report has an output, a failure and what a forged one may have."""
    made = MemoryObjects(dict(SOURCES))
    opened: list[dict[str, Any]] = []

    def open_bucket(client: Client, namespace: str | None = None, **options: Any) -> MemoryObjects:
        opened.append(options)
        return made

    monkeypatch.setattr("imagejob.client.Client.bucket", open_bucket)
    items = [done("uploads/a.jpg", 6, WEB), failed("uploads/b.png", ItemCode.UNDECODABLE, "no \x1b[2J image")]
    made.reports[KEY] = report_of(items)
    body = job("spring", "Succeeded", report=KEY, run={"outcome": "SucceededWithFailures"})
    body["spec"]["source"] = {"keys": ["uploads/a.jpg", "uploads/b.png"]}
    api.add(body)
    return made


def test_outputs_failures_and_bytes_saved_are_shown(bucket: MemoryObjects, run: Run) -> None:
    shown = run("results", "spring")
    assert shown.code == 0, shown
    assert shown.out.startswith("shop/spring  Succeeded  run 1, 2 items, 1 output, 1 failed\n")
    assert "6 B of sources, 3 B of outputs, 3 B saved" in shown.out
    assert re.search(r"^✗ +uploads/b\.png +IMG_001 +no \\x1b\[2J image$", shown.out, re.MULTILINE)
    assert re.search(r"^✓ +out/a-web\.webp +3 B +1200×800 image/webp$", shown.out, re.MULTILINE)


def test_the_report_and_the_keys_are_for_programs(bucket: MemoryObjects, run: Run) -> None:
    assert run("results", "spring", "-o", "name").out == "out/a-web.webp\n"
    assert json.loads(run("results", "spring", "-o", "json").out)["items"][0]["source"] == "uploads/a.jpg"


def test_a_run_that_failed_shows_its_error_with_the_remedy(
    api: FakeTransport, bucket: MemoryObjects, run: Run
) -> None:
    api.add(job("spring", "Failed", report=KEY, error=error("JOB_005", "ItemsFailed", "1 of 2 items failed")))
    shown = run("results", "spring")
    assert shown.code == 1
    assert "JOB_005 ItemsFailed\n  evidence  1 of 2 items failed" in shown.out
    assert "remedy    Replace the images" in shown.out


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            job("spring", "Running"),
            "has no results yet: its phase is Running; wait for it: imagejob watch spring",
        ),
        (
            job("spring", "Suspended"),
            "has no results yet: it is suspended; to start it: imagejob resume spring",
        ),
        (
            job("spring", "Failed", error=error("JOB_001", "InvalidSpec", "spec: no")),
            "has no results: JOB_001 InvalidSpec: spec: no",
        ),
    ],
)
def test_without_a_report_the_reason_is_named(
    api: FakeTransport, bucket: MemoryObjects, run: Run, body: dict[str, Any], text: str
) -> None:
    api.add(body)
    refused = run("results", "spring")
    assert refused.code == 2
    assert text in refused.err


def test_outputs_are_downloaded_and_hostile_keys_are_left_out(
    bucket: MemoryObjects, run: Run, tmp_path: Path
) -> None:
    bucket.objects["../../evil.webp"] = b"bad"
    bucket.reports[KEY] = report_of([done("uploads/a.jpg", 6, WEB, HOSTILE)])
    folder = tmp_path / "deep" / "in"
    ended = run("results", "spring", "--download", str(folder))
    assert ended.code == 1
    assert "'../../evil.webp' is no path below a folder, because of '..'; it is left out" in ended.err
    assert ended.out.endswith("downloaded 1 object, 1 failed\n")
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()] == [
        "deep/in/out/a-web.webp"
    ]


def page_items(page: Path) -> list[dict[str, Any]]:
    found = re.search(r'id="content">(.*?)</script>', page.read_text(), re.DOTALL)
    assert found
    items: list[dict[str, Any]] = json.loads(found[1])["items"]
    return items


def test_a_gallery_has_links_that_expire_and_only_its_user_may_read_it(
    bucket: MemoryObjects, run: Run, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    assert run("results", "spring", "--gallery", str(page), "--expires", "2").code == 0
    _, item = page_items(page)
    assert item["url"] == "https://s3.example.com/media/uploads/a.jpg?X-Amz-Expires=7200"
    assert item["outputs"][0]["url"].endswith("out/a-web.webp?X-Amz-Expires=7200")
    assert stat.S_IMODE(page.stat().st_mode) == 0o600


def test_where_a_browser_cannot_reach_the_store_images_are_beside_the_page(
    bucket: MemoryObjects, run: Run, tmp_path: Path
) -> None:
    bucket.linkable = False
    page = tmp_path / "my page.html"
    shown = run("results", "spring", "--gallery", str(page))
    assert shown.code == 0
    _, item = page_items(page)
    assert item["url"] == "my%20page_files/sources/uploads/a.jpg"
    assert item["outputs"][0]["url"] == "my%20page_files/outputs/out/a-web.webp"
    assert (tmp_path / "my page_files" / "outputs" / "out" / "a-web.webp").read_bytes() == b"web"
    assert "not in the gallery" in shown.err  # b.png does not exist any more


def test_sources_from_the_web_have_no_link(
    api: FakeTransport, bucket: MemoryObjects, run: Run, tmp_path: Path
) -> None:
    api.jobs["shop", "spring"]["spec"]["source"] = {"urls": [{"url": "https://a.example.com/a.jpg"}]}
    run("results", "spring", "--gallery", str(tmp_path / "page.html"))
    assert all("url" not in item for item in page_items(tmp_path / "page.html"))


def test_open_shows_a_page_in_the_browser(
    bucket: MemoryObjects, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("tempfile.mkdtemp", lambda prefix: str(tmp_path))
    monkeypatch.setattr("typer.launch", opened.append)
    assert run("results", "spring", "--open").code == 0
    assert opened == [(tmp_path / "gallery.html").as_uri()]


@pytest.mark.parametrize("words", [["--gallery", "page.html"], ["--open"]])
@pytest.mark.parametrize("linkable", [True, False])
def test_a_full_disk_leaves_no_empty_folders(
    bucket: MemoryObjects,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    words: list[str],
    linkable: bool,
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    bucket.linkable = linkable
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("os.replace", full)
    ended = run("results", "spring", *words)
    assert ended.code == 1
    assert re.search(
        r"imagejob: --gallery: .*\.html cannot be written: No space left on device\n$", ended.err
    )
    assert list(tmp_path.iterdir()) == []


def test_a_folder_for_downloads_is_checked_first(
    api: FakeTransport, bucket: MemoryObjects, run: Run, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.touch()
    api.jobs.clear()
    for words in (
        ["download", "/", "--to", str(file)],
        ["download", "/", "--to", str(file / "in" / "it")],
        ["results", "spring", "--download", str(file)],
    ):
        refused = run(*words)
        assert (refused.code, refused.out) == (2, "")
        assert f"{words[2]}: {file} is not a folder; name a folder, which is created" in refused.err


def test_all_that_is_left_out_is_named_but_on_a_terminal_ten(
    bucket: MemoryObjects, run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for number in range(12):
        (tmp_path / f".{number:02}").touch()
    (tmp_path / "new.jpg").write_bytes(b"a")
    hidden = [str(tmp_path / f".{number:02}") for number in range(12)]
    assert f"left out: {', '.join(hidden)}; only regular files" in run("upload", str(tmp_path)).err
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    shown = run("upload", str(tmp_path)).err
    assert (
        f"left out: {', '.join(hidden[:10])} and 2 more, which a pipe such as `2>&1 | cat` shows; " in shown
    )


def test_the_name_of_a_gallery_is_checked_first(bucket: MemoryObjects, run: Run, tmp_path: Path) -> None:
    refused = run("results", "spring", "--gallery", str(tmp_path / "photo.jpg"))
    assert (refused.code, refused.out) == (2, "")
    assert "--gallery: the name 'photo.jpg' must end with .html or .htm" in refused.err


def test_upload_and_download(bucket: MemoryObjects, run: Run, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "c.jpg").write_bytes(b"photo")
    (tmp_path / "photos" / ".hidden").write_bytes(b"")
    sent = run("upload", str(tmp_path / "photos"))
    assert sent.code == 0
    assert sent.out == "uploads/c.jpg  5 B\nuploaded 1 object\n"
    assert f"left out: {tmp_path}/photos/.hidden; only regular files" in sent.err
    assert bucket.objects["uploads/c.jpg"] == b"photo"
    assert run("upload", str(tmp_path / "photos")).out == "uploaded 0 objects, 1 up to date\n"
    got = run("download", "uploads/", "out/a-web.webp", "--to", str(tmp_path / "got"))
    assert got.code == 0
    assert got.out.endswith("downloaded 3 objects\n")
    assert (tmp_path / "got" / "uploads" / "c.jpg").read_bytes() == b"photo"
    (tmp_path / "got" / "uploads" / "c.jpg").write_bytes(b"mine")
    again = run("download", "/", "--to", str(tmp_path / "got"))
    assert again.code == 1
    assert again.out == "downloaded 0 objects, 2 up to date, 1 failed\n"
    assert "c.jpg exists already; --overwrite replaces it" in again.err
    assert (tmp_path / "got" / "uploads" / "c.jpg").read_bytes() == b"mine"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["download", "nope.jpg"], "'nope.jpg' does not exist in bucket 'media'; a prefix ends with '/'"),
        (["download", "nope/"], "'nope/' does not exist in bucket 'media'"),
        (["upload", "/no/such/file"], "/no/such/file does not exist"),
        (["upload", os.devnull], f"{os.devnull} is not a file or a folder"),
    ],
)
def test_what_does_not_exist_is_named(bucket: MemoryObjects, run: Run, words: list[str], text: str) -> None:
    refused = run(*words)
    assert (refused.code, refused.out) == (2, "")
    assert text in refused.err


def test_an_empty_folder_is_named(bucket: MemoryObjects, run: Run, tmp_path: Path) -> None:
    assert f"there is no file to upload in {tmp_path}" in run("upload", str(tmp_path)).err
