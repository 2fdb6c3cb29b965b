"""Buckets of tenants in memory, and what their ImageStores refer to."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from fakes.hooks import Hooks
from fakes.memory_store import MemoryStore
from imagejob_operator.api.imagejob import Key
from imagejob_operator.api.imagestore import ImageStore, StoreStatus, WebIdentity, parse_store
from imagejob_operator.api.imagestore_status import StoreReason
from imagejob_operator.api.store_location import StoreLocation
from imagejob_operator.ports.credentials import Credentials, CredentialSource
from imagejob_operator.ports.imagejobs import Conflict, Gone
from imagejob_operator.ports.imagestores import NotUsable
from imagejob_operator.ports.object_store import BucketMissing, StoreDenied
from imagejob_operator.stores.allowed_endpoints import AllowedEndpoint

ENDPOINT = "store.example"
ALLOWED = (AllowedEndpoint(ENDPOINT, 443, True),)


def image_store(
    name: str = "media", namespace: str = "shop", uid: str = "", generation: int = 1, **spec: Any
) -> ImageStore:
    """An ImageStore of a bucket that is called like its namespace."""
    wanted = {
        "endpoint": ENDPOINT,
        "bucket": namespace,
        "auth": {"secretRef": {"name": "keys"}},
        **spec,
    }
    metadata = {
        "namespace": namespace,
        "name": name,
        "uid": uid or f"uid-of-{namespace}-{name}",
        "resourceVersion": "1",
        "generation": generation,
    }
    return parse_store({"metadata": metadata, "spec": wanted})


@dataclass
class Bucket:
    """One bucket, and who may use it."""

    store: MemoryStore
    keys: set[tuple[str, str]] = field(default_factory=set)


class LockedStore(MemoryStore):
    """A bucket as somebody with credentials sees it."""

    def __init__(self, bucket: Bucket, credentials: CredentialSource, clock: Callable[[], datetime]) -> None:
        super().__init__(clock)
        self.objects = bucket.store.objects
        self.name = bucket.store.name
        self.closed = False
        outer = bucket.store.hooks
        inner = self.hooks.before

        async def before(operation: str, about: str) -> None:
            now = credentials()
            if (now.access_key, now.secret_key) not in bucket.keys:
                raise StoreDenied("InvalidAccessKeyId: the key is not known")
            await outer.before(operation, about)
            await inner(operation, about)

        self.hooks.before = before  # type: ignore[method-assign]

    def close(self) -> None:
        self.closed = True


class MemoryStores:
    """ImageStores on an API server, what opens their buckets, and a token service."""

    def __init__(self, clock: Callable[[], datetime], own: MemoryStore | None = None) -> None:
        self._clock = clock
        self.own = own or MemoryStore(clock)
        """The operator's own bucket."""
        self.hooks = Hooks()
        """What is asked of the API server and the token service."""
        self.declared: dict[Key, ImageStore] = {}
        """The ImageStores that a watch delivers."""
        self.on_store: Callable[[ImageStore, bool], None] = lambda store, gone: None
        self.buckets: dict[str, Bucket] = {}
        self.secrets: dict[tuple[str, str], dict[str, str]] = {}
        self.config_maps: dict[tuple[str, str], dict[str, str]] = {}
        self.accounts: set[tuple[str, str]] = set()
        """Namespaces and names of ServiceAccounts."""
        self.permitted = True
        self.statuses: dict[str, StoreStatus] = {}
        self.gone: set[str] = set()
        self._versions = itertools.count(1)
        self.opened: list[LockedStore] = []
        self.issued = Credentials("temporary", "t", "session", None)

    def bucket(self, name: str = "shop", *keys: str) -> Bucket:
        """A bucket that such access keys may use, each with its own name as the secret one."""
        made = self.buckets.setdefault(name, Bucket(MemoryStore(self._clock)))
        made.store.name = name
        self.own.neighbours[name] = made.store
        made.keys |= {(key, f"secret-of-{key}") for key in keys}
        return made

    def secret_of(self, access: str, namespace: str = "shop", name: str = "keys") -> None:
        """A Secret with credentials."""
        self.secrets[namespace, name] = {"access-key": access, "secret-key": f"secret-of-{access}"}

    def declare(self, store: ImageStore) -> ImageStore:
        """Have a user apply an ImageStore; it as it is then, of a version of its own."""
        store = replace(store, resource_version=str(next(self._versions)))
        self.declared[store.key] = store
        self.on_store(store, False)
        return store

    def remove(self, key: Key) -> None:
        """Have a user delete an ImageStore."""
        store = self.declared.pop(key)
        self.gone.add(store.uid)
        self.on_store(store, True)

    def listed(self) -> list[ImageStore]:
        """The result of listing the ImageStores."""
        return list(self.declared.values())

    # --- the opener ---------------------------------------------------------------------------------------

    def open(self, location: StoreLocation, credentials: CredentialSource) -> LockedStore:
        if location.ca_bundle == "broken":
            raise ValueError("no certificate")
        return self.open_bucket(location.bucket, credentials)

    def open_bucket(self, name: str, credentials: CredentialSource) -> LockedStore:
        """A bucket, whatever leads to it."""
        bucket = self.buckets.get(name)
        if bucket is None:
            bucket = Bucket(MemoryStore(self._clock))
            bucket.store.hooks.fail(BucketMissing("NoSuchBucket: there is none"), "folders")
            bucket.keys = _Everybody()
        self.opened.append(LockedStore(bucket, credentials, self._clock))
        return self.opened[-1]

    async def exchange(self, identity: WebIdentity, token: str, secure: bool, ca_bundle: str) -> Credentials:
        await self.hooks.before("exchange", identity.service_account_name)
        if token != f"token of {identity.service_account_name} for {identity.audience}":
            raise NotUsable(StoreReason.IDENTITY_REFUSED, "the token is refused")
        return self.issued

    # --- the API server -----------------------------------------------------------------------------------

    async def write_status(self, store: ImageStore, status: StoreStatus) -> ImageStore:
        await self.hooks.before("write_store_status", str(store.key))
        if store.uid in self.gone and store.key not in self.declared:
            raise Gone("it is gone")
        there = self.declared.get(store.key, store)
        if (there.uid, there.resource_version) != (store.uid, store.resource_version):
            raise Conflict("it is another one by now")
        self.statuses[store.uid] = status
        after = replace(store, status=status)
        if store.key in self.declared:
            after = self.declare(after)
        await self.hooks.after("write_store_status", str(store.key))
        return after

    async def secret(self, namespace: str, name: str) -> Mapping[str, str]:
        await self.hooks.before("secret", name)
        return self._refer(self.secrets, namespace, name, StoreReason.SECRET_NOT_FOUND)

    async def config_map(self, namespace: str, name: str) -> Mapping[str, str]:
        await self.hooks.before("config_map", name)
        return self._refer(self.config_maps, namespace, name, StoreReason.CONFIG_MAP_NOT_FOUND)

    def _refer(
        self,
        there: Mapping[tuple[str, str], Mapping[str, str]],
        namespace: str,
        name: str,
        missing: StoreReason,
    ) -> Mapping[str, str]:
        if not self.permitted:
            raise NotUsable(StoreReason.NOT_PERMITTED, "apply the Role")
        if (namespace, name) not in there:
            raise NotUsable(missing, f"there is no {name}")
        return there[namespace, name]

    async def token(self, namespace: str, account: str, audience: str) -> str:
        await self.hooks.before("token", account)
        if not self.permitted:
            raise NotUsable(StoreReason.NOT_PERMITTED, "apply the Role")
        if (namespace, account) not in self.accounts:
            raise NotUsable(StoreReason.SERVICE_ACCOUNT_NOT_FOUND, f"there is no {account}")
        return f"token of {account} for {audience}"


class _Everybody(set[tuple[str, str]]):
    def __contains__(self, item: object) -> bool:
        return True
