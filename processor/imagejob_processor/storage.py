"""Storage: the four requests a Pod makes, by presigned URL. Bounded in time, size and tries.

Every try is a whole new request from bytes in memory, never the rest of an old one. What the store
answers becomes one of a few verdicts: this item failed, this order expired, the store is unavailable.
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
from urllib3.exceptions import HTTPError, LocationValueError
from urllib3.filepost import encode_multipart_formdata

from imagejob_contract.order import MAX_ORDER_BYTES, Upload
from imagejob_contract.result import ItemCode
from imagejob_processor.errors import BadOrder, ItemFailure, OrderExpired, StoreUnavailable, describe

_T = TypeVar("_T")
_CHUNK = 256 * 1024
_ERROR_BYTES = 16 * 1024
_TRANSIENT = frozenset({408, 409, 425, 429, *range(500, 600)})
_UNKNOWN_SIGNER = {b"InvalidAccessKeyId", b"ExpiredToken", b"InvalidToken"}
_ERROR_PARTS = re.compile(rb"<(Code|Message)>([^<]{1,300})</")


@dataclass(frozen=True)
class Patience:
    """How long to insist: tries, seconds within which a new one may start, first pause and longest one.

    `pause` is called with seconds to wait; `transfer` is the longest that one request may take.
    """

    tries: int = 5
    seconds: float = 30.0
    first_pause: float = 0.5
    longest_pause: float = 8.0
    transfer: float = 120.0
    pause: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class _Answer:
    """Status and body; of a failure only the beginning of the body."""

    status: int
    body: bytes

    def explain(self) -> str:
        """Say what the store said, without what it repeats of our request."""
        parts = [text.decode(errors="replace") for _, text in _ERROR_PARTS.findall(self.body)]
        return f"HTTP {self.status}" + (f" {': '.join(parts)}" if parts else "")

    @property
    def expired(self) -> bool:
        """Whether the store refuses because our URL is too old, or who signed it is not known any more."""
        codes = {value for name, value in _ERROR_PARTS.findall(self.body) if name == b"Code"}
        unknown = bool(codes & _UNKNOWN_SIGNER) or b"expired" in self.body.lower()
        return self.status in (400, 401, 403) and unknown


class _Transient(Exception):
    """Trying again may help."""


class _TooLong(Exception):
    """The body has more bytes than wanted; the argument is how many at least."""


class Store:
    """The object store as a Pod sees it. Safe to use from several threads.

    `ca_bundle` are PEM certificates of the authorities that sign the store's one; the system's if empty.
    """

    def __init__(self, patience: Patience | None = None, connections: int = 8, ca_bundle: str = "") -> None:
        self._patience = patience or Patience()
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
            OrderExpired: The store refuses the URL.
            BadOrder: It is not there, or too long.
            StoreUnavailable: No answer in time.
        """
        try:
            answer = self._persist("the order", lambda: self._get(url, {}, MAX_ORDER_BYTES))
        except _TooLong as error:
            raise BadOrder(f"the order has {error} bytes or more, over {MAX_ORDER_BYTES}") from None
        if answer.status == 200:
            return answer.body
        if answer.status == 403 or answer.expired:
            raise OrderExpired(f"the order cannot be read any more: {answer.explain()}")
        raise BadOrder(f"the order cannot be read: {answer.explain()}")

    def get_source(self, url: str, etag: str, most: int) -> bytes:
        """Fetch a source of at most `most` bytes, if it still is the one with `etag`.

        Raises:
            ItemFailure: IMG_002 (too long), IMG_004 (changed), IMG_010 (gone).
            OrderExpired: The URL is too old.
            StoreUnavailable: No useful answer: not the item's fault.
        """
        headers = {"If-Match": etag if etag.startswith('"') else f'"{etag}"'} if etag else {}
        try:
            answer = self._persist("a source", lambda: self._get(url, headers, most))
        except _TooLong as error:
            message = f"at least {error} bytes, over the limit of {most} (limits.itemSize)"
            raise ItemFailure(ItemCode.TOO_LARGE, message) from None
        if answer.status == 200:
            return answer.body
        if answer.status == 412:
            raise ItemFailure(ItemCode.SOURCE_CHANGED, f"the source is no longer the one with ETag {etag}")
        if answer.status == 404:
            raise ItemFailure(ItemCode.SOURCE_MISSING, f"the source is gone: {answer.explain()}")
        _raise_if_expired("a source", answer)
        raise StoreUnavailable(f"a source cannot be read: {answer.explain()}")

    def post_output(self, upload: Upload, key: str, content_type: str, data: bytes) -> None:
        """Store an output under its key.

        Raises:
            ItemFailure: IMG_006.
            OrderExpired: The policy is too old.
        """
        fields: list[tuple[str, str | tuple[str, bytes, str]]] = [*upload.fields.items()]
        fields += [("key", key), ("Content-Type", content_type)]
        name = key.rpartition("/")[2]
        # S3 ignores whatever comes after the file.
        fields.append(("file", (name, data, content_type)))
        body, form_type = encode_multipart_formdata(fields)
        headers = {"Content-Type": form_type}
        try:
            answer = self._persist(name, lambda: self._send("POST", upload.url, body, headers))
        except StoreUnavailable as error:
            raise ItemFailure(ItemCode.WRITE_FAILED, f"output cannot be stored: {error}") from error
        _raise_if_expired("an output", answer)
        if answer.status not in (200, 201, 204):
            message = f"output {name} is refused: {answer.explain()}"
            raise ItemFailure(ItemCode.WRITE_FAILED, message)

    def put_result(self, url: str, data: bytes) -> bool:
        """Store the result unless there is one; tells whether it was ours that was stored.

        False may also mean that an earlier try of ours got through unnoticed: either way one is there.

        Raises:
            OrderExpired: The URL is too old.
            StoreUnavailable: It cannot be stored.
        """
        headers = {"If-None-Match": "*", "Content-Type": "application/json"}
        answer = self._persist("the result", lambda: self._send("PUT", url, data, headers))
        _raise_if_expired("the result", answer)
        if answer.status == 412:
            return False
        if answer.status not in (200, 201, 204):
            raise StoreUnavailable(f"the result is refused: {answer.explain()}")
        return True

    def _persist(self, what: str, attempt: Callable[[], _Answer]) -> _Answer:
        """Try until there is an answer that will not change.

        Raises:
            StoreUnavailable: AttemptCounts or time are used up.
        """
        patience = self._patience
        started = time.monotonic()
        for number in range(1, patience.tries + 1):
            try:
                return attempt()
            except _Transient as error:
                cause = str(error)
            pause = _backoff(number, patience)
            spent = time.monotonic() - started
            if number == patience.tries or spent + pause > patience.seconds:
                break
            patience.pause(pause)
        raise StoreUnavailable(f"{what}: {cause} ({number} tries in {spent:.0f} s)")

    def _get(self, url: str, headers: Mapping[str, str], most: int) -> _Answer:
        return self._request("GET", url, headers, None, most)

    def _send(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> _Answer:
        return self._request(method, url, headers, body, _ERROR_BYTES)

    def _request(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, most: int
    ) -> _Answer:
        """Make one request and read its whole body, unless that has more than `most` bytes."""
        if not url.startswith(("http://", "https://")):
            raise BadOrder("the order has a URL that is neither http nor https")
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
            answer = self._read(response, most)
        except LocationValueError as error:
            raise BadOrder(f"the order has a URL that is none ({type(error).__name__})") from None
        except (HTTPError, OSError) as error:
            raise _Transient(describe(error)) from error
        if answer.status in _TRANSIENT:
            raise _Transient(answer.explain())
        return answer

    def _read(self, response: urllib3.BaseHTTPResponse, most: int) -> _Answer:
        """Read a body; never more than one chunk over `most`, whatever Content-Length says."""
        deadline = time.monotonic() + self._patience.transfer
        good = response.status == 200
        limit = most if good else _ERROR_BYTES
        content = bytearray()
        try:
            while chunk := response.read(_CHUNK):
                content += chunk
                if len(content) > limit:
                    break
                if time.monotonic() > deadline:
                    raise _Transient(f"only {len(content)} bytes in {self._patience.transfer:.0f} s")
            else:
                response.release_conn()
                return _Answer(response.status, bytes(content))
        finally:
            if response.connection is not None:
                response.close()
        if good:
            raise _TooLong(len(content))
        return _Answer(response.status, bytes(content[:limit]))


def _raise_if_expired(what: str, answer: _Answer) -> None:
    if answer.expired:
        raise OrderExpired(f"the URL for {what} has expired: {answer.explain()}")


def _backoff(number: int, patience: Patience) -> float:
    """Pause after try `number`, doubling, with jitter of a quarter either way."""
    pause = min(patience.first_pause * 2.0 ** (number - 1), patience.longest_pause)
    return float(pause * secrets.SystemRandom().uniform(0.75, 1.25))
