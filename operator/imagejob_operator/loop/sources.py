"""Finding the sources: what the items of a run are, before anything of them is staged."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from imagejob_operator.core.failure import Code, Failure, Reason
from imagejob_operator.core.job import ImageJob
from imagejob_operator.core.keys import matches, namespace_prefix
from imagejob_operator.core.places import Match
from imagejob_operator.core.spec import Spec
from imagejob_operator.loop.concurrency import for_each
from imagejob_operator.loop.failed import EffortFailed
from imagejob_operator.ports.object_store import ObjectMissing, ObjectStore, StoredObject


@dataclass(frozen=True, slots=True)
class Found:
    """One source: the name that people know it by, and the object or the bytes behind it."""

    name: str
    stored: StoredObject | None = None
    data: bytes = b""


async def find_sources(store: ObjectStore, job: ImageJob, spec: Spec) -> list[Found]:
    """All items of a run, in their order; nothing is staged yet.

    Raises:
        EffortFailed: with JOB_001 or JOB_002.
        StoreError: when the store fails.
    """
    root = namespace_prefix(job.key.namespace)
    if spec.source.match:
        return await _listed(store, root, spec.source.match)
    if spec.source.inline:
        return [Found(file.name, data=_decode(file.name, file.data)) for file in spec.source.inline]

    async def look(key: str) -> Found:
        try:
            return Found(key, await store.stat(root + key))
        except ObjectMissing:
            text = f"spec.source.keys: there is no object {key!r} below {root!r}; put it there or correct it"
            raise EffortFailed(Failure(Code.STAGING, Reason.SOURCE_NOT_FOUND, text)) from None

    return await for_each(spec.source.keys or (), look)


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
            raise EffortFailed(Failure(Code.STAGING, Reason.TOO_MANY_ITEMS, text))
    if not found:
        text = f"spec.source.match: no object below {root + match.prefix!r} passes include and exclude"
        raise EffortFailed(Failure(Code.STAGING, Reason.SOURCE_EMPTY, text))
    return found


def _decode(name: str, data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error as error:
        text = f"spec.source.inline: the data of {name!r} is not base64: {error}"
        raise EffortFailed(Failure(Code.CREATION, Reason.INVALID_SPEC, text)) from None
