"""Copies objects between stores: each try reads a fresh stream and verifies length and hash."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from minio import Minio

from imagejob_operator.adapters.s3.headers import header_lines, object_tags
from imagejob_operator.ports.object_store import (
    ChecksumMismatch,
    ObjectChanged,
    ObjectHeaders,
    Reader,
    StoredObject,
    StoreUnavailable,
    Stream,
)

PART = 16 * 1024 * 1024
"""Bytes kept in memory; a longer object is a multipart upload."""


@contextmanager
def open_object(
    client: Minio, bucket: str, key: str, etag: str = "", length: int | None = None
) -> Iterator[Stream]:
    """The bytes of an object, or its first ones; with an ETag, only if it still has it."""
    condition: dict[str, str | list[str] | tuple[str]] = {"If-Match": f'"{etag}"'} if etag else {}
    response = client.get_object(bucket, key, length=length or 0, request_headers=condition)
    try:
        yield response
    finally:
        response.close()
        response.release_conn()


def write_object(
    client: Minio,
    bucket: str,
    key: str,
    reader: Reader,
    source: StoredObject,
    headers: ObjectHeaders | None,
) -> str:
    """Write the object that a reader gives, unless it differs from its source; the ETag of the new object."""
    with reader() as stream:
        lines = header_lines(headers) if headers else {}
        content_type = str(lines.pop("Content-Type", "application/octet-stream"))
        verified = VerifiedStream(stream, source)
        if not source.size:
            verified.read()  # the client does not read an empty object, so it would not be verified
        written = client.put_object(
            bucket,
            key,
            cast("BinaryIO", verified),
            source.size,
            content_type=content_type,
            metadata=lines,
            part_size=PART,
            num_parallel_uploads=1,
            tags=object_tags(headers) if headers and headers.tags else None,
        )
    if client.stat_object(bucket, key).size != source.size:
        raise StoreUnavailable(f"PutObject {key!r}: it was not stored completely")
    return written.etag or ""


class VerifiedStream:
    """A stream that is compared with its object; the last bytes are only given if length and hash match."""

    def __init__(self, stream: Stream, source: StoredObject) -> None:
        self._stream = stream
        self._source = source
        self._left = source.size
        self._hash = hashlib.sha256()
        self._checked = False

    def read(self, amount: int = -1) -> bytes:
        """The next bytes."""
        wanted = self._left if amount < 0 else min(amount, self._left)
        data = self._stream.read(wanted) if wanted else b""
        if len(data) < wanted and not data:
            raise ObjectChanged(f"{self._source.key} ends {self._left} bytes early")
        self._left -= len(data)
        self._hash.update(data)
        if self._left == 0 and not self._checked:
            self._checked = True
            self._check()
        return data

    def _check(self) -> None:
        if self._stream.read(1):
            raise ObjectChanged(f"{self._source.key} is longer than {self._source.size} bytes")
        found, expected = self._hash.hexdigest(), self._source.sha256
        if expected and found != expected:
            raise ChecksumMismatch(f"{self._source.key} has the SHA-256 digest {found}, expected {expected}")
