"""The object store: a small, plain subset of S3, in absolute keys of one bucket."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol


class StoreError(Exception):
    """Base of all errors of a store; the message is fit for people and holds no secret."""


class ObjectMissing(StoreError):
    """There is no such object."""


class ObjectChanged(StoreError):
    """The object is no longer the one that was named by its ETag."""


class ChecksumMismatch(ObjectChanged):
    """The object is the one that was named, and its bytes hash to something else than was said."""


class StoreDenied(StoreError):
    """The store refuses: credentials, policy, or no such bucket. Trying again is of no use."""


class StoreUnavailable(StoreError):
    """No answer, or a 5xx: it may pass."""


class Halted(StoreError):
    """The gate was closed before all was deleted: somebody else is in charge now."""


Gate = Callable[[], bool]
"""Whether to go on, asked before every request that deletes."""


def always_open() -> bool:
    """The gate of who is in charge for good."""
    return True


UNKNOWN = datetime.min.replace(tzinfo=UTC)
"""When an object was written that somebody names by its ETag alone."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object: key, size in bytes, ETag without quotes, and when it was written by the store's clock."""

    key: str
    size: int
    etag: str
    modified_at: datetime = UNKNOWN
    metadata: Mapping[str, str] = field(default_factory=dict, compare=False)
    """The user's metadata by its names in lower case, without any prefix; known to `stat` only."""
    sha256: str = field(default="", compare=False)
    """What its bytes must hash to, if that is known; held where they pass through this process."""


@dataclass(frozen=True, slots=True)
class ObjectHeaders:
    """What is stored beside the bytes of an object; what is empty is left out.

    `metadata` has the user's names, without any prefix of the store. A store may refuse a `storage_class`
    that it does not know (StoreDenied), or pass over it.
    """

    content_type: str
    cache_control: str = ""
    content_disposition: str = ""
    storage_class: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PostForm:
    """A signed form for browser-style uploads below one key prefix, as the store itself has it."""

    url: str
    fields: Mapping[str, str]
    key_prefix: str


class Stream(Protocol):
    """The bytes of one object."""

    def read(self, amount: int, /) -> bytes:
        """At most so many of the next bytes; none at the end."""
        ...


Reader = Callable[[], AbstractContextManager[Stream]]
"""Opens a fresh stream of one object, from its first byte; it blocks, so only `put_from` calls it."""


class ObjectStore(Protocol):
    """Every call raises one of the errors above, within a bounded time."""

    async def stat(self, key: str) -> StoredObject:
        """Look at one object; ObjectMissing if it is not there."""
        ...

    def walk(self, prefix: str) -> AsyncIterator[StoredObject]:
        """All objects whose keys start with `prefix`, in the order of keys."""
        ...

    def folders(self, prefix: str) -> AsyncIterator[str]:
        """The folders right below `prefix`, which ends with '/'; each with its own '/', in their order."""
        ...

    async def read(self, key: str, max_bytes: int) -> bytes:
        """The object's bytes; StoreDenied if they are more than `max_bytes`."""
        ...

    async def put(self, key: str, data: bytes, content_type: str) -> StoredObject:
        """Write one object; each try sends all of `data` anew."""
        ...

    async def put_if_absent(self, key: str, data: bytes, content_type: str) -> bool:
        """Write one object unless the key is taken; whether it was written."""
        ...

    async def put_if_match(self, key: str, data: bytes, etag: str, content_type: str) -> str:
        """Write one object anew if it still has this ETag, else ObjectChanged; the new ETag."""
        ...

    async def copy(
        self, source: StoredObject, key: str, headers: ObjectHeaders | None = None
    ) -> StoredObject:
        """Copy inside the store if the source still has its ETag.

        With `headers`, all that is stored beside the bytes is set anew, else taken over. Raises ObjectMissing
        or ObjectChanged for the source.
        """
        ...

    def reader(self, source: StoredObject) -> Reader:
        """How another store reads an object of this one, if it still has its ETag."""
        ...

    async def put_from(
        self, key: str, reader: Reader, source: StoredObject, headers: ObjectHeaders | None = None
    ) -> StoredObject:
        """Write an object of another store: each try reads it from a fresh stream.

        Length and, if it is known, hash of what is read must be those of `source`, or nothing is written
        (ObjectChanged, ChecksumMismatch). Raises ObjectMissing or ObjectChanged for the source.
        """
        ...

    async def delete_prefix(self, prefix: str, gate: Gate = always_open) -> int:
        """Delete all that a listing of `prefix` shows, until a listing comes back empty; how many.

        Halted if the gate is closed before a batch.
        """
        ...

    def sign_get(self, key: str, lifetime: timedelta) -> str:
        """A URL that anybody may GET until its lifetime ends, for the address that the Pods use."""
        ...

    def sign_put(self, key: str, lifetime: timedelta) -> str:
        """A URL that anybody may PUT until its lifetime ends."""
        ...

    def sign_post(self, prefix: str, max_bytes: int, lifetime: timedelta) -> PostForm:
        """A form that admits keys below `prefix` of at most `max_bytes`, with a content type of images."""
        ...
