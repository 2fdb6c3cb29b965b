"""The objects of a namespace for the command line, in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import BinaryIO

from imagejob.bucket import Advance, Readable, StoredObject
from imagejob.errors import StoreFailed
from imagejob_operator.documents.report import Report


@dataclass
class MemoryObjects:
    """Holds bytes by key; keys may be whatever a hostile listing names."""

    objects: dict[str, bytes] = field(default_factory=dict)
    reports: dict[str, Report] = field(default_factory=dict)
    name: str = "bucket 'media'"
    linkable: bool = True
    types: dict[str, str] = field(default_factory=dict)
    refused: set[str] = field(default_factory=set)
    """Keys that cannot be read or written."""
    etags: dict[str, str] = field(default_factory=dict)
    """Of objects whose ETag is not the MD5 hash of the bytes."""
    hashes: dict[str, str] = field(default_factory=dict)
    """SHA-256 hashes, as they were given to `write`; only `find` knows them."""
    chunk: int = 1 << 16

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See Objects."""
        yield from (self._stored(key) for key in sorted(self.objects) if key.startswith(prefix))

    def find(self, key: str) -> StoredObject | None:
        """See Objects."""
        if key not in self.objects:
            return None
        return replace(self._stored(key), sha256=self.hashes.get(key, ""))

    def _stored(self, key: str) -> StoredObject:
        data = self.objects[key]
        etag = self.etags.get(key) or hashlib.md5(data, usedforsecurity=False).hexdigest()
        return StoredObject(key, len(data), etag)

    def read(self, key: str, file: BinaryIO, advance: Advance) -> None:
        """See Objects."""
        if key in self.refused or key not in self.objects:
            raise StoreFailed(f"cannot read {key!r}: AccessDenied")
        file.write(self.objects[key])
        advance(len(self.objects[key]))

    def write(self, key: str, file: Readable, size: int, content_type: str, sha256: str = "") -> None:
        """See Objects."""
        if key in self.refused:
            raise StoreFailed(f"cannot write {key!r}: AccessDenied")
        data = bytearray()
        while len(data) < size:
            data += file.read(self.chunk)
        self.objects[key] = bytes(data)
        self.hashes[key] = sha256
        self.types[key] = content_type

    def link(self, key: str, lifetime: timedelta) -> str:
        """See Objects."""
        return f"https://s3.example.com/media/{key}?X-Amz-Expires={lifetime.total_seconds():.0f}"

    def stop(self) -> None:
        """See Objects."""

    def report(self, key: str) -> Report:
        """See Objects."""
        return self.reports[key]
