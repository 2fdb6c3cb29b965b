"""Finding the sources: what the items of a run are, before anything of them is staged."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.locations import Match, UrlSource
from imagejob_operator.api.spec import Spec
from imagejob_operator.documents.source_list import MAX_LIST_BYTES, InvalidList, TooManyListed, read_list
from imagejob_operator.documents.staging import list_key
from imagejob_operator.naming.prefixes import namespace_prefix
from imagejob_operator.operations.concurrency import for_each
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.ports.object_store import ObjectMissing, ObjectStore, StoredObject
from imagejob_operator.validation.globs import matches
from imagejob_operator.validation.keys import KeyCollision
from imagejob_operator.validation.urls import name_of, parse_url


@dataclass(frozen=True, slots=True)
class Found:
    """One source: the name that people know it by, and the object, the URL or the bytes behind it."""

    name: str
    stored: StoredObject | None = None
    url: UrlSource | None = None
    data: bytes = b""

    @property
    def identity(self) -> str:
        """What its bytes are known by before they are read: ETag or hash; empty for what is behind a URL."""
        if self.url is not None:
            return ""
        return self.stored.etag if self.stored else hashlib.sha256(self.data).hexdigest()

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self.stored.size if self.stored else len(self.data)


async def find_sources(store: ObjectStore, job: ImageJob, spec: Spec, prefix: str) -> list[Found]:
    """All items of a run, in their order; nothing of them is staged yet.

    Args:
        store: where they are.
        job: whose they are.
        spec: what it wants.
        prefix: of the run's staging, where a list is kept; without it the list is read where it is.

    Raises:
        EffortFailed: with JOB_001 or JOB_002.
        StoreError: when the store fails.
    """
    root = namespace_prefix(job.key.namespace)
    if spec.source.match:
        return await _listed(store, root, spec.source.match)
    if spec.source.inline:
        return [Found(file.name, data=_decode(file.name, file.data)) for file in spec.source.inline]
    if spec.source.urls:
        return [Found(name_of(parse_url(source.url)), url=source) for source in spec.source.urls]
    if spec.source.list:
        named = await _named_by_list(store, root, spec.source.list.key, prefix)
    else:
        named = [(0, key) for key in spec.source.keys or ()]

    async def look(one: tuple[int, str]) -> Found:
        line, key = one
        try:
            return Found(key, await store.stat(root + key))
        except ObjectMissing:
            where = f"spec.source.list: line {line}" if line else "spec.source.keys"
            text = f"{where}: there is no object {key!r} below {root!r}; put it there or correct it"
            raise OperationFailed(Failure(Code.STAGING, Reason.SOURCE_NOT_FOUND, text)) from None

    return await for_each(named, look)


async def _named_by_list(store: ObjectStore, root: str, key: str, prefix: str) -> list[tuple[int, str]]:
    """The keys that a list names, each with its line; of a list without any, SourceEmpty.

    The list is copied into the staging first and read from there: however often the run has to begin again,
    it is of the same items in the same order.
    """
    own = await _pinned(store, root, key, prefix) if prefix else root + key
    try:
        lines = read_list(await store.read(own, MAX_LIST_BYTES), key)
    except ObjectMissing:
        raise _no_list(root, key) from None
    except TooManyListed as error:
        raise OperationFailed(Failure(Code.STAGING, Reason.TOO_MANY_ITEMS, str(error))) from None
    except KeyCollision as error:
        raise OperationFailed(Failure(Code.CREATION, Reason.KEY_COLLISION, str(error))) from None
    except InvalidList as error:
        raise OperationFailed(Failure(Code.CREATION, Reason.INVALID_SPEC, str(error))) from None
    if not lines:
        text = f"spec.source.list: there is no key in {key!r}; write one in each line"
        raise OperationFailed(Failure(Code.STAGING, Reason.SOURCE_EMPTY, text))
    return lines


async def _pinned(store: ObjectStore, root: str, key: str, prefix: str) -> str:
    """The key of the list's copy, which is made if it is not there yet."""
    own = list_key(prefix)
    try:
        await store.stat(own)
        return own
    except ObjectMissing:
        pass
    try:
        listing = await store.stat(root + key)
        if listing.size > MAX_LIST_BYTES:
            text = f"spec.source.list: {key!r} has {listing.size} bytes; at most {MAX_LIST_BYTES} are read"
            raise OperationFailed(Failure(Code.STAGING, Reason.SOURCE_TOO_LARGE, text))
        await store.copy(listing, own)
        return own
    except ObjectMissing:
        raise _no_list(root, key) from None


def _no_list(root: str, key: str) -> OperationFailed:
    text = f"spec.source.list: there is no object {key!r} below {root!r}; put it there or correct it"
    return OperationFailed(Failure(Code.STAGING, Reason.SOURCE_NOT_FOUND, text))


async def _listed(store: ObjectStore, root: str, match: Match) -> list[Found]:
    found: list[Found] = []
    async for stored in store.walk(root + match.prefix):
        name = stored.key.removeprefix(root)
        if name.endswith("/") or not matches(name, match.include, match.exclude):
            continue
        found.append(Found(name, stored))
        if len(found) > match.max_items:
            text = (
                f"spec.source.match: more than maxItems {match.max_items} objects match below "
                f"{match.prefix!r}; narrow the globs or raise maxItems"
            )
            raise OperationFailed(Failure(Code.STAGING, Reason.TOO_MANY_ITEMS, text))
    if not found:
        text = f"spec.source.match: no object below {root + match.prefix!r} passes include and exclude"
        raise OperationFailed(Failure(Code.STAGING, Reason.SOURCE_EMPTY, text))
    return found


def _decode(name: str, data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        text = f"spec.source.inline: the data of {name!r} is not base64: {error}"
        raise OperationFailed(Failure(Code.CREATION, Reason.INVALID_SPEC, text)) from None
