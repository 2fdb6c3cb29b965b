"""The four requests of a Pod to the object store, by presigned URL, each bounded in time, size and tries.

A response becomes the bytes that were asked for, or one of a few errors: the item failed, the order expired,
the store is unavailable.
"""

from __future__ import annotations

import re
import secrets
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    LocationValueError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.filepost import encode_multipart_formdata

from imagejob_contract.order import MAX_ORDER_BYTES, Upload
from imagejob_contract.result import ItemCode
from imagejob_processor import limits
from imagejob_processor.errors import THE_ORDER, BadOrder, ItemFailure, OrderExpired, StoreUnavailable

_T = TypeVar("_T")
_CHUNK = 256 * 1024
_ERROR_BYTES = 16 * 1024
_TRANSIENT = frozenset({408, 409, 425, 429, *range(500, 600)})
_UNKNOWN_SIGNER = {b"InvalidAccessKeyId", b"ExpiredToken", b"InvalidToken"}
_ERROR_PARTS = re.compile(rb"<(Code|Message)>([^<]{1,300})</")


@dataclass(frozen=True)
class RetryPolicy:
    """How often a request is tried.

    Attributes:
        tries: How many times, at most.
        order_tries: The same for the order: at first, the network of a Pod with a sidecar may not be ready.
        seconds: No new try starts later than this.
        first_pause: Seconds between the first two tries; doubled after each.
        longest_pause: Limit of the pause in seconds.
        transfer: Time limit of one response body in seconds.
        pause: Waits so many seconds.
    """

    tries: int = 5
    order_tries: int = 10
    seconds: float = 30.0
    first_pause: float = 0.5
    longest_pause: float = 8.0
    transfer: float = 120.0
    pause: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class _Response:
    """Status and body; of an error only the beginning of the body."""

    status: int
    body: bytes

    def describe(self) -> str:
        """Return the status with S3's error code and message."""
        parts = [text.decode(errors="replace") for _, text in _ERROR_PARTS.findall(self.body)]
        return f"HTTP {self.status}" + (f" {': '.join(parts)}" if parts else "")

    @property
    def expired(self) -> bool:
        """Whether the URL has expired, or the credentials that signed it have."""
        codes = {value for name, value in _ERROR_PARTS.findall(self.body) if name == b"Code"}
        expired = bool(codes & _UNKNOWN_SIGNER) or b"expired" in self.body.lower()
        return self.status in (400, 401, 403) and expired


class _TransientError(Exception):
    """Another try may succeed."""


class _BodyTooLarge(Exception):
    """The body is over its size limit; the argument is how many bytes were read."""


