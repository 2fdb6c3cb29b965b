"""Translates the errors of the minio client."""

from __future__ import annotations

import urllib3
from minio.error import InvalidResponseError, S3Error, ServerError

from imagejob_operator.adapters.s3.xml import InvalidAnswer
from imagejob_operator.api.errors import bounded
from imagejob_operator.naming import listed_keys
from imagejob_operator.ports.object_store import (
    BucketMissing,
    CallNotSupported,
    ObjectChanged,
    ObjectMissing,
    ObjectRefused,
    StoreDenied,
    StoreError,
    StoreFull,
    StoreUnavailable,
)

MISSING = {"NoSuchKey", "NoSuchObject", "NoSuchVersion", "ResourceNotFound"}
MAX_TEXT = 500
"""Characters of a message that has words of the store."""
MAX_KEY = 200
"""Characters of a key in a message."""
TRANSIENT = {
    "SlowDown",
    "RequestTimeout",
    "InternalError",
    "ServiceUnavailable",
    "XMinioServerNotInitialized",
}
FULL = {"QuotaExceeded", "XMinioAdminBucketQuotaExceeded"}
"""The quota of a bucket is used up. A store whose disks are full answers 507, and may get new ones."""
NOT_SUPPORTED = {"NotImplemented", "MethodNotAllowed"}
REFUSED = {"AccessDenied", "AllAccessDisabled", "BadRequest", "InvalidObjectState"}
"""Codes that may be about one object: its policy, storage class, or encryption (BadRequest, for a HEAD)."""

ENCRYPTED = "allow the operator to use the key that it is encrypted with"
REMEDIES = {
    "AccessDenied": "allow access to it",
    "AllAccessDisabled": "allow access to it",
    "InvalidObjectState": "restore it from the archive",
}
"""What makes a refused object one that can be read; others are encrypted."""


def call(name: str, key: str, to: str = "") -> str:
    """What a message calls a request: the name of the S3 call, and the key."""
    return f"{name} {shown(key)}" + (f" to {shown(to)}" if to else "")


def shown(key: str) -> str:
    """The key in quotes as a message shows it; the end of a long one is left out."""
    return listed_keys.escaped(repr(key if len(key) <= MAX_KEY else f"{key[:MAX_KEY]}…"))


def not_named(request: str, key: str) -> StoreDenied:
    """The error of a request for an object that the store lists by another key than it has."""
    return StoreDenied(
        f"{listed_keys.not_named(shown(key))}; delete the object with the tools of the store ({request})"
    )


def translate(error: Exception, request: str) -> StoreError:
    """The port's error for a client's; messages name the request, see `call`, never a signed URL.

    The cause comes first, since `kubectl get` shows the beginning of a message.
    """
    kind, text = _translated(error)
    made = kind(f"{bounded(text, MAX_TEXT)} ({request})")
    if isinstance(made, ObjectRefused):
        code = error.code or "" if isinstance(error, S3Error) else ""
        made.remedy = REMEDIES.get(code, ENCRYPTED)
    return made


def _translated(error: Exception) -> tuple[type[StoreError], str]:
    if isinstance(error, S3Error):
        status = error.response.status if error.response is not None else 0
        return of_code(error.code or "", status, error.message or ""), f"{error.code}: {error.message}"
    if isinstance(error, ServerError):
        return StoreUnavailable, f"the store returned HTTP {error.status_code}"
    if isinstance(error, InvalidAnswer | InvalidResponseError):
        return StoreUnavailable, f"the store's answer cannot be used: {error}"
    if isinstance(error, urllib3.exceptions.SSLError):
        why = getattr(error.args[0], "verify_message", "") or "the TLS handshake failed"
        return StoreUnavailable, f"the store's certificate is not trusted: {why}"
    if isinstance(error, urllib3.exceptions.HTTPError | OSError):
        return StoreUnavailable, f"the store cannot be reached: {type(error).__name__}"
    return StoreUnavailable, f"the store's answer cannot be used: {type(error).__name__}"


def of_code(code: str, status: int, message: str) -> type[StoreError]:
    """The error that an S3 code with an HTTP status means."""
    if code in MISSING:
        return ObjectMissing
    if code == "NoSuchBucket":
        return BucketMissing
    if code == "PreconditionFailed" or status == 412:
        return ObjectChanged
    if code in NOT_SUPPORTED or status == 501:
        return CallNotSupported
    if code in TRANSIENT or status >= 500 or status == 429:
        return StoreUnavailable
    if code in FULL:
        return StoreFull
    encrypted = code == "InvalidRequest" and "encrypt" in message.lower()
    if code in REFUSED or code.startswith("KMS.") or encrypted:
        return ObjectRefused
    return StoreDenied
