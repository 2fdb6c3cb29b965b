"""Signatures of the URLs and forms by which Pods reach the store. Only this run can sign."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode

from imagejob_operator.ports.clock import Clock
from imagejob_operator.ports.object_store import PostForm, SignedPuts

SIGNATURE = "X-Amz-Signature"
"""The parameter that an order appends to the URL of an output."""
EXPIRES, METHOD, SIZED = "expires", "method", "sized"
PREFIX, MAX_BYTES = "prefix", "max-bytes"


class AccessRefused(Exception):
    """A URL or a form does not allow the request; the message says why."""


class Signer:
    """Signs URLs and forms, and checks them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self.address = ""
        """Where the server listens, such as `http://127.0.0.1:12345`."""

    def sign(self, method: str, key: str, lifetime: timedelta) -> str:
        """A URL for one method and one object."""
        expires = self._expires(lifetime)
        query = {METHOD: method, EXPIRES: expires, SIGNATURE: self._mac(method, key, expires, "")}
        return f"{self.address}/{quote(key)}?{urlencode(query)}"

    def sign_puts(
        self, prefix: str, names: Sequence[str], lengths: Sequence[int], lifetime: timedelta
    ) -> SignedPuts:
        """URLs to PUT objects, each with one of some lengths."""
        expires = self._expires(lifetime)
        signatures = {
            name: tuple(self._mac("PUT", prefix + name, expires, str(length)) for length in lengths)
            for name in names
        }
        query = urlencode({METHOD: "PUT", EXPIRES: expires, SIZED: "1"})
        return SignedPuts(f"{self.address}/{quote(prefix)}", query, signatures)

    def sign_post(self, prefix: str, max_bytes: int, lifetime: timedelta) -> PostForm:
        """A form for uploads below a prefix."""
        expires, most = self._expires(lifetime), str(max_bytes)
        fields = {PREFIX: prefix, MAX_BYTES: most, EXPIRES: expires}
        fields[SIGNATURE] = self._mac("POST", prefix, expires, most)
        return PostForm(f"{self.address}/", fields, prefix)

    def check(self, method: str, key: str, query: Mapping[str, str], length: int | None) -> None:
        """Check the URL of a request with a body of `length` bytes; raises AccessRefused."""
        if query.get(METHOD) != method:
            raise AccessRefused("the URL is signed for another method")
        size = str(length) if SIZED in query else ""
        self._check(method, key, query, size)

    def check_form(self, key: str, fields: Mapping[str, str]) -> int:
        """Check a form and the key of its file; the most bytes that it allows. Raises AccessRefused."""
        prefix, most = fields.get(PREFIX, ""), fields.get(MAX_BYTES, "")
        self._check("POST", prefix, fields, most)
        if not key.startswith(prefix):
            raise AccessRefused(f"the form allows only keys below {prefix!r}")
        return int(most)

    def _check(self, method: str, key: str, signed: Mapping[str, str], size: str) -> None:
        expires = signed.get(EXPIRES, "")
        mac = self._mac(method, key, expires, size)
        if not hmac.compare_digest(mac.encode(), signed.get(SIGNATURE, "").encode()):
            raise AccessRefused("the signature does not match")
        if self._clock() >= datetime.fromisoformat(expires):
            raise AccessRefused("Request has expired")

    def _expires(self, lifetime: timedelta) -> str:
        return (self._clock() + lifetime).isoformat()

    def _mac(self, *parts: str) -> str:
        return hmac.new(self._secret, "\0".join(parts).encode(), hashlib.sha256).hexdigest()
