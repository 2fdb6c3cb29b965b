"""A folder as an object store: see the port. Objects are the files below the folder.

A symbolic link is listed as an object that cannot be read. Other special files, and files whose names are not
UTF-8, are no objects.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path

from imagejob_local.folder import Folder, explained
from imagejob_local.object_files import CHUNK, DEFAULT_TYPE, NewObject, ObjectFiles
from imagejob_local.signatures import Signer
from imagejob_operator.naming.names import RESERVED_ROOTS
from imagejob_operator.operations.concurrency import compute
from imagejob_operator.ports.object_store import (
    ChecksumMismatch,
    Gate,
    Halted,
    ObjectChanged,
    ObjectHeaders,
    ObjectMissing,
    ObjectTooLarge,
    PostForm,
    Reader,
    SignedPuts,
    StoredObject,
    StoreError,
    Stream,
    always_open,
)

PAGE = 64
"""Objects of a listing that are read, and hashed, in one call of a thread."""


class FolderStore:
    """One bucket: a folder."""

    def __init__(self, folder: Folder, signer: Signer) -> None:
        self.files = ObjectFiles(folder)
        self._folder = folder
        self._signer = signer
        self._conditional = threading.Lock()
        """Held from the check of an ETag to the write that depends on it."""

    async def stat(self, key: str) -> StoredObject:
        """See the port."""
        return await compute(self.files.stat, key)

    async def walk(self, prefix: str) -> AsyncIterator[StoredObject]:
        """See the port."""
        keys = self._keys(prefix)
        while page := await compute(_page, keys):
            for found in await compute(self._listed, page):
                yield found

    def _listed(self, keys: Sequence[str]) -> list[StoredObject]:
        found: list[StoredObject] = []
        for key in keys:
            try:
                with self.files.open(key) as (_, stored):
                    found.append(stored)
            except ObjectMissing:
                continue  # deleted since it was listed
            except StoreError:
                found.append(StoredObject(key, 0, ""))
        return found

    def _keys(self, prefix: str) -> Iterator[str]:
        """The keys of all files and links with a prefix, in order."""
        below, _, start = prefix.rpartition("/")
        if below:
            yield from _files_below(self._folder.path(below), f"{below}/", start)
            return
        for name in _entries(self._folder.root):
            if name.startswith(start) and name.rstrip("/") not in RESERVED_ROOTS:
                inside = name.endswith("/")
                yield from _files_below(self._folder.root / name, name, "") if inside else (name,)

    async def folders(self, prefix: str) -> AsyncIterator[str]:
        """See the port."""
        path = self._folder.path(prefix.removesuffix("/"))
        for entry in await compute(_entries, path):
            if entry.endswith("/") and any(_files_below(path / entry, "", "")):
                yield f"{prefix}{entry}"

    async def read(self, key: str, max_bytes: int) -> bytes:
        """See the port."""
        return await compute(self._read, key, max_bytes)

    def _read(self, key: str, max_bytes: int) -> bytes:
        with self.files.open(key) as (file, found):
            if found.size > max_bytes:
                raise ObjectTooLarge(f"{key!r} is larger than {max_bytes} bytes")
            return file.read(max_bytes)

    async def put(self, key: str, data: bytes, content_type: str) -> StoredObject:
        """See the port."""
        stored = await compute(self._write, key, data, content_type, False)
        assert stored is not None  # noqa: S101  (only a write if absent writes nothing)
        return stored

    async def put_if_absent(self, key: str, data: bytes, content_type: str) -> bool:
        """See the port."""
        return await compute(self._write, key, data, content_type, True) is not None

    def _write(self, key: str, data: bytes, content_type: str, if_absent: bool) -> StoredObject | None:
        with self.files.new(key) as new:
            new.write(data)
            return new.commit(ObjectHeaders(content_type), if_absent)

    async def put_if_match(self, key: str, data: bytes, etag: str, content_type: str) -> str:
        """See the port."""
        return await compute(self._write_if_match, key, data, etag, content_type)

    def _write_if_match(self, key: str, data: bytes, etag: str, content_type: str) -> str:
        with self._conditional:
            try:
                found = self.files.stat(key).etag
            except ObjectMissing:
                found = ""
            if found != etag:
                raise ObjectChanged(f"{key!r} does not have the ETag {etag} now")
            stored = self._write(key, data, content_type, False)
        assert stored is not None  # noqa: S101  (it may be replaced)
        return stored.etag

    async def copy(
        self, source: StoredObject, key: str, headers: ObjectHeaders | None = None
    ) -> StoredObject:
        """See the port."""
        if headers is None:
            kept = await compute(self.files.headers, source)
            headers = replace(kept, tags={})
        return await self.put_from(key, self.reader(source), source, headers)

    def reader(self, source: StoredObject) -> Reader:
        """See the port."""

        @contextlib.contextmanager
        def opened() -> Iterator[Stream]:
            with self.files.open(source.key) as (file, found):
                if found.etag != source.etag:
                    raise ObjectChanged(f"{source.key!r} does not have the ETag {source.etag} now")
                yield file

        return opened

    async def put_from(
        self, key: str, reader: Reader, source: StoredObject, headers: ObjectHeaders | None = None
    ) -> StoredObject:
        """See the port."""
        return await compute(self._write_from, key, reader, source, headers or ObjectHeaders(DEFAULT_TYPE))

    def _write_from(
        self, key: str, reader: Reader, source: StoredObject, headers: ObjectHeaders
    ) -> StoredObject:
        with reader() as stream, self.files.new(key) as new:
            _transfer(stream, new, source)
            stored = new.commit(headers)
        assert stored is not None  # noqa: S101  (it may be replaced)
        return stored

    async def delete_prefix(self, prefix: str, gate: Gate = always_open) -> int:
        """See the port."""
        if not prefix.endswith("/"):
            raise ValueError(f"a prefix to delete must end with '/': {prefix!r}")
        return await compute(self._delete, prefix, gate)

    def _delete(self, prefix: str, gate: Gate) -> int:
        path = self._folder.path(prefix.removesuffix("/"))
        count = sum(1 for _ in _files_below(path, "", ""))
        if count and not gate():
            raise Halted(f"{prefix!r} was not deleted: the gate was closed")
        try:
            shutil.rmtree(path)
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise explained(error, prefix, writing=True) from None
        return count

    def place(self, prefix: str) -> str:
        """See the port."""
        return f"{self._folder.root.as_uri()}/{prefix}"

    def sign_get(self, key: str, lifetime: timedelta) -> str:
        """See the port."""
        return self._signer.sign("GET", key, lifetime)

    def sign_put(self, key: str, lifetime: timedelta) -> str:
        """See the port."""
        return self._signer.sign("PUT", key, lifetime)

    async def takes_forms(self, prefix: str) -> bool:
        """See the port."""
        return True

    def sign_post(self, prefix: str, max_bytes: int, lifetime: timedelta) -> PostForm:
        """See the port."""
        return self._signer.sign_post(prefix, max_bytes, lifetime)

    def sign_puts(
        self, prefix: str, names: Sequence[str], lengths: Sequence[int], lifetime: timedelta
    ) -> SignedPuts:
        """See the port."""
        return self._signer.sign_puts(prefix, names, lengths, lifetime)


def _transfer(stream: Stream, new: NewObject, source: StoredObject) -> None:
    """Write exactly the bytes of the source; ObjectChanged or ChecksumMismatch if they are others."""
    while new.size < source.size and (data := stream.read(min(CHUNK, source.size - new.size))):
        new.write(data)
    whole = source.padded or not stream.read(1)
    if new.size != source.size or not whole or (not source.padded and new.etag != source.etag):
        raise ObjectChanged(f"{source.key!r} was changed while it was copied")
    if source.sha256 and new.etag != source.sha256:
        text = f"{source.key!r} has the SHA-256 digest {new.etag}, expected {source.sha256}"
        raise ChecksumMismatch(text)


def _page(keys: Iterator[str]) -> list[str]:
    return list(islice(keys, PAGE))


def _entries(path: Path) -> list[str]:
    """The names in a folder in the order of keys; those of folders end with '/'."""
    names: list[str] = []
    try:
        with os.scandir(path) as found:
            for entry in found:
                folder = entry.is_dir(follow_symlinks=False)
                file = entry.is_file(follow_symlinks=False) or entry.is_symlink()
                with contextlib.suppress(UnicodeEncodeError):
                    entry.name.encode()
                    names += [f"{entry.name}/"] if folder else [entry.name] if file else []
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise explained(error, str(path)) from None
    return sorted(names)


def _files_below(path: Path, prefix: str, start: str) -> Iterator[str]:
    """The keys of files and links in a folder, with a prefix, whose names begin with `start`."""
    for name in _entries(path):
        if not name.startswith(start):
            continue
        if name.endswith("/"):
            yield from _files_below(path / name, prefix + name, "")
        else:
            yield prefix + name
