"""HTTP requests of a Pod by presigned URL, each bounded in time, size and tries."""

from __future__ import annotations

import itertools
import re
import secrets
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

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

from imagejob_processor.errors import THE_ORDER, BadOrder, StoreUnavailable

Body = bytes | Iterator[bytes]
CHUNK = 256 * 1024
_ERROR_BYTES = 16 * 1024
_TRANSIENT = frozenset({408, 409, 425, 429, *range(500, 600)} - {501})
_UNKNOWN_SIGNER = {b"InvalidAccessKeyId", b"ExpiredToken", b"InvalidToken"}
_REFUSED = {b"AccessDenied", b"AllAccessDisabled", b"InvalidObjectState", b"InvalidRequest"}
"""Denied by a policy, archived, or encrypted with a key that the request does not have."""
_FULL = {b"QuotaExceeded", b"XMinioAdminBucketQuotaExceeded"}
"""Of the quota of a bucket; a store whose disks are full answers 507."""
_REMEDIES = {
    b"AccessDenied": "allow access to it",
    b"AllAccessDisabled": "allow access to it",
    b"InvalidObjectState": "restore it from the archive",
}
"""What makes a refused object one that can be read."""
_ERROR_PARTS = re.compile(rb"<(Code|Message)>([^<]{1,300})</")


@dataclass(frozen=True)
class RetryPolicy:
    """How often a request is tried.

    Attributes:
        tries: How many times, at most.
        first_tries: The same until the store has answered once: behind an injected sidecar, the network of a
            Pod may be ready only after seconds.
        seconds: No new try starts later than this.
        first_pause: Seconds between the first two tries; doubled after each.
        longest_pause: Limit of the pause in seconds.
        transfer: Time limit of one response body in seconds.
        pause: Waits so many seconds.
    """

    tries: int = 5
    first_tries: int = 10
    seconds: float = 30.0
    first_pause: float = 0.5
    longest_pause: float = 8.0
    transfer: float = 120.0
    pause: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Response:
    """Status and body; of an error only the beginning of the body."""

    status: int
    body: bytes

    def describe(self) -> str:
        """Return the status with S3's error code and message."""
        parts = [text.decode(errors="replace") for _, text in _ERROR_PARTS.findall(self.body)]
        return f"HTTP {self.status}" + (f" {': '.join(parts)}" if parts else "")

    @property
    def _codes(self) -> set[bytes]:
        return {value for name, value in _ERROR_PARTS.findall(self.body) if name == b"Code"}

    @property
    def refuses_object(self) -> bool:
        """Whether the store refuses this object, and may allow others."""
        about_it = bool(self._codes & _REFUSED) or any(code.startswith(b"KMS.") for code in self._codes)
        return self.status in (400, 403) and about_it and not self.expired

    @property
    def full(self) -> bool:
        """Whether the store has no space left."""
        return self.status == 507 or bool(self._codes & _FULL)

    @property
    def remedy(self) -> str:
        """What makes a refused object one that can be read; empty for other codes."""
        found = (text for code, text in _REMEDIES.items() if code in self._codes)
        return next((f"; {text}" for text in found), "")

    @property
    def expired(self) -> bool:
        """Whether the URL has expired, or the credentials that signed it have."""
        expired = bool(self._codes & _UNKNOWN_SIGNER) or b"expired" in self.body.lower()
        return self.status in (400, 401, 403) and expired


class _TransientError(Exception):
    """Another try may succeed."""


class BodyTooLarge(Exception):
    """The body is over its size limit; the argument is how many bytes were read."""


class Transport:
    """Sends requests. Safe to use from several threads; see `storage.Store` for its arguments."""

    def __init__(self, retry_policy: RetryPolicy | None, connections: int, ca_bundle: str) -> None:
        self._retry_policy = retry_policy or RetryPolicy()
        self._answered = False
        """Whether the store has answered a request."""
        context = ssl.create_default_context(cadata=ca_bundle) if ca_bundle else None
        if context:
            # Private authorities often lack fields that Python 3.13 asks for by default.
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        self._http = urllib3.PoolManager(
            maxsize=connections,
            retries=False,
            ssl_context=context,
            timeout=urllib3.Timeout(connect=5, read=20),
            headers={"User-Agent": "imagejob-processor", "Accept-Encoding": "identity"},
        )

    def get(self, what: str, url: str, headers: Mapping[str, str], max_bytes: int) -> Response:
        """GET a URL.

        Raises:
            BodyTooLarge: The body is longer than `max_bytes`.
            StoreUnavailable: No response in time.
        """
        return self._with_retries(what, lambda: self._request("GET", url, headers, None, max_bytes))

    def send(
        self, what: str, method: str, url: str, body: Callable[[], Body], headers: Mapping[str, str]
    ) -> Response:
        """Send a body, a new one for each try; one without a length needs the header Content-Length.

        Raises:
            StoreUnavailable: No response in time.
        """
        return self._with_retries(what, lambda: self._request(method, url, headers, body(), _ERROR_BYTES))

    def _with_retries(self, what: str, request: Callable[[], Response]) -> Response:
        """Repeat a request until the response is final.

        Raises:
            StoreUnavailable: AttemptCounts or time are used up.
        """
        policy = self._retry_policy
        started = time.monotonic()
        for number in itertools.count(1):
            try:
                return request()
            except _TransientError as error:
                cause = str(error)
            pause = _backoff(number, policy)
            spent = time.monotonic() - started
            tries = policy.tries if self._answered else policy.first_tries
            if number >= tries or spent + pause > policy.seconds:
                break
            policy.pause(pause)
        raise StoreUnavailable(f"the request for {what} failed: {cause} ({number} tries in {spent:.0f} s)")

    def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: Body | None,
        max_bytes: int,
    ) -> Response:
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
            self._answered = True
            received = self._read(response, max_bytes)
        except LocationValueError:
            raise BadOrder(f"a URL in {THE_ORDER} is invalid") from None
        except (HTTPError, OSError) as error:
            raise _TransientError(_describe(error)) from error
        if received.status in _TRANSIENT:
            raise _TransientError(received.describe())
        return received

    def _read(self, response: urllib3.BaseHTTPResponse, max_bytes: int) -> Response:
        """Read a body of at most `max_bytes` bytes, plus one chunk, whatever Content-Length says."""
        deadline = time.monotonic() + self._retry_policy.transfer
        ok = response.status == 200
        limit = max_bytes if ok else _ERROR_BYTES
        content = bytearray()
        try:
            while chunk := response.read(CHUNK):
                content += chunk
                if len(content) > limit:
                    break
                if time.monotonic() > deadline:
                    raise _TransientError(f"only {len(content)} bytes in {self._retry_policy.transfer:.0f} s")
            else:
                response.release_conn()
                return Response(response.status, bytes(content))
        finally:
            if response.connection is not None:
                response.close()
        if ok:
            raise BodyTooLarge(len(content))
        return Response(response.status, bytes(content[:limit]))


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


def _backoff(number: int, policy: RetryPolicy) -> float:
    """Return the pause after try `number`: exponential, with jitter of a quarter either way."""
    pause = min(policy.first_pause * 2.0 ** (number - 1), policy.longest_pause)
    return float(pause * secrets.SystemRandom().uniform(0.75, 1.25))
