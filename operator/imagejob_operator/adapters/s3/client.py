"""The minio client of one store: credentials, addressing and trust.

Its defaults (timeouts of five minutes, ten connections, a region request per bucket) are replaced.
"""

from __future__ import annotations

import ssl

import urllib3
from minio import Minio
from minio.credentials.credentials import Credentials as MinioCredentials
from minio.credentials.providers import Provider

from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.ports.credentials import CredentialSource


def bucket_url(location: StoreLocation, endpoint: str) -> str:
    """The bucket's URL at an endpoint."""
    scheme = "https" if location.secure else "http"
    if location.virtual_host:
        return f"{scheme}://{location.bucket}.{endpoint}"
    return f"{scheme}://{endpoint}/{location.bucket}"


def open_pool(location: StoreLocation, size: int) -> urllib3.PoolManager:
    """A connection pool; redirects are not followed. ValueError if the CA bundle has no certificate."""
    retries = urllib3.Retry(
        total=2,
        redirect=0,
        backoff_factor=0.2,
        backoff_jitter=0.2,
        status_forcelist=[500, 502, 503, 504],
        # The last response is returned instead of an error: it says what is wrong.
        raise_on_status=False,
        raise_on_redirect=False,
        # Waiting as long as the store asks would block a thread; operations have their own backoff.
        respect_retry_after_header=False,
    )
    context = ssl.create_default_context(cadata=location.ca_bundle) if location.ca_bundle else None
    timeout = urllib3.Timeout(connect=3, read=15)
    return urllib3.PoolManager(
        maxsize=size, block=True, timeout=timeout, retries=retries, ssl_context=context
    )


def open_client(
    location: StoreLocation, endpoint: str, credentials: CredentialSource, pool: urllib3.PoolManager
) -> Minio:
    """A client of the store at one of its endpoints."""
    client = Minio(
        endpoint,
        credentials=_Provider(credentials),
        secure=location.secure,
        region=location.region,
        http_client=pool,
    )
    if location.virtual_host:
        client.enable_virtual_style_endpoint()  # type: ignore[no-untyped-call]
    else:
        client.disable_virtual_style_endpoint()  # type: ignore[no-untyped-call]
    return client


class _Provider(Provider):
    """Called before every request, so that renewed credentials are used at once."""

    def __init__(self, credentials: CredentialSource) -> None:
        self._credentials = credentials

    def retrieve(self) -> MinioCredentials:
        current = self._credentials()
        return MinioCredentials(current.access_key, current.secret_key, current.session_token or None)
