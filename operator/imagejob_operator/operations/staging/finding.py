"""Finds the sources of a run: by keys, a list, a match, URLs, or in the manifest of the job itself."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from functools import partial

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.sources import MatchSource
from imagejob_operator.api.spec import Spec
from imagejob_operator.documents.source_list import MAX_LIST_BYTES, InvalidList, read_list
from imagejob_operator.documents.staging import list_key
from imagejob_operator.naming.listed_keys import REPLACED
from imagejob_operator.naming.prefixes import namespace_prefix
from imagejob_operator.operations.concurrency import compute, for_each, in_pages
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.operations.listed import listed_objects
from imagejob_operator.operations.staging.sources import (
    FoundSource,
    InlineSource,
    StoredSource,
    UnstagedSource,
    WebSource,
    failed,
    no_object,
    not_named,
    refused,
)
from imagejob_operator.ports.object_store import (
    ObjectMissing,
    ObjectRefused,
    ObjectStore,
    StoredObject,
)
from imagejob_operator.validation.keys import InvalidKey, check_key
from imagejob_operator.validation.urls import name_of, parse_url

LISTED_FROM = 100
"""Of so many keys, those that a listing finds need no request of their own."""

MATCHED_AT_ONCE = 100
"""Keys: globs and keys that are made for each other take 20 ms for each, and other jobs wait."""


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
    return await _find(store, root, source.keys or (), lambda key: "spec.source.keys")


async def _matching(store: ObjectStore, root: str, match: MatchSource) -> list[FoundSource]:
    """The sources of `spec.source.match`, in the order of their keys."""
    selects = await compute(match.selector)

    def matching(page: Sequence[StoredObject]) -> list[StoredSource]:
        named = ((stored.key.removeprefix(root), stored) for stored in page)
        sources = [
            StoredSource(root, name, it.etag, it.size)
            for name, it in named
            if name[-1:] != "/" and selects(name)
        ]
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
            raise failed(
                Reason.TOO_MANY_ITEMS,
                f"spec.source.match: the objects that match under {match.prefix!r} exceed maxItems "
                f"({match.max_items}); narrow the globs or raise maxItems",
            )
    if not found:
        raise failed(Reason.SOURCE_EMPTY, _nothing_matches(match, root + match.prefix, checked))
    return await _by_their_keys(store, root, found)


async def _by_their_keys(store: ObjectStore, root: str, found: Sequence[StoredSource]) -> list[FoundSource]:
    """The sources; those that are listed by a key which no object has are one that is not staged."""
    unsure = list(dict.fromkeys(source.name for source in found if REPLACED in source.name))
    if not unsure:
        return [*found]

    async def find(name: str) -> FoundSource:
        return await _stat(store, root, name, lambda: not_named("spec.source.match", name))

    known = dict(zip(unsure, await for_each(unsure, find), strict=True))
    return list({source.name: known.get(source.name, source) for source in found}.values())


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
        lines = await compute(read_list, data, key)
        del data
    except ObjectMissing:
        raise no_object("spec.source.list", root, key) from None
    except InvalidList as error:
        raise OperationFailed(error.failure) from None
    if not lines:
        text = f"spec.source.list: {key!r} is empty; write one key per line"
        raise failed(Reason.SOURCE_EMPTY, text)
    return await _find(store, root, [*lines], lambda name: f"spec.source.list: line {lines[name]}")


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
            raise failed(Reason.SOURCE_TOO_LARGE, f"spec.source.list: {text}") from None
        await store.copy(original, copy)
    return copy


async def _find(
    store: ObjectStore, root: str, keys: Sequence[str], where: Callable[[str], str]
) -> list[FoundSource]:
    """The objects with these keys; `where` is the field that names a key."""
    listed: dict[str, StoredSource] = {}
    if len(keys) >= LISTED_FROM:
        listed, _ = await listed_objects(store, root, keys, partial(_source, root))

    async def find(key: str) -> FoundSource:
        if known := listed.pop(key, None):
            return known
        return await _stat(store, root, key, lambda: no_object(where(key), root, key))

    return await for_each(keys, find)


async def _stat(
    store: ObjectStore, root: str, key: str, missing: Callable[[], OperationFailed]
) -> FoundSource:
    try:
        return _source(root, key, await store.stat(root + key))
    except ObjectMissing:
        return UnstagedSource(key, missing().failure)
    except ObjectRefused as error:
        return UnstagedSource(key, refused(error))


def _source(root: str, key: str, stored: StoredObject) -> StoredSource:
    return StoredSource(root, key, stored.etag, stored.size)
