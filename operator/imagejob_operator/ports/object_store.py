"""The object store: a small subset of S3, with absolute keys of one bucket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol


class StoreError(Exception):
    """An error of a store; the message is for people, names call and key, and has no secret."""


class ObjectMissing(StoreError):
    """The object does not exist."""


class ObjectChanged(StoreError):
    """The object has another ETag now."""


class ChecksumMismatch(ObjectChanged):
    """The object's bytes do not have the expected hash."""


class StoreDenied(StoreError):
    """The store refuses, because of credentials or a policy. A retry does not help."""


class BucketMissing(StoreDenied):
    """The bucket does not exist, or the store does not know the access key and hides which."""


class ObjectRefused(StoreDenied):
    """The store refuses this object, such as an archived or encrypted one; it may allow others."""

    remedy = ""
    """What makes it a source that can be read; empty if the message says it."""


class StoreFull(StoreDenied):
    """There is no space left for the object."""


class CallNotSupported(StoreDenied):
    """The store does not implement the call, or a header of it."""


class ObjectTooLarge(StoreDenied):
    """The object is larger than its reader accepts."""


class StoreUnavailable(StoreError):
    """No response, or a 5xx: transient."""


class Halted(StoreError):
    """The gate was closed before all was deleted: this replica is no longer the leader."""


Gate = Callable[[], bool]
"""Whether this replica may write; called before every request that deletes."""


def always_open() -> bool:
    """The gate without leader election."""
    return True


UNKNOWN = datetime.min.replace(tzinfo=UTC)
"""Modification time of an object that is only known by its ETag."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object: key, size in bytes, ETag without quotes, and modification time by the store's clock."""

    key: str
    size: int
    etag: str
    modified_at: datetime = UNKNOWN
    metadata: Mapping[str, str] = field(default_factory=dict, compare=False)
    """The user's metadata, with names in lower case and without prefix; from `stat` only."""
    sha256: str = field(default="", compare=False)
    """The expected hash, if known; verified where the bytes pass through this process."""
    padded: bool = field(default=False, compare=False)
    """Whether other bytes follow after `size`; `copy` and `reader` leave them out."""


@dataclass(frozen=True, slots=True)
class ObjectHeaders:
    """Headers, metadata (names without prefix) and tags of an object; empty values are omitted.

    A store may refuse (StoreDenied) or ignore an unknown `storage_class`.
    """

    content_type: str
    cache_control: str = ""
    content_disposition: str = ""
    storage_class: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PostForm:
    """A signed form for uploads below one key prefix."""

    url: str
    fields: Mapping[str, str]
    key_prefix: str


@dataclass(frozen=True, slots=True)
class SignedPuts:
    """Presigned PUTs of some objects below one prefix, each for some lengths of the body."""

    url: str
    """The URL of the prefix; a name follows, `?`, the query, and the parameter X-Amz-Signature."""
    query: str
    signatures: Mapping[str, tuple[str, ...]]
    """By name: a signature for each length, in their order."""

    def url_of(self, name: str, number: int = 0) -> str:
        """The URL for the object with a name and the length with this number."""
        return f"{self.url}{name}?{self.query}&X-Amz-Signature={self.signatures[name][number]}"


class Stream(Protocol):
    """The bytes of one object."""

    def read(self, amount: int, /) -> bytes:
        """At most `amount` bytes; empty at the end."""


Reader = Callable[[], AbstractContextManager[Stream]]
"""Opens a new stream of one object; it blocks, so only `put_from` calls it."""


class ObjectStore(Protocol):
    """Every call raises one of the errors above, within a bounded time."""

    async def stat(self, key: str) -> StoredObject:
        """One object; ObjectMissing if it does not exist."""

    def walk(self, prefix: str) -> AsyncIterator[StoredObject]:
        """All objects whose keys start with `prefix`, ordered by key; see `listed_keys`."""

    def folders(self, prefix: str) -> AsyncIterator[str]:
        """The folders directly below `prefix`, which ends with '/'; each ends with '/', in order."""

    async def read(self, key: str, max_bytes: int) -> bytes:
        """The object's bytes; ObjectTooLarge if there are more than `max_bytes`."""

    async def put(self, key: str, data: bytes, content_type: str) -> StoredObject:
        """Write one object."""

    async def put_if_absent(self, key: str, data: bytes, content_type: str) -> bool:
        """Write one object unless the key exists; whether it was written."""

    async def put_if_match(self, key: str, data: bytes, etag: str, content_type: str) -> str:
        """Overwrite one object if it still has this ETag, else ObjectChanged; the new ETag."""

    async def copy(
        self, source: StoredObject, key: str, headers: ObjectHeaders | None = None
    ) -> StoredObject:
        """Copy inside the store; ObjectMissing or ObjectChanged unless the source still has its ETag.

        `headers` replace those of the source, otherwise they are copied.
        """

    def reader(self, source: StoredObject) -> Reader:
        """A reader for another store, if the object still has its ETag."""

    async def put_from(
        self, key: str, reader: Reader, source: StoredObject, headers: ObjectHeaders | None = None
    ) -> StoredObject:
        """Write an object of another store; each try reads a new stream.

        Nothing is written if it is missing or differs (ObjectMissing, ObjectChanged, ChecksumMismatch).
        """

    async def delete_prefix(self, prefix: str, gate: Gate = always_open) -> int:
        """Delete all objects below `prefix`; how many. Halted if the gate is closed before a batch."""

    def place(self, prefix: str) -> str:
        """Where the objects with a prefix really are: store, bucket and prefix."""

    def sign_get(self, key: str, lifetime: timedelta) -> str:
        """A URL to GET the object until it expires, at the endpoint of the Pods."""

    def sign_put(self, key: str, lifetime: timedelta) -> str:
        """A URL to PUT the object until it expires."""

    async def takes_forms(self, prefix: str) -> bool:
        """Whether Pods can upload by `sign_post`, else by `sign_puts`; CallNotSupported if by neither.

        Checked once, by small objects below `prefix`.
        """

    def sign_post(self, prefix: str, max_bytes: int, lifetime: timedelta) -> PostForm:
        """A form that accepts images of at most `max_bytes` below `prefix`."""

    def sign_puts(
        self, prefix: str, names: Sequence[str], lengths: Sequence[int], lifetime: timedelta
    ) -> SignedPuts:
        """URLs to PUT objects below `prefix`, with bodies of exactly one of these lengths."""
