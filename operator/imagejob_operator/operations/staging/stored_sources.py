"""Sources in the run's store: by key, by listing, or by a list of keys."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.sources import MatchSource
from imagejob_operator.documents.source_list import MAX_LIST_BYTES, InvalidList, read_list
from imagejob_operator.documents.staging import list_key
from imagejob_operator.operations.concurrency import AT_ONCE, for_each
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.staging.staging_run import StagedObject, StagingRun
from imagejob_operator.ports.object_store import ObjectChanged, ObjectMissing, ObjectStore, StoredObject

MAX_COPY_BYTES = 5 * 1024**3
"""S3's limit on a copy in one request."""


@dataclass(frozen=True, slots=True)
class StoredSource:
    """An object in the store."""

    name: str
    stored: StoredObject
    at_once: ClassVar[int] = AT_ONCE

    @property
    def identity(self) -> str:
        """Its ETag."""
        return self.stored.etag

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self.stored.size

    async def stage(self, run: StagingRun, key: str, present: StoredObject | None) -> StagedObject:
        """Copy it, unless the mode is Reference, or it is too large for a copy or for an item."""
        if run.by_reference or self.size > min(run.max_bytes, MAX_COPY_BYTES):
            return self.stored, self.identity
        if present and (present.etag, present.size) == (self.stored.etag, self.size):
            return present, self.identity
        try:
            return await self._copy(run.store, key)
        except ObjectMissing:
            text = f"the source {self.name!r} was deleted while it was being staged"
            raise _failed(Reason.SOURCE_NOT_FOUND, text) from None

    async def _copy(self, store: ObjectStore, key: str) -> StagedObject:
        try:
            return await store.copy(self.stored, key), self.identity
        except ObjectChanged:
            # It was overwritten since it was listed: take the new version, if it stays now.
            new = await store.stat(self.stored.key)
            return await store.copy(new, key), new.etag


async def find_keys(store: ObjectStore, root: str, keys: Iterable[str]) -> list[StoredSource]:
    """The sources of `spec.source.keys`."""
    return await _find(store, root, [("spec.source.keys", key) for key in keys])


async def find_matching(store: ObjectStore, root: str, match: MatchSource) -> list[StoredSource]:
    """The sources of `spec.source.match`, in the order of their keys."""
    found: list[StoredSource] = []
    async for stored in store.walk(root + match.prefix):
        name = stored.key.removeprefix(root)
        if name.endswith("/") or not match.selects(name):
            continue
        found.append(StoredSource(name, stored))
        if len(found) > match.max_items:
            raise _failed(
                Reason.TOO_MANY_ITEMS,
                f"spec.source.match: more than maxItems {match.max_items} objects match below "
                f"{match.prefix!r}; narrow the globs or raise maxItems",
            )
    if not found:
        raise _failed(
            Reason.SOURCE_EMPTY,
            f"spec.source.match: no object below {root + match.prefix!r} matches include and exclude; "
            "correct the prefix or the globs",
        )
    return found


async def find_listed(store: ObjectStore, root: str, key: str, prefix: str) -> list[StoredSource]:
    """The sources of `spec.source.list`, in the order of its lines.

    The list is copied to the staging at `prefix` first, and read from there: a second try has the same items
    in the same order. Without a prefix it is read where it is.
    """
    try:
        copy = await _copied_list(store, root, key, prefix) if prefix else root + key
        lines = read_list(await store.read(copy, MAX_LIST_BYTES), key)
    except ObjectMissing:
        raise _no_object("spec.source.list", root, key) from None
    except InvalidList as error:
        raise OperationFailed(error.failure) from None
    if not lines:
        text = f"spec.source.list: {key!r} is empty; write one key per line"
        raise _failed(Reason.SOURCE_EMPTY, text)
    return await _find(store, root, [(f"spec.source.list: line {line}", name) for line, name in lines])


async def _copied_list(store: ObjectStore, root: str, key: str, prefix: str) -> str:
    copy = list_key(prefix)
    try:
        await store.stat(copy)
    except ObjectMissing:
        original = await store.stat(root + key)
        if original.size > MAX_LIST_BYTES:
            text = f"{key!r} has {original.size} bytes; at most {MAX_LIST_BYTES} are allowed"
            raise _failed(Reason.SOURCE_TOO_LARGE, f"spec.source.list: {text}") from None
        await store.copy(original, copy)
    return copy


async def _find(store: ObjectStore, root: str, named: list[tuple[str, str]]) -> list[StoredSource]:
    """The objects with these keys; each comes with the field that names it."""

    async def find(one: tuple[str, str]) -> StoredSource:
        field, key = one
        try:
            return StoredSource(key, await store.stat(root + key))
        except ObjectMissing:
            raise _no_object(field, root, key) from None

    return await for_each(named, find)


def _no_object(field: str, root: str, key: str) -> OperationFailed:
    text = f"{field}: there is no object {key!r} below {root!r}; upload it or correct the key"
    return _failed(Reason.SOURCE_NOT_FOUND, text)


def _failed(reason: Reason, text: str) -> OperationFailed:
    return OperationFailed(Failure(Code.STAGING, reason, text))
