"""The minio client of one store: credentials, addressing and trust.

Its defaults (timeouts of five minutes, a region request per bucket, answers of any length) are replaced.
"""

from __future__ import annotations

from minio import Minio
from minio.credentials.credentials import Credentials as MinioCredentials
from minio.credentials.providers import Provider

from imagejob_operator.adapters.s3.connections import BoundedPool
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.ports.credentials import CredentialSource


def bucket_url(location: StoreLocation, endpoint: str) -> str:
    """The bucket's URL at an endpoint."""
    scheme = "https" if location.secure else "http"
    if location.virtual_host:
        return f"{scheme}://{location.bucket}.{endpoint}"
    return f"{scheme}://{endpoint}/{location.bucket}"


def open_client(
    location: StoreLocation, endpoint: str, credentials: CredentialSource, pool: BoundedPool
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
