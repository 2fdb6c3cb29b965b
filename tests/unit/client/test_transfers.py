"""Files become objects and objects files; each transfer ends for itself."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from fakes.memory_objects import MemoryObjects
from imagejob.download_folder import DownloadFolder
from imagejob.errors import Invalid
from imagejob.transfers import Transferred, download_all, plan_uploads, upload_all


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in ("a.jpg", "sub/b.png", ".DS_Store", ".git/c.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    (folder / "link.jpg").symlink_to(folder / "a.jpg")
    (folder / "elsewhere").symlink_to(tmp_path)
    return folder


def states(ended: list[Transferred]) -> dict[str, str]:
    return {one.key: one.state for one in ended}


def test_keys_are_paths_below_a_folder_or_names_of_files(photos: Path) -> None:
    uploads, left_out = plan_uploads([photos, photos / "sub" / "b.png"], "uploads/")
    assert [(one.key, one.size) for one in uploads] == [
        ("uploads/a.jpg", 5),
        ("uploads/b.png", 9),
        ("uploads/sub/b.png", 9),
    ]
    assert {path.name for path in left_out} == {".DS_Store", ".git", "link.jpg", "elsewhere"}


@pytest.mark.parametrize(
    ("names", "prefix", "text"),
    [
        (["nothing"], "", "nothing does not exist"),
        (["/dev/null"], "", "is not a file or a folder"),
        (["photos/a.jpg"], "../", "must not have a '.' or '..' segment"),
        (["photos/a.jpg"], ".imagejob/", "reserved for the operator"),
        (["photos/a.jpg"], "/", "must not start with '/'"),
        (["photos", "photos/a.jpg"], "", "both have the key 'a.jpg'"),
    ],
)
def test_what_cannot_be_uploaded_is_named_before_anything_is(
    photos: Path, names: list[str], prefix: str, text: str
) -> None:
    with pytest.raises(Invalid) as refused:
        plan_uploads([photos.parent / name for name in names], prefix)
    assert text in str(refused.value)


def test_objects_are_replaced_only_if_asked(photos: Path) -> None:
    store = MemoryObjects({"a.jpg": b"other", "sub/b.png": b"sub/b.png"})
    uploads, _ = plan_uploads([photos], "")
    ended: list[Transferred] = []
    sent: list[int] = []
    upload_all(store, uploads, False, ended.append, sent.append)
    assert states(ended) == {"a.jpg": "failed", "sub/b.png": "up to date"}
    assert "'a.jpg' exists already with other bytes; --overwrite replaces it" in str(ended)
    assert store.objects["a.jpg"] == b"other"
    ended.clear()
    upload_all(store, uploads, True, ended.append, sent.append)
    assert states(ended) == {"a.jpg": "uploaded", "sub/b.png": "up to date"}
    assert store.objects["a.jpg"] == b"a.jpg"
    assert store.types == {"a.jpg": "image/jpeg"}
    assert sum(sent) == 5


def test_one_transfer_that_fails_stops_no_other(photos: Path, tmp_path: Path) -> None:
    store = MemoryObjects(refused={"a.jpg"})
    uploads, _ = plan_uploads([photos], "")
    (photos / "sub" / "b.png").unlink()
    ended: list[Transferred] = []
    upload_all(store, uploads, False, ended.append, lambda count: None)
    assert states(ended) == {"a.jpg": "failed", "sub/b.png": "failed"}
    assert {one.message for one in ended} == {
        "cannot write 'a.jpg': AccessDenied",
        "'sub/b.png': No such file or directory",
    }


def test_hostile_keys_of_a_listing_are_left_out_and_the_others_downloaded(tmp_path: Path) -> None:
    keys = ["good.jpg", "../evil.jpg", "/etc/evil", "a//b", "x" * 300, "a\x1b[2J", "gone.jpg"]
    store = MemoryObjects({key: key.encode() for key in keys}, refused={"gone.jpg"})
    ended: list[Transferred] = []
    root = tmp_path / "deep" / "root"
    with closing(DownloadFolder(root)) as folder:
        download_all(store, list(store.list("")), folder, False, ended.append, lambda count: None)
        assert [key for key, state in states(ended).items() if state == "downloaded"] == ["good.jpg"]
        ended.clear()
        download_all(store, list(store.list("good")), folder, False, ended.append, lambda count: None)
    assert states(ended) == {"good.jpg": "up to date"}
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["good.jpg"]
