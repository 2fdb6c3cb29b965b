"""Upload files to a store, and download objects from it."""

from __future__ import annotations

import mimetypes
import os
import re
import stat
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from imagejob.bucket import CONNECTIONS, Advance, Objects, StoredObject
from imagejob.errors import ImageJobError, Invalid
from imagejob.side_by_side import SideBySide
from imagejob.upload_file import UploadFile
from imagejob_operator.naming.listed_keys import REPLACED, not_named
from imagejob_operator.validation.keys import InvalidKey, check_name, shown

if TYPE_CHECKING:
    from imagejob.download_folder import DownloadFolder

T = TypeVar("T")
_MD5 = re.compile(r"[0-9a-f]{32}")
UPLOADED, DOWNLOADED, UP_TO_DATE, FAILED = "uploaded", "downloaded", "up to date", "failed"


@dataclass(frozen=True, slots=True)
class Upload:
    """A file and the key that it gets."""

    path: Path
    key: str
    size: int


@dataclass(frozen=True, slots=True)
class Transferred:
    """How one transfer ended: `state` is one of the constants above; `message` says why it failed."""

    key: str
    size: int
    state: str
    message: str = ""


Report = Callable[[Transferred], object]
"""Called once for each object, by any thread."""


def plan_uploads(paths: Iterable[Path], prefix: str) -> tuple[list[Upload], list[Path]]:
    """Files with their keys: the prefix, then the path below a folder that is given, or the name of a file.

    Args:
        paths: Folders and files.
        prefix: A folder of the bucket; a slash is added if it has none. Empty for no folder.

    Returns:
        The uploads by key, and what is left out in folders: hidden files, symbolic links, and what is no
        regular file, such as a FIFO. A link or a hidden file that is one of `paths` is uploaded.

    Raises:
        Invalid: A path does not exist or cannot be read, two files have one key, or a key is not allowed.
    """
    if prefix and not prefix.endswith("/"):
        prefix += "/"
    planned: dict[str, Upload] = {}
    left_out: list[Path] = []
    for path in paths:
        files = _below(path, left_out) if path.is_dir() else [(path, path.name)]
        for file, name in files:
            upload = _upload(file, f"{prefix}{name}")
            if upload.key in planned:
                other = planned[upload.key].path
                raise Invalid(f"{file} and {other} both have the key {upload.key!r}; upload them separately")
            planned[upload.key] = upload
    return [planned[key] for key in sorted(planned)], left_out


def _below(folder: Path, left_out: list[Path]) -> list[tuple[Path, str]]:
    def refuse(error: OSError) -> None:
        raise Invalid(f"cannot read the folder {error.filename}: {error.strerror}")

    found = []
    for where, folders, files in os.walk(folder, onerror=refuse):
        at = Path(where)
        hidden = [name for name in (*folders, *files) if name.startswith(".") or (at / name).is_symlink()]
        hidden += [name for name in files if name not in hidden and not _is_regular(at / name)]
        left_out.extend(at / name for name in hidden)
        folders[:] = sorted(set(folders) - set(hidden))
        found += [
            (at / name, (at / name).relative_to(folder).as_posix()) for name in files if name not in hidden
        ]
    return found


def _is_regular(file: Path) -> bool:
    """Whether something is a file with bytes; one that cannot be examined counts, and is refused later."""
    try:
        return stat.S_ISREG(file.stat().st_mode)
    except OSError:
        return True


def _upload(file: Path, key: str) -> Upload:
    try:
        check_name(key, str(file))
    except InvalidKey as error:
        raise Invalid(str(error)) from None
    try:
        if not file.is_file():
            raise Invalid(f"{file} {_not_uploaded(file)}")
        return Upload(file, key, file.stat().st_size)
    except OSError as error:
        raise Invalid(f"cannot read {file}: {error.strerror}") from None


