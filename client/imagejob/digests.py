"""Sizes and hashes, by which files and objects are compared without reading the objects."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Digests:
    """The size of a file in bytes, and its hashes in hex."""

    size: int
    md5: str
    sha256: str

    def of_object(self, size: int, etag: str, sha256: str) -> bool:
        """Whether an object certainly has the same bytes.

        Args:
            size: Of the object.
            etag: Of the object: the MD5 hash if it was stored in one request and is not encrypted by KMS, in
                most stores.
            sha256: Its hash, if the store has it; else empty.
        """
        return size == self.size and (sha256 == self.sha256 or etag == self.md5)


def digests_of(file: BinaryIO, progress: Callable[[], object]) -> Digests:
    """Read a file from its position to its end, and call `progress` often; raises OSError."""
    size, md5, sha256 = 0, hashlib.md5(usedforsecurity=False), hashlib.sha256()
    while data := file.read(CHUNK):
        progress()
        size += len(data)
        md5.update(data)
        sha256.update(data)
    return Digests(size, md5.hexdigest(), sha256.hexdigest())
