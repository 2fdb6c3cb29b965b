"""Sources on web servers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from imagejob_operator.api.sources import UrlSource
from imagejob_operator.operations.staging.staging_run import StagedObject, StagingRun
from imagejob_operator.ports.object_store import StoredObject
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


def find_urls(urls: Iterable[UrlSource]) -> list[WebSource]:
    """The sources of `spec.source.urls`."""
    return [WebSource(name_of(parse_url(declared.url)), declared) for declared in urls]