class Store:
    """The object store. Safe to use from several threads.

    `ca_bundle` holds PEM certificates of the authorities to trust; the system's if empty.
    """

    def __init__(
        self, retry_policy: RetryPolicy | None = None, connections: int = 8, ca_bundle: str = ""
    ) -> None:
        self._retry_policy = retry_policy or RetryPolicy()
        context = ssl.create_default_context(cadata=ca_bundle) if ca_bundle else None
        self._http = urllib3.PoolManager(
            maxsize=connections,
            retries=False,
            ssl_context=context,
            timeout=urllib3.Timeout(connect=5, read=20),
            headers={"User-Agent": "imagejob-processor", "Accept-Encoding": "identity"},
        )

    def get_order(self, url: str) -> bytes:
        """Fetch the order.

        Raises:
            OrderExpired: The URL has expired.
            BadOrder: The order is missing or too large.
            StoreUnavailable: No response in time.
        """
        try:
            tries = self._retry_policy.order_tries
            response = self._with_retries(THE_ORDER, lambda: self._get(url, {}, MAX_ORDER_BYTES), tries)
        except _BodyTooLarge as error:
            text = f"{THE_ORDER} has at least {error} bytes, over the limit of {MAX_ORDER_BYTES}"
            raise BadOrder(f"{text}; lower spec.execution.itemsPerPod") from None
        if response.status == 200:
            return response.body
        if response.status == 403 or response.expired:
            raise OrderExpired(f"the presigned URL of {THE_ORDER} has expired: {response.describe()}")
        raise BadOrder(f"{THE_ORDER} could not be read: {response.describe()}")

    def get_source(self, url: str, etag: str, max_bytes: int) -> bytes:
        """Fetch a source of at most `max_bytes` bytes, on condition that it still has the ETag `etag`.

        Raises:
            ItemFailure: IMG_002 (too large), IMG_004 (changed), IMG_010 (deleted).
            OrderExpired: The URL has expired.
            StoreUnavailable: No response in time, or one that is not the item's fault.
        """
        headers = {"If-Match": etag if etag.startswith('"') else f'"{etag}"'} if etag else {}
        try:
            response = self._with_retries("a source", lambda: self._get(url, headers, max_bytes))
        except _BodyTooLarge as error:
            raise limits.too_many_bytes(f"at least {error} bytes", max_bytes) from None
        if response.status == 200:
            return response.body
        if response.status == 412:
            message = f"the source was changed during the run: its ETag is no longer {etag}; start a new run"
            raise ItemFailure(ItemCode.SOURCE_CHANGED, message)
        if response.status == 404:
            message = f"the source was deleted during the run: {response.describe()}; start a new run"
            raise ItemFailure(ItemCode.SOURCE_MISSING, message)
        _raise_if_expired("a source", response)
        raise StoreUnavailable(f"a source could not be read: {response.describe()}")

    def post_output(self, upload: Upload, key: str, content_type: str, data: bytes) -> None:
        """Store an output under its key.

        Raises:
            ItemFailure: IMG_006.
            OrderExpired: The policy has expired.
        """
        fields: list[tuple[str, str | tuple[str, bytes, str]]] = [*upload.fields.items()]
        fields += [("key", key), ("Content-Type", content_type)]
        name = key.rpartition("/")[2]
        # S3 ignores fields after the file.
        fields.append(("file", (name, data, content_type)))
        body, form_type = encode_multipart_formdata(fields)
        headers = {"Content-Type": form_type}
        try:
            response = self._with_retries(
                f"output {name}", lambda: self._send("POST", upload.url, body, headers)
            )
        except StoreUnavailable as error:
            raise ItemFailure(ItemCode.WRITE_FAILED, str(error)) from error
        _raise_if_expired("the outputs", response)
        if response.status not in (200, 201, 204):
            message = f"the store rejected output {name}: {response.describe()}"
            raise ItemFailure(ItemCode.WRITE_FAILED, message)

    def put_result(self, url: str, data: bytes) -> bool:
        """Store the result unless there is one; returns whether ours was stored.

        False may also mean that the store received an earlier try of ours: either way there is a result.

        Raises:
            OrderExpired: The URL has expired.
            StoreUnavailable: The result could not be stored.
        """
        headers = {"If-None-Match": "*", "Content-Type": "application/json"}
        response = self._with_retries("the result", lambda: self._send("PUT", url, data, headers))
        _raise_if_expired("the result", response)
        if response.status == 412:
            return False
        if response.status not in (200, 201, 204):
            raise StoreUnavailable(f"the store rejected the result: {response.describe()}")
        return True

    def _with_retries(self, what: str, request: Callable[[], _Response], tries: int = 0) -> _Response:
        """Repeat a request until the response is final, at most `tries` times (those of the policy if 0).

        Raises:
            StoreUnavailable: AttemptCounts or time are used up.
        """
        policy, started = self._retry_policy, time.monotonic()
        tries = tries or policy.tries
        for number in range(1, tries + 1):
            try:
                return request()
            except _TransientError as error:
                cause = str(error)
            pause = _backoff(number, policy)
            spent = time.monotonic() - started
            if number == tries or spent + pause > policy.seconds:
                break
            policy.pause(pause)
        raise StoreUnavailable(f"the request for {what} failed: {cause} ({number} tries in {spent:.0f} s)")

    def _get(self, url: str, headers: Mapping[str, str], max_bytes: int) -> _Response:
        return self._request("GET", url, headers, None, max_bytes)

    def _send(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> _Response:
        return self._request(method, url, headers, body, _ERROR_BYTES)

    def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, max_bytes: int
    ) -> _Response:
        """Make one request and read its body."""
        if not url.startswith(("http://", "https://")):
            raise BadOrder(f"a URL in {THE_ORDER} is neither http nor https")
        try:
            response = self._http.request(
                method,
                url,
                body=body,
                headers={**self._http.headers, **headers},
                redirect=False,
                preload_content=False,
                decode_content=False,
            )
            received = self._read(response, max_bytes)
        except LocationValueError:
            raise BadOrder(f"a URL in {THE_ORDER} is invalid") from None
        except (HTTPError, OSError) as error:
            raise _TransientError(_describe(error)) from error
        if received.status in _TRANSIENT:
            raise _TransientError(received.describe())
        return received

    def _read(self, response: urllib3.BaseHTTPResponse, max_bytes: int) -> _Response:
        """Read a body of at most `max_bytes` bytes, plus one chunk, whatever Content-Length says."""
        deadline = time.monotonic() + self._retry_policy.transfer
        ok = response.status == 200
        limit = max_bytes if ok else _ERROR_BYTES
        content = bytearray()
        try:
            while chunk := response.read(_CHUNK):
                content += chunk
                if len(content) > limit:
                    break
                if time.monotonic() > deadline:
                    raise _TransientError(f"only {len(content)} bytes in {self._retry_policy.transfer:.0f} s")
            else:
                response.release_conn()
                return _Response(response.status, bytes(content))
        finally:
            if response.connection is not None:
                response.close()
        if ok:
            raise _BodyTooLarge(len(content))
        return _Response(response.status, bytes(content[:limit]))


def _describe(error: HTTPError | OSError) -> str:
    """Describe a failed request without the class names and values that urllib3 puts into its messages."""
    cause = error.__cause__ or error.__context__
    if isinstance(error, NameResolutionError):
        return "the host name of the store does not resolve"
    if isinstance(error, ReadTimeoutError):
        return "timeout while waiting for data"
    if isinstance(error, SSLError):
        reason = getattr(cause, "verify_message", None) or getattr(cause, "reason", None)
        return f"TLS handshake failed: {reason}" if reason else "TLS handshake failed"
    reason = cause.strerror if isinstance(cause, OSError) else getattr(error, "strerror", None)
    if isinstance(error, NewConnectionError):
        return f"no connection to the store: {reason}" if reason else "no connection to the store"
    if isinstance(error, ConnectTimeoutError):
        return "timeout while connecting"
    return f"the connection was closed: {reason}" if reason else "the connection was closed"


def _raise_if_expired(what: str, response: _Response) -> None:
    if response.expired:
        raise OrderExpired(f"the URL of {what} has expired: {response.describe()}")


def _backoff(number: int, policy: RetryPolicy) -> float:
    """Return the pause after try `number`: exponential, with jitter of a quarter either way."""
    pause = min(policy.first_pause * 2.0 ** (number - 1), policy.longest_pause)
    return float(pause * secrets.SystemRandom().uniform(0.75, 1.25))
