"""One source from a web server: its headers from a Secret, its bytes, its checksum."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.locations import UrlSource
from imagejob_operator.api.spec import Limits, item_limits
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.ports.downloads import Downloads, FetchFailed
from imagejob_operator.ports.secrets import Secrets, SecretUnreadable
from imagejob_operator.validation.request_headers import InvalidHeader, request_headers
from imagejob_operator.validation.urls import shown

MAX_DOWNLOAD_BYTES = 64 * 1024 * 1024
"""The most that is taken from one URL, since it is held in memory until it is staged."""
DOWNLOADS_AT_ONCE = 6
"""URLs of one job under way at the same time."""


@dataclass(frozen=True, slots=True)
class Downloader:
    """Fetches what `spec.source.urls` names."""

    downloads: Downloads
    secrets: Secrets

    @contextlib.asynccontextmanager
    async def fetch(self, job: ImageJob, source: UrlSource, limits: Limits) -> AsyncIterator[bytes]:
        """The bytes of a source; each call is a stream of its own, from the first byte.

        Raises:
            EffortFailed: with JOB_002, or JOB_001/InvalidSpec for headers that cannot be sent.
        """
        headers = await self._headers(job, source)
        most = min(item_limits(limits).item_bytes, MAX_DOWNLOAD_BYTES)
        async with contextlib.AsyncExitStack() as room:
            try:
                data = await room.enter_async_context(self.downloads.fetch(source.url, headers, most))
            except FetchFailed as error:
                failure = Failure(Code.STAGING, error.reason, f"spec.source.urls: {error}")
                raise OperationFailed(failure, error.transient) from None
            await _check(source, data)
            yield data

    async def _headers(self, job: ImageJob, source: UrlSource) -> Mapping[str, str]:
        if source.headers_secret_ref is None:
            return {}
        name = source.headers_secret_ref.name
        where = f"spec.source.urls: headersSecretRef of {shown(source.url)}"
        try:
            return request_headers(await self.secrets.read(job.key.namespace, name))
        except SecretUnreadable as error:
            failure = Failure(Code.STAGING, Reason.ACCESS_DENIED, f"{where}: {error}")
            raise OperationFailed(failure, transient=True) from None
        except InvalidHeader as error:
            failure = Failure(Code.CREATION, Reason.INVALID_SPEC, f"{where}: the Secret {name!r}: {error}")
            raise OperationFailed(failure) from None


async def _check(source: UrlSource, data: bytes) -> None:
    if source.sha256 is None:
        return
    found = (await asyncio.to_thread(hashlib.sha256, data)).hexdigest()
    if found != source.sha256:
        text = (
            f"spec.source.urls: {shown(source.url)} has sha256 {found}, and {source.sha256} was asked for; "
            "it is another file now, or the checksum is wrong"
        )
        raise OperationFailed(Failure(Code.STAGING, Reason.CHECKSUM_MISMATCH, text))
