"""Files become objects and objects files; each transfer ends for itself."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.memory_objects import MemoryObjects
from imagejob.bucket import StoredObject
from imagejob.download_folder import DownloadFolder
from imagejob.errors import Invalid
from imagejob.transfers import Transferred, download_all, plan_uploads, upload_all
from imagejob_operator.naming.listed_keys import listed_as


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


@pytest.mark.parametrize("prefix", ["new", "new/"])
def test_a_prefix_is_a_folder(photos: Path, prefix: str) -> None:
    uploads, _ = plan_uploads([photos], prefix)
    assert [one.key for one in uploads] == ["new/a.jpg", "new/sub/b.png"]


def test_what_has_no_bytes_of_its_own_is_left_out_of_a_folder(photos: Path) -> None:
    os.mkfifo(photos / "fifo.jpg")
    with closing(socket.socket(socket.AF_UNIX)) as opened:
        opened.bind(str(photos / "sub" / "s.jpg"))
        uploads, left_out = plan_uploads([photos], "")
        assert [one.key for one in uploads] == ["a.jpg", "sub/b.png"]
        assert {path.name for path in left_out} >= {"fifo.jpg", "s.jpg"}
        for named in (photos / "fifo.jpg", photos / "sub" / "s.jpg"):
            with pytest.raises(Invalid, match=f"{named.name} is not a file or a folder"):
                plan_uploads([named], "")


def test_a_link_that_is_named_is_followed(photos: Path) -> None:
    (photos / "nowhere.jpg").symlink_to(photos / "gone.jpg")
    (photos / "round.jpg").symlink_to(photos / "round.jpg")
    (photos.parent / "album").symlink_to(photos)
    uploads, left_out = plan_uploads([photos / "link.jpg", photos.parent / "album"], "")
    assert [(one.key, one.size) for one in uploads] == [("a.jpg", 5), ("link.jpg", 5), ("sub/b.png", 9)]
    assert {path.name for path in left_out} >= {"link.jpg", "nowhere.jpg"}
    for name in ("nowhere.jpg", "round.jpg"):
        with pytest.raises(Invalid, match=f"{name} is a symbolic link to nothing"):
            plan_uploads([photos / name], "")


def test_an_object_that_is_not_listed_by_its_key_is_left_out_and_named(tmp_path: Path) -> None:
    class Unencoded(MemoryObjects):
        def list(self, prefix: str) -> Iterator[StoredObject]:
            yield from (replace(found, key=listed_as(found.key)) for found in super().list(prefix))

    store = Unencoded({"a\x01.jpg": b"1", "b.jpg": b"2", "c\ufffd.jpg": b"3"})
    ended: list[Transferred] = []
    with closing(DownloadFolder(tmp_path)) as folder:
        download_all(store, [*store.list("")], folder, False, ended.append, lambda count: None)
    assert states(ended) == {"a\ufffd.jpg": "failed", "b.jpg": "downloaded", "c\ufffd.jpg": "downloaded"}
    (message,) = (one.message for one in ended if one.message)
    assert message == (
        r"the store lists 'a\ufffd.jpg', where \ufffd stands for a control character, and does not say "
        "which (it ignores encoding-type=url); the object is left out"
    )


# --- objects that exist -------------------------------------------------------------------------------------

IN_PARTS = "0123456789abcdef0123456789abcdef-2"
BY_KMS = "0123456789abcdef0123456789abcdef"


def uploaded(store: MemoryObjects, photos: Path) -> Transferred:
    ended: list[Transferred] = []
    uploads, _ = plan_uploads([photos / "a.jpg"], "")
    upload_all(store, uploads, False, ended.append, lambda count: None)
    return ended[0]


@pytest.mark.parametrize("etag", [IN_PARTS, BY_KMS, ""])
def test_an_object_is_known_by_its_hash_whatever_its_etag_is(photos: Path, tmp_path: Path, etag: str) -> None:
    store = MemoryObjects(etags={"a.jpg": etag})
    assert [uploaded(store, photos).state for _ in range(2)] == ["uploaded", "up to date"]
    with closing(DownloadFolder(tmp_path / "got")) as folder:
        ended: list[Transferred] = []
        for _ in range(2):
            download_all(store, list(store.list("")), folder, False, ended.append, lambda count: None)
        assert [one.state for one in ended] == ["downloaded", "up to date"]


@pytest.mark.parametrize(
    ("data", "etag", "text"),
    [
        (b"a.jpg", IN_PARTS, "with the same size, and the store has no hash of its bytes to compare"),
        (b"other", IN_PARTS, "with the same size, and the store has no hash of its bytes to compare"),
        (b"other", "", "with other bytes"),
        (b"longer than that", IN_PARTS, "with 16 bytes instead of 5"),
    ],
)
def test_the_message_has_what_is_known_of_an_object_that_exists(
    photos: Path, data: bytes, etag: str, text: str
) -> None:
    done = uploaded(MemoryObjects({"a.jpg": data}, etags={"a.jpg": etag}), photos)
    assert (done.state, done.message) == ("failed", f"'a.jpg' exists already {text}; --overwrite replaces it")


# --- files that change --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (b"a.jpg and more", "it has grown"),
        (b"a.", "it has become shorter"),
        (b"A.JPG", "it has other bytes now"),
    ],
)
@pytest.mark.parametrize("chunk", [2, 100])
def test_a_file_that_changes_during_its_upload_is_not_stored(
    photos: Path, change: bytes, text: str, chunk: int
) -> None:
    class Store(MemoryObjects):
        def find(self, key: str) -> None:
            (photos / "a.jpg").write_bytes(change)

    store = Store(chunk=chunk)
    done = uploaded(store, photos)
    assert done.state == "failed"
    assert done.message == (
        f"{photos / 'a.jpg'} was changed while it was uploaded: {text}, and had 5 bytes at first; nothing of "
        "it was stored; upload it again when it is complete"
    )
    assert store.objects == {}


def test_a_file_that_has_grown_since_it_was_found_is_uploaded_whole(photos: Path) -> None:
    uploads, _ = plan_uploads([photos / "a.jpg"], "")
    (photos / "a.jpg").write_bytes(b"complete now")
    store, ended = MemoryObjects(), list[Transferred]()
    upload_all(store, uploads, False, ended.append, lambda count: None)
    assert (ended[0].state, ended[0].size) == ("uploaded", 12)
    assert store.objects == {"a.jpg": b"complete now"}
