"""A folder keeps the promises of the port ObjectStore, and no key leads out of it."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.store_checks import CHECKS, NEEDS, Check
from imagejob_local.folder import Folder, FolderUnusable
from imagejob_local.folder_store import FolderStore
from imagejob_local.run import now
from imagejob_local.signatures import Signer
from imagejob_operator.ports.object_store import (
    ObjectChanged,
    ObjectHeaders,
    ObjectMissing,
    ObjectRefused,
    StoreDenied,
    StoredObject,
)
from unit.local.local_bench import LocalBench, served

HOUR = timedelta(hours=1)
FITTING = [name for name in CHECKS if not NEEDS.get(name, "").startswith("no ")]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[LocalBench]:
    root = tmp_path / "store"
    root.mkdir()
    with served(root) as made:
        yield made


@pytest.fixture
def root(bench: LocalBench, tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.mark.parametrize("check", [CHECKS[name] for name in FITTING], ids=FITTING)
async def test_it_does_what_every_store_must_do(check: Check, bench: LocalBench) -> None:
    await check(bench)


class Overwrites(FolderStore):
    async def put_if_absent(self, key: str, data: bytes, content_type: str) -> bool:
        await self.put(key, data, content_type)
        return True


class CopiesWhatever(FolderStore):
    async def copy(
        self, source: StoredObject, key: str, headers: ObjectHeaders | None = None
    ) -> StoredObject:
        return await super().copy(await self.stat(source.key), key, headers)


@pytest.mark.parametrize(
    ("broken", "finds"),
    [
        (Overwrites, "put_if_absent_has_one_winner_of_many"),
        (CopiesWhatever, "a_copy_of_what_has_changed_is_refused"),
    ],
)
async def test_a_broken_store_is_found(tmp_path: Path, broken: type[FolderStore], finds: str) -> None:
    folder = Folder(tmp_path)
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await CHECKS[finds](LocalBench(broken(folder, Signer(now))))
    folder.close()


# --- the jail ----------------------------------------------------------------------------------------------

OUTSIDE = ("../secret.txt", "a/../../secret.txt", "..", "a/..", "./a", "/etc/passwd", "a//b", "a/", "")


@pytest.mark.parametrize("key", OUTSIDE)
async def test_no_key_leads_out_of_the_folder(bench: LocalBench, root: Path, key: str) -> None:
    secret = root.parent / "secret.txt"
    secret.write_bytes(b"secret")
    with pytest.raises(ObjectRefused, match="segment"):
        await bench.store.read(key, 100)
    with pytest.raises(ObjectRefused, match="segment"):
        await bench.store.put(key, b"mine", "text/plain")
    assert secret.read_bytes() == b"secret"


@given(st.lists(st.sampled_from(["..", ".", "", "a", "link", "file", "..a", "\0", "é" * 200]) | st.text()))
def test_every_path_is_inside_and_real(segments: list[str]) -> None:
    with tempfile.TemporaryDirectory() as outer:
        root = Path(outer) / "store"
        (root / "a" / "a").mkdir(parents=True)
        (root / "link").symlink_to(outer)
        (root / "a" / "link").symlink_to("..")
        (root / "file").touch()
        folder = Folder(root)
        with contextlib.suppress(ObjectRefused):
            path = folder.path("/".join(segments))
            assert path.is_relative_to(folder.root)
            assert os.path.realpath(path) == str(path)
        folder.close()


@pytest.mark.parametrize("name", ["file.txt", "folder/secret.txt"])
async def test_no_symbolic_link_is_followed(bench: LocalBench, root: Path, name: str) -> None:
    secret = root.parent / "secret.txt"
    secret.write_bytes(b"secret")
    (root / "file.txt").symlink_to(secret)
    (root / "folder").symlink_to(root.parent)
    stored = await bench.store.put("mine", b"mine", "text/plain")
    for attempt in (
        bench.store.read(name, 100),
        bench.store.stat(name),
        bench.store.put(name, b"mine", "text/plain"),
        bench.store.put_if_absent(name, b"mine", "text/plain"),
        bench.store.put_if_match(name, b"mine", "0" * 64, "text/plain"),
        bench.store.copy(stored, name),
        bench.store.copy(StoredObject(name, 6, stored.etag), "copy"),
    ):
        with pytest.raises(ObjectRefused, match="symbolic link"):
            await attempt
    assert bench.visit("GET", bench.store.sign_get(name, HOUR))[0] == 403
    assert bench.visit("PUT", bench.store.sign_put(name, HOUR), b"mine")[0] == 403
    with pytest.raises(ObjectRefused, match="symbolic link"):
        await bench.store.delete_prefix("folder/")
    assert secret.read_bytes() == b"secret"


async def test_a_link_is_listed_and_what_it_leads_to_is_not(bench: LocalBench, root: Path) -> None:
    (root.parent / "secret.txt").write_bytes(b"secret")
    (root / "a").mkdir()
    (root / "a" / "link.jpg").symlink_to(root.parent / "secret.txt")
    (root / "a" / "up").symlink_to(root.parent)
    os.mkfifo(root / "a" / "pipe")
    (root / "a" / os.fsdecode(b"\xff.jpg")).write_bytes(b"x")
    assert [found.key async for found in bench.store.walk("a/")] == ["a/link.jpg", "a/up"]
    with pytest.raises(ObjectRefused, match="symbolic link"):
        assert [found async for found in bench.store.walk("a/up/")] == []


async def test_own_folders_are_deleted_without_following_links(bench: LocalBench, root: Path) -> None:
    (root / "d").mkdir()
    (root / "d" / "up").symlink_to(root.parent)
    kept = root.parent / "kept.txt"
    kept.write_bytes(b"kept")
    assert await bench.store.delete_prefix("d/") == 1
    assert kept.read_bytes() == b"kept"


# --- what a file system cannot hold ------------------------------------------------------------------------


async def test_a_segment_that_is_too_long_is_refused(bench: LocalBench) -> None:
    for key in ("x" * 256, "ä" * 128, f"a/{'x' * 256}/b"):
        with pytest.raises(ObjectRefused, match=r"has 256 bytes, and a file name at most 255"):
            await bench.store.put(key, b"x", "text/plain")
    with pytest.raises(ObjectRefused, match="NUL"):
        await bench.store.put("a\0b", b"x", "text/plain")
    with pytest.raises(ObjectRefused, match="not Unicode"):
        await bench.store.put("a\ud800", b"x", "text/plain")


async def test_a_key_is_either_a_file_or_a_folder(bench: LocalBench) -> None:
    await bench.store.put("a/b", b"x", "text/plain")
    with pytest.raises(ObjectRefused, match="it is a folder"):
        await bench.store.put("a", b"x", "text/plain")
    with pytest.raises(ObjectRefused, match="a part of its path is a file"):
        await bench.store.put("a/b/c", b"x", "text/plain")
    for key in ("a", "a/b/c"):
        with pytest.raises(ObjectMissing):
            await bench.store.stat(key)


def test_names_that_clash_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exists_in_any_case(path: Path) -> bool:
        """As on macOS, where both names are the same file."""
        return path.name.lower() in (name.lower() for name in os.listdir(path.parent))

    monkeypatch.setattr(os.path, "lexists", exists_in_any_case)
    folder = Folder(tmp_path)
    assert not folder.ignores_case
    (tmp_path / "Photo.jpg").write_bytes(b"x")
    assert folder.path("photo.jpg")
    folder.ignores_case = True
    with pytest.raises(ObjectRefused, match=r"differs from 'photo\.jpg' only in case"):
        folder.path("photo.jpg")
    for key in ("Photo.jpg", "new.jpg"):
        assert folder.path(key) == tmp_path / key
    folder.close()


# --- one writer, whole objects -----------------------------------------------------------------------------


async def test_put_if_absent_has_one_winner_of_many_writers(bench: LocalBench, root: Path) -> None:
    bodies = [str(number).encode() * 1000 for number in range(32)]
    wins = await asyncio.gather(*(bench.store.put_if_absent("once", b, "text/plain") for b in bodies))
    assert wins.count(True) == 1
    assert (root / "once").read_bytes() == bodies[wins.index(True)]


async def test_put_if_absent_needs_no_hard_links(
    bench: LocalBench, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_links(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    for name in ("put_if_absent_writes_once", "put_if_absent_has_one_winner_of_many"):
        await CHECKS[name](bench)
    assert list(bench.files.folder.temporary.iterdir()) == []


async def test_an_etag_is_the_hash_of_the_bytes_as_they_are_now(bench: LocalBench, root: Path) -> None:
    first = await bench.store.put("a.jpg", b"one", "image/jpeg")
    (root / "a.jpg").write_bytes(b"two")
    second = await bench.store.stat("a.jpg")
    assert second.etag != first.etag
    url = bench.store.sign_get("a.jpg", HOUR)
    assert bench.visit("GET", url, if_match=first.etag)[0] == 412
    assert bench.visit("GET", url, if_match=second.etag) == (200, b"two")
    with pytest.raises(ObjectChanged):
        await bench.store.copy(first, "b.jpg")
    assert (await bench.store.put("c.jpg", b"one", "image/jpeg")).etag == first.etag


async def test_the_headers_of_a_file_that_was_replaced_do_not_count(bench: LocalBench, root: Path) -> None:
    source = await bench.store.put("a.jpg", b"one", "image/jpeg")
    await bench.store.copy(source, "b.jpg", ObjectHeaders("image/jpeg", metadata={"imagejob-run": "7"}))
    assert (await bench.store.stat("b.jpg")).metadata == {"imagejob-run": "7"}
    (root / "b.jpg").write_bytes(b"by hand")
    assert (await bench.store.stat("b.jpg")).metadata == {}


async def test_errors_of_the_file_system_are_errors_of_the_store(
    bench: LocalBench, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def elsewhere(*_: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    (root / "a").mkdir()
    for fail, text in ((full, "No space left"), (elsewhere, "is on another file system")):
        monkeypatch.setattr(os, "replace", fail)
        with pytest.raises(StoreDenied, match=rf"'a/b\.jpg'.*{text}"):
            await bench.store.put("a/b.jpg", b"x", "image/jpeg")
    shutil.rmtree(bench.files.folder.temporary)
    with pytest.raises(StoreDenied, match="No such file"):
        await bench.store.put("a/b.jpg", b"x", "image/jpeg")
    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", full)
        with pytest.raises(StoreDenied, match="a': No space"):
            await anext(bench.store.walk("a/"))


async def test_a_failed_write_leaves_nothing(bench: LocalBench, root: Path) -> None:
    form = bench.store.sign_post("out/", 10, HOUR)
    assert bench.visit_form(form, "out/large.jpg", b"x" * 11, "image/jpeg") == 400
    with pytest.raises(ObjectMissing):
        await bench.store.copy(StoredObject("nothing", 1, "0" * 64), "out/copy.jpg")
    assert not (root / "out").exists()
    assert list(bench.files.folder.temporary.iterdir()) == []


# --- the folder itself -------------------------------------------------------------------------------------


def test_a_folder_has_one_user_at_a_time(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    with pytest.raises(FolderUnusable, match="another imagejob run uses the folder"):
        Folder(tmp_path)
    folder.close()
    Folder(tmp_path).close()
    assert list(tmp_path.iterdir()) == []


def test_only_own_staging_is_deleted(tmp_path: Path) -> None:
    other = tmp_path / ".imagejob-staging" / "default-00000000-aaaa-4000-8000-000000000001" / "shop"
    own = tmp_path / ".imagejob-staging" / "local-00000000-0000-0000-0000-000000000000" / "shop"
    for folder in (other, own):
        folder.mkdir(parents=True)
        (folder / "x").write_bytes(b"x")
    Folder(tmp_path).close()
    assert (other / "x").exists()
    assert not own.exists()


def test_a_folder_that_cannot_be_used_is_explained(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for name, own in (("linked", ".imagejob-staging"), ("reports", ".imagejob")):
        (tmp_path / name).mkdir()
        (tmp_path / name / own).symlink_to(tmp_path)
    both = [("linked", "delete it"), ("reports", "delete it")]
    for path, text in (("none", "create it"), ("file", "name a folder"), *both):
        with pytest.raises(FolderUnusable, match=text):
            Folder(tmp_path / path)
    assert (tmp_path / "file").exists()
