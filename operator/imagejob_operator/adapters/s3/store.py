"""The object store over the minio client, which is synchronous: every call runs in a thread pool."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from time import perf_counter
from typing import TypeVar

from minio.commonconfig import REPLACE, CopySource
from minio.datatypes import Object
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from imagejob_operator.adapters.s3 import headers as s3_headers
from imagejob_operator.adapters.s3.client import bucket_url, open_client
from imagejob_operator.adapters.s3.connections import BoundedPool, trusted
from imagejob_operator.adapters.s3.deadline import COPY_PACE, PACE, SLOW_PACE, deadline
from imagejob_operator.adapters.s3.errors import MISSING, translate
from imagejob_operator.adapters.s3.listing import Page, list_page
from imagejob_operator.adapters.s3.streams import open_object, write_object
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.fairness import FairLimiter, Waited, ignore
from imagejob_operator.ports.credentials import CredentialSource
from imagejob_operator.ports.object_store import (
    Gate,
    Halted,
    ObjectChanged,
    ObjectHeaders,
    ObjectTooLarge,
    PostForm,
    Reader,
    StoreDenied,
    StoredObject,
    StoreError,
    StoreUnavailable,
    always_open,
)

T = TypeVar("T")

THREADS = 32
SHORTEST_URL = timedelta(seconds=15)
"""URLs that would expire sooner are not signed: no Pod could use them."""
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
        self._credentials = credentials
        self._longest_url = location.longest_url
        self._observe = observe
        self._http = BoundedPool(THREADS, trusted(location.secure, location.ca_bundle))
        self._client = open_client(location, location.endpoint, credentials, self._http)
        pod_endpoint = location.pod_endpoint or location.endpoint
        self._signer = open_client(location, pod_endpoint, credentials, self._http)
        self._post_url = bucket_url(location, pod_endpoint)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="store")
        self._calls = FairLimiter("store_calls", THREADS, waited)

    def close(self) -> None:
        """Stop the threads; calls under way end by their timeouts."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._http.clear()

    async def stat(self, key: str) -> StoredObject:
        """See the port."""
        found = await self._run(
            "stat", lambda: self._check_bucket(partial(self._client.stat_object, self._bucket, key))
        )
        return _stored(found)

    def _check_bucket(self, call: Callable[[], T]) -> T:
        """Make a call that starts with a HEAD, whose 404 does not say whether object or bucket is missing."""
        try:
            return call()
        except S3Error as error:
            if error.code in MISSING and not self._client.bucket_exists(self._bucket):
                text = (
                    f"NoSuchBucket: bucket {self._bucket!r} does not exist, or the access key is unknown; "
                    "check the bucket and the credentials"
                )
                raise StoreDenied(text) from error
            raise

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
            page = await self._run("list", request)
            yield page
            if not page.next:
                return
            token, after = page.next, max([stored.key for stored in page.objects[-1:]] + page.folders[-1:])

    async def read(self, key: str, max_bytes: int) -> bytes:
        """See the port."""

        def fetch() -> bytes:
            with open_object(self._client, self._bucket, key) as stream:
                return stream.read(max_bytes + 1)

        data = await self._run("get", fetch)
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

        return await self._run("put", send)

    async def put_if_absent(self, key: str, data: bytes, content_type: str) -> bool:
        """See the port."""
        headers = {"If-None-Match": "*", "Content-Type": content_type}
        return await self._run("put", lambda: self._put_if(key, data, headers)) is not None

    async def put_if_match(self, key: str, data: bytes, etag: str, content_type: str) -> str:
        """See the port."""
        headers = {"If-Match": f'"{etag}"', "Content-Type": content_type}
        written = await self._run("put", lambda: self._put_if(key, data, headers))
        if written is None:
            raise ObjectChanged(f"PreconditionFailed: {key} was changed by another writer")
        return written

    def _put_if(self, key: str, data: bytes, headers: dict[str, str]) -> str | None:
        """The ETag, or None if the condition failed; presigned, because the client has no conditional PUT."""
        url = self._client.presigned_put_object(self._bucket, key, expires=timedelta(minutes=5))
        response = self._http.request("PUT", url, body=data, headers=headers, retries=False)
        if response.status in (409, 412) or (response.status == 404 and b"<Code>NoSuchKey<" in response.data):
            return None
        if response.status >= 500:
            raise StoreUnavailable(f"the store returned HTTP {response.status} for a conditional write")
        if response.status >= 300:
            raise StoreDenied(f"the store returned HTTP {response.status} for a conditional write")
        return (response.headers.get("ETag") or "").strip('"')

    async def copy(
        self, source: StoredObject, key: str, headers: ObjectHeaders | None = None
    ) -> StoredObject:
        """See the port."""

        def send() -> StoredObject:
            copy = partial(
                self._client.copy_object,
                self._bucket,
                key,
                CopySource(self._bucket, source.key, match_etag=source.etag),
                metadata=s3_headers.header_lines(headers) if headers else None,
                metadata_directive=REPLACE if headers else None,
                tags=s3_headers.object_tags(headers) if headers else None,
                tagging_directive=REPLACE if headers else None,
            )
            try:
                result = self._check_bucket(copy)
            except ValueError as error:
                # S3 may answer 200 before it copies, and report the failure in the body.
                raise StoreUnavailable(f"the store did not copy {source.key} completely") from error
            return StoredObject(key, source.size, result.etag or "", datetime.now(UTC))

        return await self._run("copy", send, source.size / COPY_PACE)

    def reader(self, source: StoredObject) -> Reader:
        """See the port."""
        return lambda: open_object(self._client, self._bucket, source.key, source.etag)

    async def put_from(
        self, key: str, reader: Reader, source: StoredObject, headers: ObjectHeaders | None = None
    ) -> StoredObject:
        """See the port."""

        def send() -> StoredObject:
            etag = write_object(self._client, self._bucket, key, reader, source, headers)
            return StoredObject(key, source.size, etag, datetime.now(UTC))

        return await self._run("put", send, pace=SLOW_PACE)

    async def delete_prefix(self, prefix: str, gate: Gate = always_open) -> int:
        """See the port."""
        if not prefix.endswith("/"):
            raise ValueError(f"a prefix to delete must end with '/': {prefix!r}")
        deleted = 0
        while True:
            page = await self._run("list", partial(list_page, self._client, self._bucket, prefix, "", "", ""))
            if not page.objects:
                return deleted
            if not gate():
                raise Halted(
                    f"deleting {prefix} was stopped: this replica is not allowed to write at the moment"
                )
            await self._run("delete", partial(self._delete, [stored.key for stored in page.objects]))
            deleted += len(page.objects)

    def _delete(self, keys: list[str]) -> None:
        objects: Iterator[DeleteObject] = (DeleteObject(key) for key in keys)
        # remove_objects is lazy: it deletes while its result is read.
        errors = list(self._client.remove_objects(self._bucket, objects))
        if errors:
            raise StoreDenied(f"{len(errors)} objects cannot be deleted: {errors[0].code} {errors[0].name}")

    def place(self, prefix: str) -> str:
        """See the port."""
        return f"{self._place}{prefix}"

    def sign_get(self, key: str, lifetime: timedelta) -> str:
        """See the port."""
        return self._signer.presigned_get_object(self._bucket, key, expires=self._limited(lifetime))

    def sign_put(self, key: str, lifetime: timedelta) -> str:
        """See the port."""
        return self._signer.presigned_put_object(self._bucket, key, expires=self._limited(lifetime))

    def sign_post(self, prefix: str, max_bytes: int, lifetime: timedelta) -> PostForm:
        """See the port."""
        until = datetime.now(UTC) + self._limited(lifetime)
        policy = s3_headers.post_policy(self._bucket, prefix, max_bytes, until)
        return PostForm(self._post_url, self._signer.presigned_post_policy(policy), prefix)

    def _limited(self, lifetime: timedelta) -> timedelta:
        """The lifetime, limited by that of the credentials and by the store's own limit."""
        until = self._credentials().expires_at
        left = until - datetime.now(UTC) if until else lifetime
        if until and left < SHORTEST_URL:
            raise StoreUnavailable("the store's temporary credentials have expired, or are about to")
        return min(lifetime, left, self._longest_url)

    async def _run(self, operation: str, call: Callable[[], T], more: float = 0, pace: int = PACE) -> T:
        async with self._calls.slot():
            return await self._in_thread(operation, deadline(more, pace)(call))

    async def _in_thread(self, operation: str, call: Callable[[], T]) -> T:
        started, result = perf_counter(), "success"
        future = asyncio.get_running_loop().run_in_executor(self._threads, call)
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
            translated = translate(error)
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
