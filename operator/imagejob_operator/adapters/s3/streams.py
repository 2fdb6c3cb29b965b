"""Objects on their way from one store to another: each try from a fresh stream, length and hash held."""

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
"""Bytes that are held in memory; a longer object is sent in parts, which become one when all are there."""


@contextmanager
def read_object(client: Minio, bucket: str, source: StoredObject) -> Iterator[Stream]:
    """The bytes of an object, if it still has its ETag."""
    response = client.get_object(bucket, source.key, request_headers={"If-Match": f'"{source.etag}"'})
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
    """Write what a reader gives; the ETag of what was written.

    Raises:
        ObjectChanged: it is longer, shorter or another one than was said; then nothing is written.
        ChecksumMismatch: its sha256 is another one than was said; then nothing is written.
        StoreUnavailable: the store did not keep all of it.
    """
    with reader() as stream:
        lines = header_lines(headers) if headers else {}
        content_type = str(lines.pop("Content-Type", "application/octet-stream"))
        held = HeldStream(stream, source)
        if not source.size:
            held.read()  # the client reads nothing of what is empty, so that it would not be held
        written = client.put_object(
            bucket,
            key,
            cast("BinaryIO", held),
            source.size,
            content_type=content_type,
            metadata=lines,
            part_size=PART,
            num_parallel_uploads=1,
            tags=object_tags(headers) if headers and headers.tags else None,
        )
    if client.stat_object(bucket, key).size != source.size:
        raise StoreUnavailable(f"{key} was not stored whole")
    return written.etag or ""


class HeldStream:
    """A stream held against what is known of its object; the last bytes are given only if all is right."""

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
            raise ObjectChanged(f"{self._source.key} ends {self._left} bytes too soon")
        self._left -= len(data)
        self._hash.update(data)
        if self._left == 0 and not self._checked:
            self._checked = True
            self._check()
        return data

    def _check(self) -> None:
        if self._stream.read(1):
            raise ObjectChanged(f"{self._source.key} is longer than {self._source.size} bytes")
        found, said = self._hash.hexdigest(), self._source.sha256
        if said and found != said:
            raise ChecksumMismatch(f"{self._source.key} has the sha256 {found}, not {said}")
