"""Downloads one source from a web server: headers from a Secret, then the bytes, then their checksum."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.sources import UrlSource
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.ports.downloads import Downloads, FetchFailed
from imagejob_operator.ports.secrets import Secrets, SecretUnreadable
from imagejob_operator.validation.request_headers import (
    InvalidHeader,
    NotForThisOrigin,
    check_origin,
    request_headers,
)
from imagejob_operator.validation.urls import shown

MAX_DOWNLOAD_BYTES = 64 * 1024 * 1024
"""The limit of one download: it is held in memory until it is staged."""


@dataclass(frozen=True, slots=True)
class Downloader:
    """Downloads what `spec.source.urls` names."""

    downloads: Downloads
    secrets: Secrets
    own_namespace: str = ""
    """The namespace of the operator, whose Secrets are never sent."""

    @contextlib.asynccontextmanager
    async def fetch(self, namespace: str, source: UrlSource, max_bytes: int) -> AsyncIterator[bytes]:
        """The bytes of a source, which count against the memory limit until the context exits."""
        headers = await self._headers(namespace, source)
        limit = min(max_bytes, MAX_DOWNLOAD_BYTES)
        async with contextlib.AsyncExitStack() as stack:
            try:
                data = await stack.enter_async_context(self.downloads.fetch(source.url, headers, limit))
            except FetchFailed as error:
                failure = Failure(Code.STAGING, error.reason, f"spec.source.urls: {error}")
                raise OperationFailed(failure, error.transient, error.silent) from None
            await _check_sha256(source, data)
            yield data

    async def _headers(self, namespace: str, source: UrlSource) -> Mapping[str, str]:
        if source.headers_secret_ref is None:
            return {}
        name = source.headers_secret_ref.name
        where = f"spec.source.urls: headersSecretRef of {shown(source.url)}"
        try:
            if namespace == self.own_namespace:
                raise NotForThisOrigin("it is in the operator's namespace; use another namespace")
            secret = await self.secrets.read(namespace, name)
            check_origin(secret.annotations, source.url)
            return request_headers(secret.data)
        except NotForThisOrigin as error:
            text = f"{where}: the Secret {name!r}: {error}"
            raise OperationFailed(Failure(Code.STAGING, Reason.ACCESS_DENIED, text)) from None
        except SecretUnreadable as error:
            reason = Reason.ACCESS_DENIED if error.answered else Reason.STAGING_DEADLINE_EXCEEDED
            failure = Failure(Code.STAGING, reason, f"{where}: {error}")
            raise OperationFailed(failure, transient=True) from None
        except InvalidHeader as error:
            failure = Failure(Code.CREATION, Reason.INVALID_SPEC, f"{where}: the Secret {name!r}: {error}")
            raise OperationFailed(failure) from None


async def _check_sha256(source: UrlSource, data: bytes) -> None:
    if source.sha256 is None:
        return
    actual = (await asyncio.to_thread(hashlib.sha256, data)).hexdigest()
    if actual != source.sha256:
        text = (
            f"spec.source.urls: {shown(source.url)} has the SHA-256 digest {actual}, but sha256 is "
            f"{source.sha256}; correct sha256, or use a URL that serves the expected file"
        )
        raise OperationFailed(Failure(Code.STAGING, Reason.CHECKSUM_MISMATCH, text))
