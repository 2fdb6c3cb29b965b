"""The store of an ImageStore, opened over the minio client."""

from __future__ import annotations

from datetime import timedelta

from imagejob_operator.adapters.s3.client import StoreAddress
from imagejob_operator.adapters.s3.store import Observe, S3Store
from imagejob_operator.api.imagestore_status import StoreReason
from imagejob_operator.api.store_location import Location
from imagejob_operator.ports.credentials import CredentialSource
from imagejob_operator.ports.imagestores import NotUsable


def open_store(location: Location, credentials: CredentialSource, observe: Observe) -> S3Store:
    """See the port."""
    address = StoreAddress(
        endpoint=location.endpoint,
        bucket=location.bucket,
        secure=location.secure,
        region=location.region,
        pod_endpoint=location.pod_endpoint,
        virtual_host=location.virtual_host,
        ca_bundle=location.ca_bundle,
        longest_url=timedelta(seconds=location.longest_url_seconds),
    )
    try:
        return S3Store(address, credentials, observe)
    except (OSError, ValueError) as error:
        text = f"spec.tls: the authorities are no PEM certificates: {error}"
        raise NotUsable(StoreReason.CA_BUNDLE_INVALID, text) from None
