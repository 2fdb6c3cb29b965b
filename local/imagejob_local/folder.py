"""The folder of a store: which path a key has, and which keys a file system cannot hold.

A key is the path below the folder. Symbolic links are not followed, so no key leads out of the folder.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from pathlib import Path

from imagejob_operator.naming.names import REPORT_ROOT, STAGING_ROOT
from imagejob_operator.naming.prefixes import own_staging_prefix, staging_folder
from imagejob_operator.ports.object_store import (
    ObjectMissing,
    ObjectRefused,
    StoreDenied,
    StoreError,
    StoreFull,
)
from imagejob_operator.validation.keys import shown

INSTALLATION = staging_folder("local", "00000000-0000-0000-0000-000000000000")
"""The name of the folder with the staging of runs on one machine. No cluster has this uid."""
STAGING = own_staging_prefix(INSTALLATION)
MAX_NAME_BYTES = 255
"""The limit of most file systems on one segment of a path."""


class FolderUnusable(Exception):
    """The folder of the store cannot be used; the message says why, and what to do."""


class Folder:
    """A folder that one run uses at a time."""

    def __init__(self, root: Path) -> None:
        """Lock the folder, and delete the staging of earlier runs that were killed; FolderUnusable."""
        try:
            self.root = root.resolve(strict=True)
            self._descriptor = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY)
        except FileNotFoundError:
            raise FolderUnusable(f"--store: the folder {root} does not exist; create it") from None
        except NotADirectoryError:
            raise FolderUnusable(f"--store: {root} is a file; name a folder") from None
        except OSError as error:
            raise FolderUnusable(f"--store: the folder {root} cannot be read: {error.strerror}") from None
        self.ignores_case = False
        """Whether the file system takes names that differ in case, or in Unicode form, for the same."""
        self._names: dict[Path, frozenset[str]] = {}
        """Names of files and folders as they are written, by folder; read again for one that is not found."""
        try:
            self._lock()
            for own in (self.root / STAGING_ROOT, self.root / REPORT_ROOT):
                if own.is_symlink():
                    raise FolderUnusable(f"--store: {own} is a symbolic link; delete it")
            self.clean()
            self._create_staging()
        except BaseException:
            os.close(self._descriptor)
            raise

    def close(self) -> None:
        """Delete the staging, and unlock the folder."""
        self.clean()
        os.close(self._descriptor)

    def clean(self) -> None:
        """Delete the staging of runs on one machine, and no other."""
        shutil.rmtree(self.root / STAGING, ignore_errors=True)
        self.prune(self.root / STAGING)

    def prune(self, path: Path) -> None:
        """Delete a folder of the staging, and those around it, while they are empty."""
        for folder in (path, *path.parents):
            if folder == self.root:
                return
            try:
                folder.rmdir()
            except FileNotFoundError:
                continue
            except OSError:
                return

    def _lock(self) -> None:
        try:
            # The kernel unlocks it when the process ends, in whatever way.
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = f"--store: another imagejob run uses the folder {self.root}; wait until it has ended"
            raise FolderUnusable(text) from None
        except OSError as error:
            text = (
                f"--store: the folder {self.root} cannot be locked: {error.strerror}; use a local file system"
            )
            raise FolderUnusable(text) from None

    def _create_staging(self) -> None:
        try:
            self.temporary.mkdir(parents=True)
        except OSError as error:
            text = f"--store: the folder {self.root} cannot be written: {error.strerror}"
            raise FolderUnusable(text) from None
        self.ignores_case = (self.root / STAGING_ROOT.upper()).exists()

    @property
    def temporary(self) -> Path:
        """The folder of files that are being written."""
        return self.root / STAGING / ".temporary"

    def path(self, key: str) -> Path:
        """The path of a key, or of a prefix without its '/'; ObjectRefused if no file may have it."""
        path, segments = self.root, key.split("/")
        for segment in segments:
            _check_segment(key, segment)
        for segment in segments:
            path /= segment
            if path.is_symlink():
                raise ObjectRefused(
                    f"{shown(key)}: {str(path)!r} is a symbolic link, which is not followed; replace it by "
                    "what it leads to"
                )
            if self.ignores_case:
                self._check_case(key, path)
        return path

    def _check_case(self, key: str, path: Path) -> None:
        if path.name in self._names.get(path.parent, ()) or not os.path.lexists(path):
            return
        self._names[path.parent] = frozenset(os.listdir(path.parent))
        if path.name not in self._names[path.parent]:
            raise ObjectRefused(
                f"{shown(key)}: {str(path.parent)!r} has a file or folder whose name differs from "
                f"{path.name!r} only in case or Unicode form, and its file system cannot hold both; "
                "choose another key"
            )


def _check_segment(key: str, segment: str) -> None:
    if segment in ("", ".", ".."):
        wrong = f"a segment {segment!r}" if segment else "an empty segment"
        raise ObjectRefused(f"{shown(key)} has {wrong}, which no file can have; choose another key")
    try:
        size = len(segment.encode())
    except UnicodeEncodeError:
        raise ObjectRefused(f"{shown(key)} is not Unicode; choose another key") from None
    if "\0" in segment:
        raise ObjectRefused(
            f"{shown(key)} has a NUL character, which no file name can have; choose another key"
        )
    if size > MAX_NAME_BYTES:
        raise ObjectRefused(
            f"{shown(key)}: the segment {segment[:40] + '…'!r} has {size} bytes, and a file name at most "
            f"{MAX_NAME_BYTES}; choose a shorter key"
        )


def explained(error: OSError, key: str, writing: bool = False) -> StoreError:
    """What an error of the operating system means for an object."""
    name = shown(key)
    text = f"{name}: {error.strerror}"
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR | errno.EISDIR if not writing:
            return ObjectMissing(f"{name} does not exist, or is no file")
        case errno.ENOTDIR | errno.EEXIST:
            folder = "a part of its path is a file, and no folder"
            return ObjectRefused(f"{name} cannot be written: {folder}; choose another key, or move the file")
        case errno.EISDIR | errno.ENOTEMPTY:
            return ObjectRefused(f"{name} cannot be written: it is a folder; choose another key")
        case errno.ENAMETOOLONG:
            return ObjectRefused(f"{text}; choose a shorter key")
        case errno.EXDEV:
            text = f"{name} is on another file system than the folder of the store; unmount it there"
            return StoreDenied(text)
        case errno.ENOSPC | errno.EDQUOT:
            return StoreFull(f"{text}; free space on the disk with the folder of --store, then run it again")
        case errno.EACCES | errno.EPERM if not writing:
            return ObjectRefused(f"{text}; change the permissions of the file")
        case _:
            return StoreDenied(text)
