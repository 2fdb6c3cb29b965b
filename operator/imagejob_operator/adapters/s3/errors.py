"""Translates the errors of the minio client."""

from __future__ import annotations

import urllib3
from minio.error import InvalidResponseError, S3Error, ServerError

from imagejob_operator.adapters.s3.xml import InvalidAnswer
from imagejob_operator.api.errors import bounded
from imagejob_operator.ports.object_store import (
    ObjectChanged,
    ObjectMissing,
    StoreDenied,
    StoreError,
    StoreUnavailable,
)

MISSING = {"NoSuchKey", "NoSuchObject", "NoSuchVersion", "ResourceNotFound"}
MAX_TEXT = 500
"""Characters of a message that has words of the store."""
TRANSIENT = {
    "SlowDown",
    "RequestTimeout",
    "InternalError",
    "ServiceUnavailable",
    "XMinioServerNotInitialized",
}


def translate(error: Exception) -> StoreError:
    """The port's error for a client's; messages name code and key, never a signed URL."""
    if isinstance(error, S3Error):
        text = bounded(f"{error.code}: {error.message}", MAX_TEXT)
        status = error.response.status if error.response is not None else 0
        if error.code in MISSING:
            return ObjectMissing(text)
        if error.code == "PreconditionFailed" or status == 412:
            return ObjectChanged(text)
        if error.code in TRANSIENT or status >= 500 or status == 429:
            return StoreUnavailable(text)
        return StoreDenied(text)
    if isinstance(error, ServerError):
        return StoreUnavailable(f"the store returned HTTP {error.status_code}")
    if isinstance(error, InvalidAnswer):
        return StoreUnavailable(bounded(f"the store's answer cannot be used: {error}", MAX_TEXT))
    if isinstance(error, InvalidResponseError):
        return StoreUnavailable(bounded(f"the store's answer cannot be used: {error}", MAX_TEXT))
    if isinstance(error, urllib3.exceptions.SSLError):
        why = getattr(error.args[0], "verify_message", "") or "the TLS handshake failed"
        return StoreUnavailable(f"the store's certificate is not trusted: {why}")
    if isinstance(error, urllib3.exceptions.HTTPError | OSError):
        return StoreUnavailable(f"the store cannot be reached: {type(error).__name__}")
    return StoreUnavailable(f"the store's answer cannot be used: {type(error).__name__}")
