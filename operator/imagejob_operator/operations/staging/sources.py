"""The sources of a run, of whatever kind. Nothing of them is staged yet.

Every kind has a `name`, which outputs are named after; a `size` and the `identity` of its bytes, an ETag or a
hash, both empty if they are not known before a download; how many are staged `at_once`; and a method `stage`,
which copies it to a key, where an object may be `present` from an earlier try, or raises OperationFailed.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.sources import MatchSource, UrlSource
from imagejob_operator.api.spec import Spec, StagingMode, item_limits
from imagejob_operator.documents.source_list import MAX_LIST_BYTES, InvalidList, read_list
from imagejob_operator.documents.staging import list_key
from imagejob_operator.naming.prefixes import namespace_prefix
from imagejob_operator.operations.concurrency import AT_ONCE, compute, for_each, in_pages
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.staging.download import Downloader
from imagejob_operator.ports.object_store import (
    ObjectChanged,
    ObjectMissing,
    ObjectRefused,
    ObjectStore,
    StoreDenied,
    StoredObject,
)
from imagejob_operator.validation.keys import InvalidKey, check_key, shown
from imagejob_operator.validation.urls import name_of, parse_url

MAX_COPY_BYTES = 5 * 1024**3
"""S3's limit on a copy in one request."""

MATCHED_AT_ONCE = 100
"""Keys: globs and keys that are made for each other take 20 ms for each, and other jobs wait."""

StagedObject = tuple[StoredObject, str]
"""The object that Pods read, a copy or the source itself, and the identity of its bytes."""


@dataclass(frozen=True, slots=True)
class StagingRun:
    """Where the sources of a run are staged, and how."""

    store: ObjectStore
    downloader: Downloader
    job: ImageJob
    spec: Spec
    prefix: str
    last_try: bool = False
    """Whether a source that cannot be staged now is a failed item, though a retry might succeed."""

    @property
    def by_reference(self) -> bool:
        """Whether Pods read the sources themselves."""
        return self.spec.staging.mode is StagingMode.REFERENCE

    @property
    def max_bytes(self) -> int:
        """The size that an item may have."""
        return item_limits(self.spec.limits).item_bytes


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
        """Copy it, unless the mode is Reference, or it is too large."""
        if run.by_reference or self.size > min(run.max_bytes, MAX_COPY_BYTES):
            return self.stored, self.identity
        if present and (present.etag, present.size) == (self.stored.etag, self.size):
            return present, self.identity
        try:
            return await self._copy(run.store, key)
        except ObjectRefused as error:
            raise OperationFailed(refused(error)) from None
        except ObjectMissing as error:
            raise _failed(Reason.SOURCE_NOT_FOUND, f"it was deleted while it was staged: {error}") from None
        except StoreDenied as error:
            raise type(error)(f"the source {self.name!r}: {error}") from None

    async def _copy(self, store: ObjectStore, key: str) -> StagedObject:
        try:
            return await store.copy(self.stored, key), self.identity
        except ObjectChanged:
            # It was overwritten since it was listed: take the new version, if it stays now.
            new = await store.stat(self.stored.key)
            return await store.copy(new, key), new.etag


@dataclass(frozen=True, slots=True)
class WebSource:
    """An image behind a URL."""

    name: str
    declared: UrlSource
    identity: ClassVar[str] = ""
    size: ClassVar[int] = 0
    at_once: ClassVar[int] = 6

    async def stage(self, run: StagingRun, key: str, present: StoredObject | None) -> StagedObject:
        """Download it, unless that was done before; the ETag of the copy identifies its bytes."""
        copy = present
        if copy is None:
            async with run.downloader.fetch(run.job.key.namespace, self.declared, run.max_bytes) as data:
                copy = await run.store.put(key, data, "application/octet-stream")
        return copy, copy.etag


