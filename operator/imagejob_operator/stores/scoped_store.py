"""The store of one run: parts of one or two buckets, and nothing else.

Each key is translated by the part that it belongs to. A key in no part is refused, whatever the spec or the
results of the run name: a second barrier behind the validation of keys.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TypeVar

from imagejob_operator.naming.names import RESERVED_ROOTS
from imagejob_operator.ports.object_store import (
    Gate,
    ObjectHeaders,
    ObjectStore,
    PostForm,
    Reader,
    SignedPuts,
    StoreDenied,
    StoredObject,
    always_open,
)

T = TypeVar("T")


async def _never(before: int) -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Part:
    """Keys that start with `inside` are in `store`, where they start with `outside`."""

    inside: str
    store: ObjectStore
    outside: str
    version: Callable[[], int] = int
    """The version of the current credentials."""
    renew: Callable[[int], Awaitable[bool]] = _never
    """Called when the store refused a version: whether there are newer credentials for a retry."""

    def key(self, inside: str) -> str:
        """The key in the store."""
        return self.outside + inside.removeprefix(self.inside)

    def seen(self, found: StoredObject) -> StoredObject:
        """An object of the store, by the run's key."""
        return replace(found, key=self.inside + found.key.removeprefix(self.outside))


class ScopedStore:
    """An ObjectStore made of parts; the first one that matches a key is used."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = tuple(parts)

    def _part(self, key: str) -> Part:
        for part in self._parts:
            if key.startswith(part.inside):
                return part
        raise StoreDenied(f"{key!r} is outside the prefixes that the job may access")

    async def _call(self, part: Part, call: Callable[[], Awaitable[T]]) -> T:
        """Call the store, once more if it refused credentials that were renewed meanwhile."""
        before = part.version()
        try:
            return await call()
        except StoreDenied:
            if not await part.renew(before):
                raise
            return await call()

    async def stat(self, key: str) -> StoredObject:
        """See the port."""
        part = self._part(key)
        return part.seen(await self._call(part, lambda: part.store.stat(part.key(key))))

    async def walk(self, prefix: str) -> AsyncIterator[StoredObject]:
        """See the port; the operator's own folders are hidden."""
        part = self._part(prefix)
        hidden = tuple(f"{part.inside}{root}/" for root in RESERVED_ROOTS)
        async for found in self._listed(part, lambda: part.store.walk(part.key(prefix))):
            seen = part.seen(found)
            if not seen.key.startswith(hidden):
                yield seen

    async def folders(self, prefix: str) -> AsyncIterator[str]:
        """See the port."""
        part = self._part(prefix)
        async for name in self._listed(part, lambda: part.store.folders(part.key(prefix))):
            yield part.inside + name.removeprefix(part.outside)

    async def _listed(self, part: Part, listing: Callable[[], AsyncIterator[T]]) -> AsyncIterator[T]:
        begun, before = False, part.version()
        try:
            async for found in listing():
                begun = True
                yield found
            return
        except StoreDenied:
            if begun or not await part.renew(before):
                raise
        async for found in listing():
            yield found

    async def read(self, key: str, max_bytes: int) -> bytes:
        """See the port."""
        part = self._part(key)
        return await self._call(part, lambda: part.store.read(part.key(key), max_bytes))

    async def put(self, key: str, data: bytes, content_type: str) -> StoredObject:
        """See the port."""
        part = self._part(key)
        return part.seen(await self._call(part, lambda: part.store.put(part.key(key), data, content_type)))

    async def put_if_absent(self, key: str, data: bytes, content_type: str) -> bool:
        """See the port."""
        part = self._part(key)
        return await self._call(part, lambda: part.store.put_if_absent(part.key(key), data, content_type))

    async def put_if_match(self, key: str, data: bytes, etag: str, content_type: str) -> str:
        """See the port."""
        part = self._part(key)
        return await self._call(
            part, lambda: part.store.put_if_match(part.key(key), data, etag, content_type)
        )

    async def copy(
        self, source: StoredObject, key: str, headers: ObjectHeaders | None = None
    ) -> StoredObject:
        """See the port; between two stores the bytes pass through this process."""
        origin, part = self._part(source.key), self._part(key)
        there = replace(source, key=origin.key(source.key))

        async def send() -> StoredObject:
            if origin.store is part.store:
                return await part.store.copy(there, part.key(key), headers)
            return await part.store.put_from(part.key(key), origin.store.reader(there), there, headers)

        async def send_again() -> StoredObject:
            return await self._call(origin, send)

        return part.seen(await self._call(part, send_again))

    def reader(self, source: StoredObject) -> Reader:
        """See the port."""
        part = self._part(source.key)
        return part.store.reader(replace(source, key=part.key(source.key)))

    async def put_from(
        self, key: str, reader: Reader, source: StoredObject, headers: ObjectHeaders | None = None
    ) -> StoredObject:
        """See the port."""
        part = self._part(key)
        return part.seen(
            await self._call(part, lambda: part.store.put_from(part.key(key), reader, source, headers))
        )

    async def delete_prefix(self, prefix: str, gate: Gate = always_open) -> int:
        """See the port."""
        part = self._part(prefix)
        return await self._call(part, lambda: part.store.delete_prefix(part.key(prefix), gate))

    def place(self, prefix: str) -> str:
        """See the port."""
        part = self._part(prefix)
        return part.store.place(part.key(prefix))

    def sign_get(self, key: str, lifetime: timedelta) -> str:
        """See the port."""
        part = self._part(key)
        return part.store.sign_get(part.key(key), lifetime)

    def sign_put(self, key: str, lifetime: timedelta) -> str:
        """See the port."""
        part = self._part(key)
        return part.store.sign_put(part.key(key), lifetime)

    async def takes_forms(self, prefix: str) -> bool:
        """See the port."""
        part = self._part(prefix)
        return await self._call(part, lambda: part.store.takes_forms(part.key(prefix)))

    def sign_post(self, prefix: str, max_bytes: int, lifetime: timedelta) -> PostForm:
        """See the port."""
        part = self._part(prefix)
        return part.store.sign_post(part.key(prefix), max_bytes, lifetime)

    def sign_puts(
        self, prefix: str, names: Sequence[str], lengths: Sequence[int], lifetime: timedelta
    ) -> SignedPuts:
        """See the port."""
        part = self._part(prefix)
        return part.store.sign_puts(part.key(prefix), names, lengths, lifetime)
