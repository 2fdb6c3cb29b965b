"""The sources of a run, of whatever kind. Nothing of them is staged yet.

Every kind has a `name`, which outputs are named after; a `size` and the `identity` of its bytes, an ETag or a
hash, both empty if they are not known before a download; how many are staged `at_once`; and a method `stage`,
which copies it to a key, where an object may be `present` from an earlier try, or raises OperationFailed.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass
from typing import ClassVar

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.sources import UrlSource
from imagejob_operator.api.spec import Spec, StagingMode, item_limits
from imagejob_operator.naming import listed_keys
from imagejob_operator.operations.concurrency import AT_ONCE
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
from imagejob_operator.validation.keys import shown

MAX_COPY_BYTES = 5 * 1024**3
"""S3's limit on a copy in one request."""

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
    """An object in the store: a few strings, because a run may have 100,000 of them."""

    root: str
    """What its key starts with; the name follows."""
    name: str
    identity: str
    """Its ETag."""
    size: int
    at_once: ClassVar[int] = AT_ONCE

    @property
    def stored(self) -> StoredObject:
        """The object."""
        return StoredObject(self.root + self.name, self.size, self.identity)

    async def stage(self, run: StagingRun, key: str, present: StoredObject | None) -> StagedObject:
        """Copy it, unless the mode is Reference, or it is too large."""
        if run.by_reference or self.size > min(run.max_bytes, MAX_COPY_BYTES):
            return self.stored, self.identity
        if present and (present.etag, present.size) == (self.identity, self.size):
            return present, self.identity
        try:
            return await self._copy(run.store, key)
        except ObjectRefused as error:
            raise OperationFailed(refused(error)) from None
        except ObjectMissing as error:
            raise failed(Reason.SOURCE_NOT_FOUND, f"it was deleted while it was staged: {error}") from None
        except StoreDenied as error:
            raise type(error)(f"the source {self.name!r}: {error}") from None

    async def _copy(self, store: ObjectStore, key: str) -> StagedObject:
        try:
            return await store.copy(self.stored, key), self.identity
        except ObjectChanged:
            # It was overwritten since it was listed: take the new version, if it stays now.
            new = await store.stat(self.root + self.name)
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


def no_object(field: str, root: str, key: str) -> OperationFailed:
    """The failure of a `field` that names an object that does not exist."""
    text = f"{field}: there is no object {shown(key)} under {root!r}; upload it or correct the key"
    return failed(Reason.SOURCE_NOT_FOUND, text)


def not_named(field: str, listed: str) -> OperationFailed:
    """The failure of a source that the store lists by another key than it has."""
    advice = "rename the object, or exclude it by a glob, which matches the whole key"
    text = f"{field}: {listed_keys.not_named(shown(listed))}; {advice}"
    return failed(Reason.SOURCE_NOT_FOUND, text)


def refused(error: ObjectRefused) -> Failure:
    """The failure of a source that the store refuses: archived, encrypted, or denied."""
    text = f"the store refused the source: {error}" + (f"; {error.remedy}" if error.remedy else "")
    return Failure(Code.STAGING, Reason.ACCESS_DENIED, text)


def failed(reason: Reason, text: str) -> OperationFailed:
    """The failure of a staging: JOB_002."""
    return OperationFailed(Failure(Code.STAGING, reason, text))
