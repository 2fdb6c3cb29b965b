"""Where objects are written on this machine.

No key leads out of the folder, and no file is replaced by mistake.

Keys come from a listing or a report, which others can write, so they are not trusted.
"""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from imagejob.digests import Digests, digests_of
from imagejob.errors import Invalid

MAX_NAME_BYTES = 255
"""The limit of most file systems on one name."""
_REFUSED = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that a terminal takes as commands, or that show a name in another order than it has.

Others that are not seen are part of names, such as the joiners of emoji.
"""
_ONLY_HERE = os.O_NOFOLLOW | os.O_CLOEXEC
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | _ONLY_HERE


class DownloadFolder:
    """A folder into which objects are written, with their keys as paths."""

    def __init__(self, root: Path) -> None:
        """Create the folder if it does not exist; raises Invalid."""
        self.root = root
        try:
            root.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(root.resolve(strict=True), _FOLDER)
        except OSError as error:
            raise Invalid(f"cannot use the folder {root}: {error.strerror}; choose another one") from None

    def close(self) -> None:
        """Release the folder."""
        os.close(self._descriptor)

    @contextmanager
    def create(self, key: str, *, replace: bool = False) -> Iterator[BinaryIO]:
        """A file for an object, which appears under its key when all of it is written.

        Raises:
            Invalid: No file may have this key, or one exists already and `replace` is false.
        """
        *folders, name = segments(key)
        with self._explained(key), self._folder(folders) as folder:
            if not replace and _exists(name, folder):
                raise FileExistsError
            partial = f".imagejob-{secrets.token_hex(8)}.partial"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _ONLY_HERE
            try:
                with os.fdopen(os.open(partial, flags, 0o666, dir_fd=folder), "wb") as file:
                    yield file
                if not replace:
                    # Fails if the name was taken meanwhile, also one that differs only in case.
                    os.close(os.open(name, flags, 0o666, dir_fd=folder))
                os.replace(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(partial, dir_fd=folder)

    def digests(self, key: str, size: int, progress: Callable[[], object] = lambda: None) -> Digests | None:
        """The hashes of the file of a key; None if there is none of this size. It calls `progress` often."""
        *folders, name = segments(key)
        try:
            with (
                self._folder(folders, create=False) as folder,
                # A FIFO would wait for a writer.
                os.fdopen(
                    os.open(name, os.O_RDONLY | os.O_NONBLOCK | _ONLY_HERE, dir_fd=folder), "rb"
                ) as file,
            ):
                found = os.fstat(file.fileno())
                wanted = stat.S_ISREG(found.st_mode) and found.st_size == size
                return digests_of(file, progress) if wanted else None
        except OSError:
            return None

    @contextmanager
    def _folder(self, names: list[str], *, create: bool = True) -> Iterator[int]:
        """A folder below the root, opened segment by segment without following links."""
        opened = [os.dup(self._descriptor)]
        try:
            for name in names:
                if create:
                    with suppress(FileExistsError):
                        os.mkdir(name, dir_fd=opened[-1])
                opened.append(os.open(name, _FOLDER, dir_fd=opened[-1]))
            yield opened[-1]
        finally:
            for descriptor in opened:
                os.close(descriptor)

    @contextmanager
    def _explained(self, key: str) -> Iterator[None]:
        try:
            yield
        except FileExistsError:
            raise Invalid(f"{self.root / key} exists already; --overwrite replaces it") from None
        except (NotADirectoryError, IsADirectoryError):
            text = "a part of its path is a file or a link, or it is a folder; move that"
            raise Invalid(f"{key!r} cannot be written below {self.root}: {text}") from None
        except OSError as error:
            raise Invalid(f"{key!r} cannot be written below {self.root}: {error.strerror}") from None


def _exists(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def segments(key: str) -> list[str]:
    """The names of the folders and of the file of a key; raises Invalid if no file may have it."""
    found = key.split("/")
    shown = repr(key if len(key) <= 100 else f"{key[:100]}…")
    for name in found:
        if name in ("", ".", "..") or "\\" in name:
            raise Invalid(f"the key {shown} is no path below a folder, because of {name!r}; it is left out")
        if _REFUSED.search(name):
            raise Invalid(f"the key {shown} has characters that no file name should have; it is left out")
        if (size := len(name.encode())) > MAX_NAME_BYTES:
            raise Invalid(
                f"the key {shown} has a name of {size} bytes, and a file name has at most {MAX_NAME_BYTES}; "
                "it is left out"
            )
    return found
