"""Objects become files only below the folder, and replace nothing by mistake, whatever their keys are."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from imagejob.download_folder import DownloadFolder, segments
from imagejob.errors import Invalid, StoreFailed


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "in" / "here"


@pytest.fixture
def folder(root: Path) -> Iterator[DownloadFolder]:
    with closing(DownloadFolder(root)) as opened:
        yield opened


def write(folder: DownloadFolder, key: str, data: bytes = b"new", replace: bool = False) -> None:
    with folder.create(key, replace=replace) as file:
        file.write(data)


def everything(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_a_key_is_the_path_of_a_file(folder: DownloadFolder, root: Path) -> None:
    write(folder, "a/b/c.jpg")
    write(folder, "a/ü – 1.jpg")
    assert everything(root) == {"a/b/c.jpg": b"new", "a/ü – 1.jpg": b"new"}


HOSTILE = {
    "parent": "../x",
    "parent-inside": "a/../../x",
    "parent-last": "a/..",
    "here": "./x",
    "absolute": "/tmp/x",
    "double": "a//x",
    "a-folder": "a/",
    "empty": "",
    "windows": "a\\..\\..\\x",
    "drive": "C:\\x",
    "nul": "a\0b",
    "escape": "a\x1b[2J",
    "newline": "a\nb",
    "surrogate": "a\ud800",
    "long": "x" * 256,
    "long-in-bytes": "ü" * 128,
    "c1": "a\x9b2Jb",
    "bidi-override": "a\u202egpj.exe",
    "bidi-isolate": "a\u2067b",
    "line-separator": "a\u2028b",
}


@pytest.mark.parametrize("key", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_key_is_no_file(folder: DownloadFolder, root: Path, key: str) -> None:
    with pytest.raises(Invalid, match="left out") as refused:
        write(folder, key)
    assert len(str(refused.value)) < 300
    assert str(refused.value).isprintable()
    assert everything(root.parent.parent) == {}


def test_the_longest_name_is_a_file(folder: DownloadFolder, root: Path) -> None:
    write(folder, "x" * 255)
    assert everything(root) == {"x" * 255: b"new"}


@pytest.mark.parametrize("key", ["link/x", "deep/link/x"])
def test_no_symbolic_link_leads_out(folder: DownloadFolder, root: Path, tmp_path: Path, key: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (root / "deep").mkdir()
    (root / "link").symlink_to(outside)
    (root / "deep" / "link").symlink_to(outside)
    for replace in (False, True):
        with pytest.raises(Invalid, match="a link"):
            write(folder, key, replace=replace)
    assert everything(outside) == {}


def test_a_link_in_the_place_of_the_file_is_not_followed(
    folder: DownloadFolder, root: Path, tmp_path: Path
) -> None:
    target = tmp_path / "precious"
    target.write_bytes(b"old")
    (root / "a.jpg").symlink_to(target)
    (root / "dangling.jpg").symlink_to(tmp_path / "nothing")
    for key in ("a.jpg", "dangling.jpg"):
        with pytest.raises(Invalid, match="exists already"):
            write(folder, key)
    write(folder, "a.jpg", replace=True)
    assert target.read_bytes() == b"old"
    assert (root / "a.jpg").read_bytes() == b"new"
    assert not (root / "a.jpg").is_symlink()
    assert not (tmp_path / "nothing").exists()


def test_a_file_is_replaced_only_if_asked(folder: DownloadFolder, root: Path) -> None:
    write(folder, "a.jpg", b"old")
    with pytest.raises(Invalid, match=r"a\.jpg exists already; --overwrite replaces it"):
        write(folder, "a.jpg")
    assert everything(root) == {"a.jpg": b"old"}
    write(folder, "a.jpg", replace=True)
    assert everything(root) == {"a.jpg": b"new"}


def test_a_name_that_appears_meanwhile_is_not_replaced(folder: DownloadFolder, root: Path) -> None:
    """As does one that differs only in case, on a file system that ignores case."""

    def slowly() -> None:
        with folder.create("a.jpg") as file:
            file.write(b"new")
            (root / "a.jpg").write_bytes(b"theirs")

    with pytest.raises(Invalid, match="exists already"):
        slowly()
    assert everything(root) == {"a.jpg": b"theirs"}


def test_a_file_cannot_become_a_folder_nor_a_folder_a_file(folder: DownloadFolder, root: Path) -> None:
    write(folder, "a/b.jpg", b"old")
    with pytest.raises(Invalid, match="a part of its path is a file"):
        write(folder, "a/b.jpg/c.jpg")
    with pytest.raises(Invalid, match="exists already"):
        write(folder, "a")
    with pytest.raises(Invalid, match="it is a folder"):
        write(folder, "a", replace=True)
    assert everything(root) == {"a/b.jpg": b"old"}


def test_a_download_that_fails_leaves_nothing(folder: DownloadFolder, root: Path) -> None:

    def interrupted() -> None:
        with folder.create("a.jpg") as file:
            file.write(b"half")
            raise StoreFailed("no answer")

    with pytest.raises(StoreFailed):
        interrupted()
    assert everything(root) == {}


def test_a_full_disk_is_named(folder: DownloadFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(Invalid, match=r"'a\.jpg' cannot be written below .*: No space left on device"):
        write(folder, "a.jpg", replace=True)


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Invalid, match=r"cannot use the folder .*file"):
        DownloadFolder(tmp_path / "file")


def test_what_is_there_already_is_known_by_its_bytes(folder: DownloadFolder, root: Path) -> None:
    assert folder.digests("a/b.jpg", 3) is None
    write(folder, "a/b.jpg")
    found = folder.digests("a/b.jpg", 3)
    assert found
    md5, sha256 = hashlib.md5(b"new", usedforsecurity=False), hashlib.sha256(b"new")
    assert found.of_object(3, md5.hexdigest(), "")
    assert found.of_object(3, "", sha256.hexdigest())
    assert not found.of_object(3, f"{md5.hexdigest()}-2", "")
    assert not found.of_object(4, md5.hexdigest(), sha256.hexdigest())
    assert folder.digests("a/b.jpg", 4) is None
    (root / "link.jpg").symlink_to(root / "a" / "b.jpg")
    assert folder.digests("link.jpg", 3) is None
    os.mkfifo(root / "fifo.jpg")
    assert folder.digests("fifo.jpg", 0) is None


def test_a_planted_check_that_is_missing_is_found() -> None:
    """Without the check of segments, `..` would be a name like any other."""
    with pytest.raises(Invalid):
        segments("..")
    assert os.path.normpath("/root/../x") == "/x"
