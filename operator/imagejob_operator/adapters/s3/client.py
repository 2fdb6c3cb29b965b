"""The minio client, made for one address: its credentials of the moment, its addressing, whom it trusts.

Its defaults (timeouts of five minutes, a pool of ten connections, a region look-up per bucket) are replaced.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import timedelta

import urllib3
from minio import Minio
from minio.credentials.credentials import Credentials as MinioCredentials
from minio.credentials.providers import Provider

from imagejob_operator.ports.credentials import CredentialSource

LONGEST = timedelta(days=7)
"""S3's own limit on a signed URL."""


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Where a bucket is, and how it is spoken to."""

    endpoint: str
    """`host:port` that the operator uses."""
    bucket: str
    secure: bool = True
    region: str = "us-east-1"
    pod_endpoint: str = ""
    """`host:port` that the Pods use, if it is another one."""
    virtual_host: bool = False
    """Whether the bucket is a part of the host's name instead of the path."""
    ca_bundle: str = ""
    """PEM certificates of the authorities that sign the store's one; the system's if empty."""
    longest_url: timedelta = LONGEST
    """No URL is signed for longer."""

    def url(self, endpoint: str) -> str:
        """The bucket's own URL at an endpoint."""
        scheme = "https" if self.secure else "http"
        if self.virtual_host:
            return f"{scheme}://{self.bucket}.{endpoint}"
        return f"{scheme}://{endpoint}/{self.bucket}"


def connections(address: StoreAddress, most: int) -> urllib3.PoolManager:
    """At most so many connections to one address; redirects are not followed.

    Raises:
        ValueError: `address.ca_bundle` holds no certificate.
    """
    retries = urllib3.Retry(
        total=2,
        redirect=0,
        backoff_factor=0.2,
        backoff_jitter=0.2,
        status_forcelist=[500, 502, 503, 504],
        # The last answer is given back, not only that there were too many: it says what is wrong.
        raise_on_status=False,
        raise_on_redirect=False,
        # A pause that the store asks for would hold a thread; operations have pauses of their own.
        respect_retry_after_header=False,
    )
    timeout = urllib3.Timeout(connect=3, read=15)
    if not address.ca_bundle:
        return urllib3.PoolManager(maxsize=most, block=True, timeout=timeout, retries=retries)
    context = ssl.create_default_context(cadata=address.ca_bundle)
    return urllib3.PoolManager(
        maxsize=most, block=True, timeout=timeout, retries=retries, ssl_context=context
    )


def client(
    address: StoreAddress, endpoint: str, credentials: CredentialSource, http: urllib3.PoolManager
) -> Minio:
    """A client of the address, or of the same store at another endpoint."""
    made = Minio(
        endpoint,
        credentials=_Source(credentials),
        secure=address.secure,
        region=address.region,
        http_client=http,
    )
    if address.virtual_host:
        made.enable_virtual_style_endpoint()  # type: ignore[no-untyped-call]
    else:
        made.disable_virtual_style_endpoint()  # type: ignore[no-untyped-call]
    return made


class _Source(Provider):
    """Asked before every request, so that new credentials count from the next one on."""

    def __init__(self, credentials: CredentialSource) -> None:
        self._credentials = credentials

    def retrieve(self) -> MinioCredentials:
        now = self._credentials()
        return MinioCredentials(now.access_key, now.secret_key, now.session_token or None)
