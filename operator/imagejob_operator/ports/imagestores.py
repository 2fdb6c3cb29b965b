"""ImageStores on the API server: their status, and what they refer to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from imagejob_operator.api.imagestore import ImageStore, StoreStatus, WebIdentity
from imagejob_operator.api.imagestore_status import StoreReason
from imagejob_operator.api.store_location import Location
from imagejob_operator.ports.credentials import Credentials, CredentialSource
from imagejob_operator.ports.object_store import ObjectStore


class NotUsable(Exception):
    """What a store refers to cannot be used; the message says why, what to do, and holds no secret."""

    def __init__(self, reason: StoreReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ImageStores(Protocol):
    """Every call ends within a bounded time and raises a JobsError if there is no answer."""

    async def write_status(self, store: ImageStore, status: StoreStatus) -> ImageStore:
        """Write the status; the store as it is then. Conflict if it has changed, Gone if it is gone."""
        ...

    async def secret(self, namespace: str, name: str) -> Mapping[str, str]:
        """The entries of a Secret; NotUsable if there is none, or we may not read it."""
        ...

    async def config_map(self, namespace: str, name: str) -> Mapping[str, str]:
        """The entries of a ConfigMap; NotUsable as above."""
        ...

    async def token(self, namespace: str, account: str, audience: str) -> str:
        """A token of a ServiceAccount that lives for some minutes; NotUsable as above."""
        ...


class OpenStore(ObjectStore, Protocol):
    """An object store that was opened for an ImageStore."""

    def close(self) -> None:
        """End its threads and connections."""
        ...


Open = Callable[[Location, CredentialSource], OpenStore]
"""Opens a store without asking it anything; NotUsable if its authorities are no certificates."""


class Exchange(Protocol):
    """Tokens for temporary credentials."""

    async def __call__(self, identity: WebIdentity, token: str, secure: bool, ca_bundle: str) -> Credentials:
        """Exchange a token; NotUsable if it is refused, or there is no answer."""
        ...
