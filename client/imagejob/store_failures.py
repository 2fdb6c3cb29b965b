"""What has happened to a request that a store did not fulfil, in the words of messages."""

from __future__ import annotations

from xml.etree.ElementTree import ParseError

from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from imagejob.store_pool import Redirected
from imagejob_operator.api.store_location import StoreLocation

FAILURES = (HTTPError, MinioException, Redirected, ParseError, ValueError)
"""What a request may raise. An OSError is not among them: it is of a file on this machine."""
_MOST = 200
"""Characters of a text that is not ours."""
_ADDRESS = (
    "correct the address and the region: --bucket and AWS_REGION, the ImageStore, or the settings of the "
    "operator"
)
_SPACE = "there is no space left; delete what is not needed, or ask the administrator of the bucket"
_REMEDIES = {
    "AccessDenied": "your credentials do not allow this; ask the administrator of the bucket",
    "InvalidAccessKeyId": "your access key is not one of this store; check AWS_ACCESS_KEY_ID and AWS_PROFILE",
    "SignatureDoesNotMatch": "your secret key is wrong; check AWS_SECRET_ACCESS_KEY and AWS_PROFILE",
    "ExpiredToken": "your credentials have expired; log in again",
    "NoSuchBucket": "the bucket does not exist; ask an administrator",
    "AuthorizationHeaderMalformed": _ADDRESS,
    "QuotaExceeded": _SPACE,
    "XMinioAdminBucketQuotaExceeded": _SPACE,
    "XMinioStorageFull": _SPACE,
}


def cause_of(error: Exception, location: StoreLocation) -> str:
    """What has happened, and what to do; `error` is one of FAILURES."""
    endpoint = location.endpoint
    if isinstance(error, Redirected):
        return _redirected(error, location)
    if isinstance(error, S3Error):
        remedy = _REMEDIES.get(error.code or "") or (_of(error.response.status) if error.response else "")
        return f"{error.code}: {error.message}" + (f"; {remedy}" if remedy else "")
    if isinstance(error, InvalidResponseError):
        text = _short(error._body or "") or "nothing"
        remedy = _of(error._code) or "check the address"
        return f"{endpoint} answered HTTP {error._code} with {text!r}, which is no answer of S3; {remedy}"
    if isinstance(error, ServerError):
        remedy = _of(error.status_code) or "check the address"
        return f"{endpoint} answered HTTP {error.status_code}; {remedy}"
    if isinstance(error, ParseError):
        return f"the answer of {endpoint} is not the XML of S3: {error}; check the address"
    if isinstance(error, HTTPError):
        return _of_connection(error, endpoint)
    return str(error)


def _of(status: int) -> str:
    """What to do after an HTTP status; empty if it does not tell."""
    if status >= 500:
        return "try again, and ask the administrator of the store if that does not help"
    return ""


def _redirected(error: Redirected, location: StoreLocation) -> str:
    to = f" to {error.host}" if error.host else ""
    where = f"; the bucket is in region {error.region!r}" if error.region else ""
    return (
        f"{location.endpoint} redirects{to} ({error}), where your credentials are not sent{where}, and the "
        f"request was for region {location.region!r}; {_ADDRESS}"
    )


def _of_connection(error: HTTPError, endpoint: str) -> str:
    if isinstance(error, MaxRetryError):
        if not isinstance(error.reason, HTTPError):
            return f"{endpoint} does not answer: {_short(str(error))}; check the address and the network"
        error = error.reason
    if isinstance(error, ReadTimeoutError):
        waited = str(error).partition(": ")[2]
        return f"{endpoint} did not answer in time: {_short(waited)}; try again, or check the network"
    if isinstance(error, SSLError):
        return (
            f"the TLS connection to {endpoint} failed: {_short(str(error))}; check the address, and set "
            "AWS_CA_BUNDLE if the store has a private CA"
        )
    if isinstance(error, ProtocolError):
        return (
            f"{endpoint} closed the connection before its answer was complete: {_short(str(error.args[0]))}; "
            "try again, and ask the administrator of the store if that does not help"
        )
    if isinstance(error, ConnectTimeoutError | NewConnectionError):
        return f"{endpoint} does not answer: {_short(str(error))}; check the address and the network"
    return f"the request to {endpoint} failed: {_short(str(error))}; try again"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _MOST else f"{line[: _MOST - 1]}…"
