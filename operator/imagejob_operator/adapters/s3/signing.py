"""Signed URLs and forms for Pods, which have no credentials, at one endpoint of the store."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, urlencode, urlsplit

from imagejob_operator.adapters.s3 import headers
from imagejob_operator.adapters.s3.client import bucket_url, open_client
from imagejob_operator.adapters.s3.connections import BoundedPool
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.ports.credentials import Credentials, CredentialSource
from imagejob_operator.ports.object_store import PostForm, SignedPuts, StoreUnavailable

SHORTEST_URL = timedelta(seconds=15)
"""URLs that would expire sooner are not signed: no Pod could use them."""


class Signer:
    """Signs for one endpoint; see the methods of the port."""

    def __init__(
        self, location: StoreLocation, endpoint: str, credentials: CredentialSource, pool: BoundedPool
    ) -> None:
        self._bucket, self._region = location.bucket, location.region
        self._credentials = credentials
        self._longest_url = location.longest_url
        self._client = open_client(location, endpoint, credentials, pool)
        self.bucket_url = bucket_url(location, endpoint)

    def get(self, key: str, lifetime: timedelta) -> str:
        """A URL to GET an object."""
        return self._client.presigned_get_object(self._bucket, key, expires=self._limited(lifetime))

    def put(self, key: str, lifetime: timedelta) -> str:
        """A URL to PUT an object of any length."""
        return self._client.presigned_put_object(self._bucket, key, expires=self._limited(lifetime))

    def post(self, prefix: str, max_bytes: int, lifetime: timedelta) -> PostForm:
        """A form for objects below a prefix."""
        until = datetime.now(UTC) + self._limited(lifetime)
        policy = headers.post_policy(self._bucket, prefix, max_bytes, until)
        return PostForm(self.bucket_url, self._client.presigned_post_policy(policy), prefix)

    def puts(
        self, prefix: str, names: Sequence[str], lengths: Sequence[int], lifetime: timedelta
    ) -> SignedPuts:
        """URLs to PUT objects below a prefix.

        The header Content-Length is part of each signature, so a store accepts no other length.
        """
        expires = self._limited(lifetime)
        credentials, now = self._credentials(), datetime.now(UTC)
        # The client signs no headers, but knows how to address the bucket.
        url = urlsplit(self.put(prefix, lifetime))
        scope = f"{now:%Y%m%d}/{self._region}/s3/aws4_request"
        parameters = {
            "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
            "X-Amz-Credential": f"{credentials.access_key}/{scope}",
            "X-Amz-Date": f"{now:%Y%m%dT%H%M%SZ}",
            "X-Amz-Expires": str(int(expires.total_seconds())),
            **({"X-Amz-Security-Token": credentials.session_token} if credentials.session_token else {}),
            "X-Amz-SignedHeaders": "content-length;host",
        }
        query = urlencode(parameters, quote_via=quote, safe="~")
        key = _signing_key(credentials, now, self._region)

        def sign(name: str, length: int) -> str:
            request = (
                f"PUT\n{url.path}{quote(name, safe='~')}\n{query}\n"
                f"content-length:{length}\nhost:{url.netloc}\n\ncontent-length;host\nUNSIGNED-PAYLOAD"
            )
            digest = hashlib.sha256(request.encode()).hexdigest()
            text = f"AWS4-HMAC-SHA256\n{parameters['X-Amz-Date']}\n{scope}\n{digest}"
            return hmac.digest(key, text.encode(), "sha256").hex()

        signatures = {name: tuple(sign(name, length) for length in lengths) for name in names}
        return SignedPuts(f"{url.scheme}://{url.netloc}{url.path}", query, signatures)

    def _limited(self, lifetime: timedelta) -> timedelta:
        """The lifetime, limited by that of the credentials and by the store's own limit."""
        until = self._credentials().expires_at
        left = until - datetime.now(UTC) if until else lifetime
        if until and left < SHORTEST_URL:
            raise StoreUnavailable("the store's temporary credentials have expired, or are about to")
        return min(lifetime, left, self._longest_url)


def _signing_key(credentials: Credentials, now: datetime, region: str) -> bytes:
    key = f"AWS4{credentials.secret_key}".encode()
    for part in (f"{now:%Y%m%d}", region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
