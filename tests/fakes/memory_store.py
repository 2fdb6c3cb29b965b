"""An object store in memory, behind the port, with what a test needs to know and to break."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from urllib.parse import parse_qs, quote, unquote, urlsplit

from fakes.clock import START
from fakes.hooks import Hooks
from imagejob_operator.ports.object_store import (
    ChecksumMismatch,
    Gate,
    Halted,
    ObjectChanged,
    ObjectHeaders,
    ObjectMissing,
    ObjectRefused,
    ObjectTooLarge,
    PostForm,
    Reader,
    SignedPuts,
    StoredObject,
    Stream,
    always_open,
)

PAGE = 1000
"""Keys that are deleted in one request."""


@dataclass(frozen=True)
class Blob:
    """What the store keeps of one object."""

    data: bytes
    headers: ObjectHeaders
    modified_at: datetime

    @cached_property
    def etag(self) -> str:
        return hashlib.md5(self.data).hexdigest()


class MemoryStore:
    """One bucket."""

    def __init__(self, clock: Callable[[], datetime] = lambda: START) -> None:
        self.objects: dict[str, Blob] = {}
        self.name = "bucket"
        self.neighbours: dict[str, MemoryStore] = {}
        """Other buckets, by the names that signed URLs have for them."""
        self.hooks = Hooks()
        self.forms = True
        """Whether it takes forms."""
        self.archived: set[str] = set()
        """Keys of objects that can be listed, and neither read nor copied."""
        self.page = PAGE
        """Keys that are deleted in one request."""
        self._clock = clock

    def keys(self, prefix: str = "") -> list[str]:
        return sorted(key for key in self.objects if key.startswith(prefix))

    def set(
        self,
        key: str,
        data: bytes,
        content_type: str = "application/octet-stream",
        headers: ObjectHeaders | None = None,
    ) -> StoredObject:
        """Write as somebody else would: no hook sees it."""
        self.objects[key] = Blob(data, headers or ObjectHeaders(content_type), self._clock())
        return self._seen(key)

    def _seen(self, key: str) -> StoredObject:
        blob = self.objects.get(key)
        if blob is None:
            raise ObjectMissing(f"NoSuchKey: {key}")
        return StoredObject(key, len(blob.data), blob.etag, blob.modified_at)

    def _check_archived(self, key: str) -> None:
        if key in self.archived:
            raise ObjectRefused(f"InvalidObjectState: {key} is archived")

    async def stat(self, key: str) -> StoredObject:
        await self.hooks.before("stat", key)
        seen = self._seen(key)
        return replace(seen, metadata=self.objects[key].headers.metadata)

    async def walk(self, prefix: str) -> AsyncIterator[StoredObject]:
        await self.hooks.before("list", prefix)
        for key in self.keys(prefix):
            yield self._seen(key)

    async def folders(self, prefix: str) -> AsyncIterator[str]:
        await self.hooks.before("folders", prefix)
        rests = [key.removeprefix(prefix) for key in self.keys(prefix)]
        for name in sorted({rest.partition("/")[0] for rest in rests if "/" in rest}):
            yield f"{prefix}{name}/"

    async def read(self, key: str, max_bytes: int) -> bytes:
        await self.hooks.before("get", key)
        self._check_archived(key)
        if self._seen(key).size > max_bytes:
            raise ObjectTooLarge(f"{key} is larger than {max_bytes} bytes")
        return self.objects[key].data

    async def put(self, key: str, data: bytes, content_type: str) -> StoredObject:
        await self.hooks.before("put", key)
        stored = self.set(key, data, content_type)
        await self.hooks.after("put", key)
        return stored

    async def put_if_absent(self, key: str, data: bytes, content_type: str) -> bool:
        await self.hooks.before("put_if_absent", key)
        absent = key not in self.objects
        if absent:
            self.set(key, data, content_type)
        await self.hooks.after("put_if_absent", key)
        return absent

    async def put_if_match(self, key: str, data: bytes, etag: str, content_type: str) -> str:
        await self.hooks.before("put_if_match", key)
        if key not in self.objects or self._seen(key).etag != etag:
            raise ObjectChanged(f"PreconditionFailed: {key}")
        stored = self.set(key, data, content_type)
        await self.hooks.after("put_if_match", key)
        return stored.etag

    async def copy(
        self, source: StoredObject, key: str, headers: ObjectHeaders | None = None
    ) -> StoredObject:
        if source.padded:
            return await self.put_from(key, self.reader(source), source, headers)
        await self.hooks.before("copy", key)
        self._check_archived(source.key)
        if self._seen(source.key).etag != source.etag:
            raise ObjectChanged(f"PreconditionFailed: {source.key}")
        blob = self.objects[source.key]
        stored = self.set(key, blob.data, headers=headers or replace(blob.headers, tags={}))
        await self.hooks.after("copy", key)
        return stored

    def reader(self, source: StoredObject) -> Reader:
        @contextlib.contextmanager
        def opened() -> Iterator[Stream]:
            self._check_archived(source.key)
            if self._seen(source.key).etag != source.etag:
                raise ObjectChanged(f"PreconditionFailed: {source.key}")
            data = self.objects[source.key].data
            yield io.BytesIO(data[: source.size] if source.padded else data)

        return opened

    async def put_from(
        self, key: str, reader: Reader, source: StoredObject, headers: ObjectHeaders | None = None
    ) -> StoredObject:
        await self.hooks.before("put_from", key)
        with reader() as stream:
            data = stream.read(source.size + 1)
        if len(data) != source.size:
            raise ObjectChanged(f"{source.key} does not have the given size")
        found = hashlib.sha256(data).hexdigest()
        if source.sha256 and found != source.sha256:
            raise ChecksumMismatch(f"{source.key} has the SHA-256 digest {found}, expected {source.sha256}")
        stored = self.set(key, data, headers=headers)
        await self.hooks.after("put_from", key)
        return stored

    async def delete_prefix(self, prefix: str, gate: Gate = always_open) -> int:
        if not prefix.endswith("/"):
            raise ValueError(f"a prefix to delete must end with '/': {prefix!r}")
        deleted = 0
        while True:
            await self.hooks.before("list", prefix)
            found = self.keys(prefix)
            page = found[: self.page]
            if not page:
                return deleted
            if not gate():
                raise Halted(f"{prefix} was not deleted to its end: the gate was closed")
            await self.hooks.before("delete", prefix)
            for key in page:
                self.objects.pop(key, None)
            deleted += len(page)
            await self.hooks.after("delete", prefix)
            if page == found:
                return deleted

    def place(self, prefix: str) -> str:
        return f"memory://{self.name}/{prefix}"

    def sign_get(self, key: str, lifetime: timedelta) -> str:
        return self._sign("GET", key, lifetime)

    def sign_put(self, key: str, lifetime: timedelta) -> str:
        return self._sign("PUT", key, lifetime)

    def _sign(self, verb: str, key: str, lifetime: timedelta) -> str:
        until = quote((self._clock() + lifetime).isoformat())
        return f"memory://{self.name}/{quote(key)}?verb={verb}&until={until}"

    async def takes_forms(self, prefix: str) -> bool:
        return self.forms

    def sign_puts(
        self, prefix: str, names: Sequence[str], lengths: Sequence[int], lifetime: timedelta
    ) -> SignedPuts:
        url, _, query = self._sign("PUT", prefix, lifetime).partition("?")
        signatures = {name: tuple(_signature(prefix + name, n) for n in lengths) for name in names}
        return SignedPuts(url, query, signatures)

    def sign_post(self, prefix: str, max_bytes: int, lifetime: timedelta) -> PostForm:
        until = (self._clock() + lifetime).isoformat()
        fields = {"x-prefix": prefix, "x-max-bytes": str(max_bytes), "x-until": until}
        return PostForm(f"memory://{self.name}/", fields, prefix)

    def behind(self, url: str) -> MemoryStore:
        """The bucket that a signed URL leads to."""
        return self.neighbours.get(urlsplit(url).netloc, self)

    # --- what somebody with a signed URL may do --------------------------------------------------------

    def visit(
        self, verb: str, url: str, data: bytes = b"", if_none_match: bool = False, if_match: str = ""
    ) -> tuple[int, bytes]:
        """Use a signed URL; the HTTP status and the body."""
        key, query = key_of(url), parse_qs(urlsplit(url).query)
        if query["verb"] != [verb] or datetime.fromisoformat(query["until"][0]) <= self._clock():
            return 403, b""
        if verb == "GET":
            if key not in self.objects:
                return 404, b""
            if key in self.archived:
                return 403, b"<Error><Code>InvalidObjectState</Code></Error>"
            changed = if_match not in ("", self.objects[key].etag)
            return (412, b"") if changed else (200, self.objects[key].data)
        if query.get("X-Amz-Signature") not in (None, [_signature(key, len(data))]):
            return 403, b""
        if if_none_match and key in self.objects:
            return 412, b""
        self.set(key, data)
        return 200, b""

    def visit_form(self, form: PostForm, key: str, data: bytes, content_type: str) -> int:
        """Use a signed form; the HTTP status."""
        if not self.forms:
            return 501
        fits = 1 <= len(data) <= int(form.fields["x-max-bytes"]) and content_type.startswith("image/")
        if not key.startswith(form.fields["x-prefix"]) or not fits:
            return 403
        if datetime.fromisoformat(form.fields["x-until"]) <= self._clock():
            return 403
        self.set(key, data, headers=ObjectHeaders(content_type))
        return 204


def key_of(url: str) -> str:
    """The key behind a signed URL."""
    return unquote(urlsplit(url).path.removeprefix("/"))


def _signature(key: str, length: int) -> str:
    return hashlib.md5(f"{key}:{length}".encode()).hexdigest()
