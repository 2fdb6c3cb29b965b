"""Opens the store of an ImageStore."""

from __future__ import annotations

from imagejob_operator.adapters.s3.store import Observe, S3Store
from imagejob_operator.api.imagestore_status import StoreReason
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.ports.credentials import CredentialSource
from imagejob_operator.ports.imagestores import NotUsable


def open_store(location: StoreLocation, credentials: CredentialSource, observe: Observe) -> S3Store:
    """See the port."""
    try:
        return S3Store(location, credentials, observe)
    except (OSError, ValueError) as error:
        text = f"spec.tls: the CA bundle is not in PEM format: {error}"
        raise NotUsable(StoreReason.CA_BUNDLE_INVALID, text) from None
