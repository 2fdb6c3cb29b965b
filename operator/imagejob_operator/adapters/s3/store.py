"""The object store over the minio client, which is synchronous: every call runs in a thread pool."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic, perf_counter
from typing import TypeVar

from minio.datatypes import Object
from minio.error import S3Error

from imagejob_operator.adapters.s3 import headers as s3_headers
from imagejob_operator.adapters.s3.client import open_client
from imagejob_operator.adapters.s3.connections import BoundedPool, trusted
from imagejob_operator.adapters.s3.deadline import COPY_PACE, PACE, SLOW_PACE, deadline
from imagejob_operator.adapters.s3.errors import MISSING, call, not_named, translate
from imagejob_operator.adapters.s3.listing import Page, list_page
from imagejob_operator.adapters.s3.requests import Requests, delete_batches
from imagejob_operator.adapters.s3.signing import Signer
from imagejob_operator.adapters.s3.streams import open_object, write_object
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.fairness import FairLimiter, Waited, ignore
from imagejob_operator.naming.listed_keys import REPLACED
from imagejob_operator.ports.credentials import CredentialSource
from imagejob_operator.ports.object_store import (
    BucketMissing,
    Gate,
    Halted,
    ObjectChanged,
    ObjectHeaders,
    ObjectTooLarge,
    PostForm,
    Reader,
    SignedPuts,
    StoredObject,
    StoreError,
    StoreUnavailable,
    always_open,
)

T = TypeVar("T")

THREADS = 32
BUCKET_SEEN = 1.0
"""Seconds for which a bucket that was seen counts as existing: outputs are looked for before each copy."""
Observe = Callable[[str, str, float], None]


class S3Store:
    """One bucket; see the port."""

    def __init__(
        self,
        location: StoreLocation,
        credentials: CredentialSource,
        observe: Observe = lambda operation, result, seconds: None,
        waited: Waited = ignore,
    ) -> None:
        self._bucket = location.bucket
        self._place = f"s3://{location.endpoint}/{location.bucket}/"
        self._observe = observe
        self._http = BoundedPool(THREADS, trusted(location.secure, location.ca_bundle))
        self._client = open_client(location, location.endpoint, credentials, self._http)
        own = Signer(location, location.endpoint, credentials, self._http)
        self._requests = Requests(self._client, location.bucket, own, self._http)
        pod_endpoint = location.pod_endpoint or location.endpoint
        self._signer = Signer(location, pod_endpoint, credentials, self._http)
        self._forms: bool | None = None
        self._bucket_seen = -BUCKET_SEEN
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="store")
        self._calls = FairLimiter("store_calls", THREADS, waited)

    def close(self) -> None:
        """Stop the threads; calls under way end by their timeouts."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._http.clear()

    async def stat(self, key: str) -> StoredObject:
        """See the port."""
        stat = partial(self._check_bucket, partial(self._client.stat_object, self._bucket, key))
        return _stored(await self._run("stat", call("HeadObject", key), stat))

    def _check_bucket(self, send: Callable[[], T]) -> T:
        """Make a call that starts with a HEAD, whose 404 does not say whether object or bucket is missing."""
        try:
            return send()
        except S3Error as error:
            if error.code in MISSING and not self._bucket_exists():
                text = (
                    f"NoSuchBucket: bucket {self._bucket!r} does not exist, or the access key is unknown; "
                    "check the bucket and the credentials"
                )
                raise BucketMissing(text) from error
            raise

    def _bucket_exists(self) -> bool:
        if monotonic() < self._bucket_seen + BUCKET_SEEN:
            return True
        exists = self._client.bucket_exists(self._bucket)
        if exists:
            self._bucket_seen = monotonic()
        return exists

    async def walk(self, prefix: str) -> AsyncIterator[StoredObject]:
        """See the port."""
        async for page in self._pages(prefix, ""):
            for stored in page.objects:
                yield stored

    async def folders(self, prefix: str) -> AsyncIterator[str]:
        """See the port."""
        async for page in self._pages(prefix, "/"):
            for name in page.folders:
                if name.endswith("/") and name != prefix:
                    yield name

    async def _pages(self, prefix: str, delimiter: str) -> AsyncIterator[Page]:
        token = after = ""
        while True:
            request = partial(list_page, self._client, self._bucket, prefix, delimiter, token, after)
            page = await self._run("list", call("ListObjectsV2", prefix), request)
            yield page
            if not page.next:
                return
            token, after = page.next, page.end

    async def read(self, key: str, max_bytes: int) -> bytes:
        """See the port."""

        def fetch() -> bytes:
            with open_object(self._client, self._bucket, key) as stream:
                return stream.read(max_bytes + 1)

        data = await self._run("get", call("GetObject", key), fetch)
        if len(data) > max_bytes:
            raise ObjectTooLarge(f"{key} is larger than {max_bytes} bytes")
        return data

    async def put(self, key: str, data: bytes, content_type: str) -> StoredObject:
        """See the port."""

        def send() -> StoredObject:
            # In one thread also in parts, because the deadline is that of this thread.
            stream = io.BytesIO(data)
            result = self._client.put_object(
                self._bucket, key, stream, len(data), content_type=content_type, num_parallel_uploads=1
            )
            return StoredObject(key, len(data), result.etag or "", datetime.now(UTC))

        return await self._run("put", call("PutObject", key), send)

    async def put_if_absent(self, key: str, data: bytes, content_type: str) -> bool:
        """See the port."""
        write = partial(self._requests.put_if, key, data, ("If-None-Match", "*"), content_type)
        return await self._run("put", call("PutObject", key), write) is not None

    async def put_if_match(self, key: str, data: bytes, etag: str, content_type: str) -> str:
        """See the port."""
        write = partial(self._requests.put_if, key, data, ("If-Match", f'"{etag}"'), content_type)
        written = await self._run("put", call("PutObject", key), write)
        if written is None:
            raise ObjectChanged(f"PreconditionFailed: {key} was changed by another writer")
        return written

    async def copy(
        self, source: StoredObject, key: str, headers: ObjectHeaders | None = None
    ) -> StoredObject:
        """See the port."""
        if source.padded:
            # S3 copies whole objects, or parts of at least 5 MiB.
            return await self.put_from(key, self.reader(source), source, headers)
        copy = partial(self._requests.copy, source, key, headers)
        request = call("CopyObject", source.key, key)
        etag = await self._run("copy", request, copy, source.size / COPY_PACE)
        return StoredObject(key, source.size, etag, datetime.now(UTC))

    def reader(self, source: StoredObject) -> Reader:
        """See the port."""
        length = source.size if source.padded else None
        return lambda: open_object(self._client, self._bucket, source.key, source.etag, length)

    async def put_from(
        self, key: str, reader: Reader, source: StoredObject, headers: ObjectHeaders | None = None
    ) -> StoredObject:
        """See the port."""

        def send() -> StoredObject:
            etag = write_object(self._client, self._bucket, key, reader, source, headers)
            return StoredObject(key, source.size, etag, datetime.now(UTC))

        return await self._run("put", call("PutObject", key), send, pace=SLOW_PACE)

    async def delete_prefix(self, prefix: str, gate: Gate = always_open) -> int:
        """See the port."""
        if not prefix.endswith("/"):
            raise ValueError(f"a prefix to delete must end with '/': {prefix!r}")
        deleted, before, unnamed = 0, "", set[str]()
        while True:
            listing = partial(list_page, self._client, self._bucket, prefix, "", "", "")
            page = await self._run("list", call("ListObjectsV2", prefix), listing)
            if not page.objects:
                return deleted
            keys = [stored.key for stored in page.objects if stored.key not in unnamed]
            if not keys:
                raise not_named(call("DeleteObjects below", prefix), page.objects[0].key)
            if keys[0] == before:
                # A store that answers with success and deletes nothing would be asked forever.
                text = f"the store still lists {before!r} after it answered that it was deleted"
                raise StoreUnavailable(f"{text} ({call('DeleteObjects below', prefix)})")
            # A name that is not the key of its object is deleted without an error, and listed again.
            unnamed.update(key for key in keys if REPLACED in key)
            before = next((key for key in keys if key not in unnamed), before)
            for batch in delete_batches(keys):
                if not gate():
                    text = "this replica is not allowed to write at the moment"
                    raise Halted(f"deleting {prefix} was stopped: {text}")
                delete = partial(self._requests.delete, batch)
                await self._run("delete", call("DeleteObjects below", prefix), delete)
            deleted += len(keys)
            if not page.next and not unnamed:
                return deleted

    def place(self, prefix: str) -> str:
        """See the port."""
        return f"{self._place}{prefix}"

    def sign_get(self, key: str, lifetime: timedelta) -> str:
        """See the port."""
        return self._signer.get(key, lifetime)

    def sign_put(self, key: str, lifetime: timedelta) -> str:
        """See the port."""
        return self._signer.put(key, lifetime)

    async def takes_forms(self, prefix: str) -> bool:
        """See the port."""
        if self._forms is None:
            check = partial(self._requests.takes_forms, prefix)
            self._forms = await self._run("put", call("POST Object", prefix), check)
        return self._forms

    def sign_post(self, prefix: str, max_bytes: int, lifetime: timedelta) -> PostForm:
        """See the port."""
        return self._signer.post(prefix, max_bytes, lifetime)

    def sign_puts(
        self, prefix: str, names: Sequence[str], lengths: Sequence[int], lifetime: timedelta
    ) -> SignedPuts:
        """See the port."""
        return self._signer.puts(prefix, names, lengths, lifetime)

    async def _run(
        self, operation: str, request: str, send: Callable[[], T], more: float = 0, pace: int = PACE
    ) -> T:
        async with self._calls.slot():
            return await self._in_thread(operation, request, deadline(more, pace)(send))

    async def _in_thread(self, operation: str, request: str, send: Callable[[], T]) -> T:
        started, result = perf_counter(), "success"
        future = asyncio.get_running_loop().run_in_executor(self._threads, send)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            # The thread cannot be cancelled: wait until its write has completed.
            result = "cancelled"
            await asyncio.wait([future])
            future.exception()  # retrieved, or asyncio would report it
            raise
        except StoreError as error:
            result = type(error).__name__
            raise
        except Exception as error:
            # Whatever a store answers, and whatever the client makes of it, is an error of the store.
            translated = translate(error, request)
            result = type(translated).__name__
            raise translated from error
        finally:
            self._observe(operation, result, perf_counter() - started)


def _stored(found: Object) -> StoredObject:
    return StoredObject(
        key=found.object_name or "",
        size=found.size or 0,
        etag=(found.etag or "").strip('"'),
        modified_at=found.last_modified or datetime.now(UTC),
        metadata=s3_headers.user_metadata(found.metadata or {}),
    )
