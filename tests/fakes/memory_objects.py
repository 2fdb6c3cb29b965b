"""The objects of a namespace for the command line, in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import BinaryIO

from imagejob.bucket import Advance, StoredObject
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

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See Objects."""
        yield from (self._stored(key) for key in sorted(self.objects) if key.startswith(prefix))

    def find(self, key: str) -> StoredObject | None:
        """See Objects."""
        return self._stored(key) if key in self.objects else None

    def _stored(self, key: str) -> StoredObject:
        data = self.objects[key]
        return StoredObject(key, len(data), hashlib.md5(data, usedforsecurity=False).hexdigest())

    def read(self, key: str, file: BinaryIO, advance: Advance) -> None:
        """See Objects."""
        if key in self.refused or key not in self.objects:
            raise StoreFailed(f"cannot read {key!r}: AccessDenied")
        file.write(self.objects[key])
        advance(len(self.objects[key]))

    def write(self, key: str, file: BinaryIO, size: int, content_type: str) -> None:
        """See Objects."""
        if key in self.refused:
            raise StoreFailed(f"cannot write {key!r}: AccessDenied")
        self.objects[key] = file.read()
        assert len(self.objects[key]) == size
        self.types[key] = content_type

    def link(self, key: str, lifetime: timedelta) -> str:
        """See Objects."""
        return f"https://s3.example.com/media/{key}?X-Amz-Expires={lifetime.total_seconds():.0f}"

    def report(self, key: str) -> Report:
        """See Objects."""
        return self.reports[key]
