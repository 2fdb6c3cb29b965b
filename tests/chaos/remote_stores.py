"""Object stores and ImageStores, as the operator in a child process reaches them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chaos.link import Call, Link, Remote
from fakes.memory_store import MemoryStore
from fakes.memory_stores import LockedStore, MemoryStores
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.ports.credentials import Credentials, CredentialSource
from imagejob_operator.ports.object_store import StoredObject

OWN = "store"
"""The operator's own store, as the target of a call."""
TENANT = "bucket"
TENANT_PREFIX = "here/"
"""The prefix of every ImageStore."""


@dataclass(frozen=True)
class Body:
    """The content of an object, read when the call is carried out."""

    target: str
    source: StoredObject


class RemoteStore(Remote):
    """One bucket."""

    def __init__(self, link: Link, target: str = OWN) -> None:
        super().__init__(link, target, MemoryStore)
        self.name = target

    def reader(self, source: StoredObject) -> Body:
        return Body(self._target, source)

    def place(self, prefix: str) -> str:
        return f"memory://{self.name}/{prefix}"


class RemoteBucket(RemoteStore):
    """A tenant's bucket: each request has the credentials of the time when it is made."""

    def __init__(self, link: Link, location: StoreLocation, credentials: CredentialSource) -> None:
        super().__init__(link, TENANT)
        self._location, self._credentials = location, credentials

    def made(self, method: str, arguments: tuple[Any, ...], words: dict[str, Any]) -> Call:
        now = self._credentials()
        self._target = target_of(self._location.bucket, now.access_key, now.secret_key)
        return super().made(method, arguments, words)

    def close(self) -> None:
        """Nothing is open on this end."""


def target_of(bucket: str, access_key: str, secret_key: str) -> str:
    return " ".join((TENANT, bucket, access_key, secret_key))


def opened(stores: MemoryStores, target: str) -> LockedStore:
    """The bucket of a call, with the credentials of the call."""
    _, bucket, access_key, secret_key = target.split(" ")
    return stores.open_bucket(bucket, lambda: Credentials(access_key, secret_key))


class RemoteStores(Remote):
    """See MemoryStores."""

    def __init__(self, link: Link) -> None:
        super().__init__(link, "stores", MemoryStores)
        self.own = RemoteStore(link)

    def open(self, location: StoreLocation, credentials: CredentialSource) -> RemoteBucket:
        return RemoteBucket(self._link, location, credentials)