@dataclass(frozen=True, slots=True)
class InlineSource:
    """A file in the manifest of the job."""

    name: str
    data: bytes
    at_once: ClassVar[int] = AT_ONCE

    @property
    def identity(self) -> str:
        """The sha256 of its bytes."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return len(self.data)

    async def stage(self, run: StagingRun, key: str, present: StoredObject | None) -> StagedObject:
        """Write it to the staging."""
        return await run.store.put(key, self.data, "application/octet-stream"), self.identity


@dataclass(frozen=True, slots=True)
class UnstagedSource:
    """A source that does not exist or that the store refuses, and why."""

    name: str
    failure: Failure
    identity: ClassVar[str] = ""
    size: ClassVar[int] = 0
    at_once: ClassVar[int] = AT_ONCE

    async def stage(self, run: StagingRun, key: str, present: StoredObject | None) -> StagedObject:
        """Fail, after a pause for other tasks: a run may have 100,000 of them."""
        await asyncio.sleep(0)
        raise OperationFailed(self.failure)


FoundSource = StoredSource | WebSource | InlineSource | UnstagedSource


async def find_sources(store: ObjectStore, job: ImageJob, spec: Spec, prefix: str) -> Sequence[FoundSource]:
    """All sources of a run, in their order."""
    source, root = spec.source, namespace_prefix(job.key.namespace)
    if source.urls:
        return [WebSource(name_of(parse_url(url.url)), url) for url in source.urls]
    if source.inline:
        return [InlineSource(file.name, base64.b64decode(file.data)) for file in source.inline]
    if source.match:
        return await _matching(store, root, source.match)
    if source.list:
        return await _listed(store, root, source.list.key, prefix)
    return await _find(store, root, [("spec.source.keys", key) for key in source.keys or ()])


async def _matching(store: ObjectStore, root: str, match: MatchSource) -> list[StoredSource]:
    """The sources of `spec.source.match`, in the order of their keys."""
    selects = await compute(match.selector)

    def matching(page: Sequence[StoredObject]) -> list[StoredSource]:
        named = ((stored.key.removeprefix(root), stored) for stored in page)
        sources = [StoredSource(name, it) for name, it in named if name[-1:] != "/" and selects(name)]
        for source in sources:
            check_key(source.name, "spec.source.match: the key of an object")
        return sources

    found: list[StoredSource] = []
    checked = 0
    async for page in in_pages(store.walk(root + match.prefix), MATCHED_AT_ONCE):
        checked += sum(not stored.key.endswith("/") for stored in page)
        try:
            found += await compute(matching, page)
        except InvalidKey as error:
            text = f"{error}; exclude it by a glob"
            raise OperationFailed(Failure(Code.CREATION, Reason.INVALID_SPEC, text)) from None
        if len(found) > match.max_items:
            raise _failed(
                Reason.TOO_MANY_ITEMS,
                f"spec.source.match: the objects that match under {match.prefix!r} exceed maxItems "
                f"({match.max_items}); narrow the globs or raise maxItems",
            )
    if not found:
        raise _failed(Reason.SOURCE_EMPTY, _nothing_matches(match, root + match.prefix, checked))
    return found


def _nothing_matches(match: MatchSource, prefix: str, checked: int) -> str:
    if not checked:
        return f"spec.source.match: no object exists under {prefix!r}; upload objects or correct the prefix"
    of_names = next((glob for glob in match.include if "/" not in glob), "")
    advice = f"use '**/{of_names}' instead of {of_names!r}" if of_names else "correct them"
    return (
        f"spec.source.match: none of {checked} objects under {prefix!r} matches include and exclude; globs "
        f"match the whole key, not only the name: {advice}"
    )


async def _listed(store: ObjectStore, root: str, key: str, prefix: str) -> list[FoundSource]:
    """The sources of `spec.source.list`, in the order of its lines.

    The list is copied to the staging at `prefix` first, and read from there: a second try has the same items
    in the same order. Without a prefix it is read where it is.
    """
    try:
        copy = await _copied_list(store, root, key, prefix) if prefix else root + key
        data = await store.read(copy, MAX_LIST_BYTES)
        named = await compute(_named, data, key)
    except ObjectMissing:
        raise no_object("spec.source.list", root, key) from None
    except InvalidList as error:
        raise OperationFailed(error.failure) from None
    if not named:
        text = f"spec.source.list: {key!r} is empty; write one key per line"
        raise _failed(Reason.SOURCE_EMPTY, text)
    return await _find(store, root, named)


def _named(data: bytes, key: str) -> list[tuple[str, str]]:
    return [(f"spec.source.list: line {line}", name) for line, name in read_list(data, key)]


async def _copied_list(store: ObjectStore, root: str, key: str, prefix: str) -> str:
    copy = list_key(prefix)
    try:
        await store.stat(copy)
    except ObjectMissing:
        original = await store.stat(root + key)
        if original.size > MAX_LIST_BYTES:
            text = (
                f"{key!r} has {original.size} bytes; at most {MAX_LIST_BYTES} are allowed; split it into "
                "several jobs"
            )
            raise _failed(Reason.SOURCE_TOO_LARGE, f"spec.source.list: {text}") from None
        await store.copy(original, copy)
    return copy


async def _find(store: ObjectStore, root: str, named: list[tuple[str, str]]) -> list[FoundSource]:
    """The objects with these keys; each comes with the field that names it."""

    async def find(one: tuple[str, str]) -> FoundSource:
        where, key = one
        try:
            return StoredSource(key, await store.stat(root + key))
        except ObjectMissing:
            return UnstagedSource(key, no_object(where, root, key).failure)
        except ObjectRefused as error:
            return UnstagedSource(key, refused(error))

    return await for_each(named, find)


def no_object(field: str, root: str, key: str) -> OperationFailed:
    """The failure of a `field` that names an object that does not exist."""
    text = f"{field}: there is no object {shown(key)} under {root!r}; upload it or correct the key"
    return _failed(Reason.SOURCE_NOT_FOUND, text)


def refused(error: ObjectRefused) -> Failure:
    """The failure of a source that the store refuses: archived, encrypted, or denied."""
    text = f"the store refused the source: {error}" + (f"; {error.remedy}" if error.remedy else "")
    return Failure(Code.STAGING, Reason.ACCESS_DENIED, text)


def _failed(reason: Reason, text: str) -> OperationFailed:
    return OperationFailed(Failure(Code.STAGING, reason, text))
