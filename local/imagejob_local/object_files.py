"""Objects as files: their bytes, the SHA-256 hash that is their ETag, and the headers beside them.

Headers that a file name does not imply are in a file of their own, which counts as long as the object has the
ETag that it names. So a user may replace any file at any time.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import mimetypes
import os
import secrets
import stat as modes
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import msgspec

from imagejob_contract.wire import Wire
from imagejob_local.folder import STAGING, Folder, explained
from imagejob_operator.naming.names import REPORT_ROOT, STAGING_ROOT
from imagejob_operator.ports.object_store import ObjectHeaders, ObjectMissing, StoredObject

CHUNK = 1024 * 1024
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS)
"""Errors of file systems without hard links, such as exFAT. There, an empty file is seen for a moment."""
DEFAULT_TYPE = "application/octet-stream"
_TYPES = mimetypes.MimeTypes()
"""Without the types that the machine adds: another one must read the same."""
_State = tuple[int, ...]
"""What changes when a file is written: device, inode, size, and times."""


class Sidecar(Wire, frozen=True):
    """The headers of an object with a key and an ETag."""

    key: str
    etag: str
    headers: ObjectHeaders


class ObjectFiles:
    """The objects in a folder. Every call may block; errors are OSError and StoreError."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._hashes: dict[_State, str] = {}
        """Of files as they are now: each file is hashed once."""

    @contextlib.contextmanager
    def open(self, key: str) -> Iterator[tuple[io.BufferedReader, StoredObject]]:
        """The bytes of an object, and what it is; ObjectMissing, or ObjectRefused."""
        try:
            descriptor = os.open(self.folder.path(key), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise explained(error, key) from None
        if not modes.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ObjectMissing(f"{key!r} is no file")
        with open(descriptor, "rb") as file:
            etag = self._hash(file)
            found = os.fstat(descriptor)
            yield file, StoredObject(key, found.st_size, etag, datetime.fromtimestamp(found.st_mtime, UTC))

    def stat(self, key: str) -> StoredObject:
        """An object with its metadata."""
        with self.open(key) as (_, found):
            return replace(found, metadata=self.headers(found).metadata)

    def _hash(self, file: io.BufferedReader) -> str:
        state = _state(file)
        known = self._hashes.get(state)
        if known is None:
            known = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            # A file that is being written has another state afterwards.
            if _state(file) == state:
                self._hashes[state] = known
        return known

    def headers(self, stored: StoredObject) -> ObjectHeaders:
        """The headers of an object."""
        with contextlib.suppress(OSError, msgspec.DecodeError):
            sidecar = msgspec.json.decode(self._sidecar(stored.key).read_bytes(), type=Sidecar)
            if (sidecar.key, sidecar.etag) == (stored.key, stored.etag):
                return sidecar.headers
        return ObjectHeaders(_implied_type(stored.key))

    def new(self, key: str) -> NewObject:
        """An object that is being written."""
        return NewObject(self, key)

    def keep_headers(self, key: str, etag: str, headers: ObjectHeaders) -> None:
        """Write the headers that the key does not imply."""
        path = self._sidecar(key)
        if headers == ObjectHeaders(_implied_type(key)):
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.folder.temporary / secrets.token_hex(8)
        temporary.write_bytes(msgspec.json.encode(Sidecar(key, etag, headers)))
        temporary.replace(path)

    def remember_hash(self, file: BinaryIO, digest: str) -> None:
        """The file has this hash."""
        self._hashes[_state(file)] = digest

    def _sidecar(self, key: str) -> Path:
        # Names of namespaces do not begin with a dot.
        root = STAGING if key.startswith(f"{STAGING_ROOT}/") else f"{REPORT_ROOT}/"
        name = hashlib.sha256(key.encode()).hexdigest()
        return self.folder.path(f"{root}.headers/{name[:2]}/{name[2:]}.json")


class NewObject:
    """An object that is being written: it exists, as a whole, after `commit`. Leaving the context ends it."""

    def __init__(self, files: ObjectFiles, key: str) -> None:
        self._files = files
        self._key = key
        self._target = files.folder.path(key)
        self._path = files.folder.temporary / secrets.token_hex(8)
        self._hash = hashlib.sha256()
        try:
            self._file = open(self._path, "xb")  # noqa: SIM115  (closed by __exit__)
        except OSError as error:
            raise explained(error, key, writing=True) from None
        self.size = 0

    def __enter__(self) -> NewObject:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):  # what was not written is reported already, and not needed
            self._file.close()
        self._path.unlink(missing_ok=True)

    def write(self, data: bytes) -> None:
        """Append bytes."""
        try:
            self._file.write(data)
        except OSError as error:
            raise explained(error, self._key, writing=True) from None
        self._hash.update(data)
        self.size += len(data)

    @property
    def etag(self) -> str:
        """The hash of what was written so far."""
        return self._hash.hexdigest()

    def commit(self, headers: ObjectHeaders, if_absent: bool = False) -> StoredObject | None:
        """Give the object its key, in one step; None if there is one and it must not be replaced."""
        try:
            return self._commit(headers, if_absent)
        except OSError as error:
            raise explained(error, self._key, writing=True) from None

    def _commit(self, headers: ObjectHeaders, if_absent: bool) -> StoredObject | None:
        self._file.flush()
        self._target.parent.mkdir(parents=True, exist_ok=True)
        if not if_absent:
            os.replace(self._path, self._target)
        elif not self._take():
            return None
        self._files.keep_headers(self._key, self.etag, headers)
        # Its new name has changed a time of the file.
        self._files.remember_hash(self._file, self.etag)
        modified = datetime.fromtimestamp(os.fstat(self._file.fileno()).st_mtime, UTC)
        return StoredObject(self._key, self.size, self.etag, modified)

    def _take(self) -> bool:
        """Give the object its key unless there is one; whether it has the key now."""
        try:
            os.link(self._path, self._target)
            self._path.unlink()
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            try:
                self._target.touch(exist_ok=False)
            except FileExistsError:
                return False
            os.replace(self._path, self._target)
        return True


def _implied_type(key: str) -> str:
    return _TYPES.guess_type(key.rpartition("/")[2], strict=False)[0] or DEFAULT_TYPE


def _state(file: BinaryIO) -> _State:
    found = os.fstat(file.fileno())
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
