"""ImageStores on the API server: their status, and the objects that they refer to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from imagejob_operator.api.imagestore import ImageStore, StoreStatus, WebIdentity
from imagejob_operator.api.imagestore_status import StoreReason
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.ports.credentials import Credentials, CredentialSource
from imagejob_operator.ports.object_store import ObjectStore


class NotUsable(Exception):
    """Something that an ImageStore refers to cannot be used; the message says what to do, without secrets."""

    def __init__(self, reason: StoreReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ImageStores(Protocol):
    """Every call ends within a bounded time, and raises a JobsError if the API server does not answer."""

    async def write_status(self, store: ImageStore, status: StoreStatus) -> ImageStore:
        """Write the status; the ImageStore after it. Conflict if it has changed, Gone if it is gone."""

    async def secret(self, namespace: str, name: str) -> Mapping[str, str]:
        """The entries of a Secret; NotUsable if it does not exist or may not be read."""

    async def config_map(self, namespace: str, name: str) -> Mapping[str, str]:
        """The entries of a ConfigMap; NotUsable as above."""

    async def token(self, namespace: str, account: str, audience: str) -> str:
        """A token of a ServiceAccount, valid for some minutes; NotUsable as above."""


class OpenStore(ObjectStore, Protocol):
    """The open store of an ImageStore."""

    def close(self) -> None:
        """Stop its threads and close its connections."""


Open = Callable[[StoreLocation, CredentialSource], OpenStore]
"""Opens a store without a request; OSError or ValueError if its CA bundle is invalid."""


class Exchange(Protocol):
    """Exchanges tokens for temporary credentials."""

    async def __call__(self, identity: WebIdentity, token: str, secure: bool, ca_bundle: str) -> Credentials:
        """Exchange a token; NotUsable if it is refused, or the service does not answer."""
