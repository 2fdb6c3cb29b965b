"""The sources of a run, of whatever kind. Nothing of them is staged yet.

Every kind has a `name`, which outputs are named after; a `size` and the `identity` of its bytes, an ETag or a
hash, both empty if they are not known before a download; how many are staged `at_once`; and a method `stage`,
which copies it to a key, where an object may be `present` from an earlier try.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.sources import UrlSource
from imagejob_operator.api.spec import Spec
from imagejob_operator.naming.prefixes import namespace_prefix
from imagejob_operator.operations.concurrency import AT_ONCE
from imagejob_operator.operations.staging.staging_run import StagedObject, StagingRun
from imagejob_operator.operations.staging.stored_sources import (
    StoredSource,
    find_keys,
    find_listed,
    find_matching,
)
from imagejob_operator.ports.object_store import ObjectStore, StoredObject
from imagejob_operator.validation.urls import name_of, parse_url


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


FoundSource = StoredSource | WebSource | InlineSource


async def find_sources(store: ObjectStore, job: ImageJob, spec: Spec, prefix: str) -> Sequence[FoundSource]:
    """All sources of a run, in their order."""
    source, root = spec.source, namespace_prefix(job.key.namespace)
    if source.urls:
        return [WebSource(name_of(parse_url(url.url)), url) for url in source.urls]
    if source.inline:
        return [InlineSource(file.name, base64.b64decode(file.data)) for file in source.inline]
    if source.match:
        return await find_matching(store, root, source.match)
    if source.list:
        return await find_listed(store, root, source.list.key, prefix)
    return await find_keys(store, root, source.keys or ())