def _not_uploaded(file: Path) -> str:
    if file.exists():
        return "is not a file or a folder"
    return "is a symbolic link to nothing" if file.is_symlink() else "does not exist"


def upload_all(
    store: Objects, uploads: Sequence[Upload], overwrite: bool, report: Report, advance: Advance
) -> None:
    """Upload files side by side. An object that exists is replaced only with `overwrite`.

    An exception that interrupts it, such as KeyboardInterrupt, ends the transfers, and stops `store`.
    """
    threads = SideBySide(store.stop)
    counted = _counted(threads, advance)

    def one(upload: Upload) -> Transferred:
        with upload.path.open("rb") as opened:
            file = UploadFile(upload.path, opened, counted)
            size, sha256 = file.digests.size, file.digests.sha256
            existing = store.find(upload.key)
            if existing and file.digests.of_object(existing.size, existing.etag, existing.sha256):
                return Transferred(upload.key, size, UP_TO_DATE)
            if existing and not overwrite:
                raise Invalid(
                    f"{upload.key!r} exists already{_difference(existing, size)}; --overwrite replaces it"
                )
            kind = mimetypes.guess_type(upload.path.name)[0] or "application/octet-stream"
            store.write(upload.key, file, size, kind, sha256)
        return Transferred(upload.key, size, UPLOADED)

    _transfer(threads, one, [(upload, upload.key, upload.size) for upload in uploads], report)


def _difference(existing: StoredObject, size: int) -> str:
    """What is known of the bytes of an object that are not certainly those of a file."""
    if existing.size != size:
        return f" with {existing.size} bytes instead of {size}"
    if existing.sha256 or _MD5.fullmatch(existing.etag):
        return " with other bytes"
    return " with the same size, and the store has no hash of its bytes to compare"


def download_all(
    store: Objects,
    objects: Sequence[StoredObject],
    folder: DownloadFolder,
    overwrite: bool,
    report: Report,
    advance: Advance,
) -> None:
    """Download objects side by side. A file that exists is replaced only with `overwrite`.

    An exception that interrupts it, such as KeyboardInterrupt, ends the transfers, and stops `store`.
    """
    threads = SideBySide(store.stop)
    counted = _counted(threads, advance)

    def is_here(wanted: StoredObject) -> bool:
        there = folder.digests(wanted.key, wanted.size, lambda: counted(0))
        if there is None:
            return False
        if there.of_object(wanted.size, wanted.etag, wanted.sha256):
            return True
        # A listing does not have the hash that an upload has stored.
        found = store.find(wanted.key)
        return found is not None and there.of_object(found.size, found.etag, found.sha256)

    def one(wanted: StoredObject) -> Transferred:
        if REPLACED in wanted.key and store.find(wanted.key) is None:
            raise Invalid(f"{not_named(shown(wanted.key))}; the object is left out")
        if is_here(wanted):
            return Transferred(wanted.key, wanted.size, UP_TO_DATE)
        with folder.create(wanted.key, replace=overwrite) as file:
            store.read(wanted.key, file, counted)
        return Transferred(wanted.key, wanted.size, DOWNLOADED)

    _transfer(threads, one, [(wanted, wanted.key, wanted.size) for wanted in objects], report)


def _transfer(
    threads: SideBySide, one: Callable[[T], Transferred], wanted: Sequence[tuple[T, str, int]], report: Report
) -> None:
    def guarded(task: tuple[T, str, int]) -> None:
        what, key, size = task
        try:
            done = one(what)
        except ImageJobError as error:
            done = Transferred(key, size, FAILED, str(error))
        except OSError as error:
            done = Transferred(key, size, FAILED, f"{key!r}: {error.strerror}")
        if not threads.stopped:
            report(done)

    threads.run(guarded, wanted, CONNECTIONS)


def _counted(threads: SideBySide, advance: Advance) -> Advance:
    """Like `advance`, and ends a transfer that was interrupted."""

    def counted(count: int) -> None:
        threads.check()
        advance(count)

    return counted
