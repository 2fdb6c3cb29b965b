"""Opening the store of an ImageStore, with its authorities and credentials as they are now."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from imagejob_operator.api.imagejob import Key
from imagejob_operator.api.imagestore import ImageStore, InvalidStore, StoreSpec
from imagejob_operator.api.imagestore_status import StoreReason
from imagejob_operator.api.store_location import Location, locate
from imagejob_operator.ports.credentials import Credentials
from imagejob_operator.ports.imagejobs import JobsError
from imagejob_operator.ports.imagestores import Exchange, ImageStores, NotUsable, Open, OpenStore
from imagejob_operator.ports.object_store import StoreUnavailable
from imagejob_operator.stores.allowed_endpoints import AllowedEndpoint, refused_endpoint

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Held:
    """A credential source that is given others from time to time; they are held in memory only."""

    value: Credentials
    version: int = 0

    def __call__(self) -> Credentials:
        """The credentials of now."""
        return self.value

    def seen(self) -> int:
        """Which credentials count now."""
        return self.version

    def give(self, value: Credentials) -> None:
        """From now on these count."""
        if value != self.value:
            self.value = value
            self.version += 1


@dataclass(slots=True)
class OpenedStore:
    """The store of one ImageStore, open."""

    key: Key
    spec: StoreSpec
    location: Location
    store: OpenStore
    held: Held
    gone: bool = False
    """Whether its ImageStore was deleted."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Connector:
    """Opens stores, and gives open ones the credentials that count now."""

    def __init__(
        self,
        image_stores: ImageStores,
        open_store: Open,
        exchange: Exchange,
        allowed: Sequence[AllowedEndpoint],
    ) -> None:
        self._image_stores = image_stores
        self._open = open_store
        self._exchange = exchange
        self._allowed = allowed

    async def connect(self, store: ImageStore, known: OpenedStore | None) -> OpenedStore:
        """The open store as its ImageStore wants it now: `known` with new credentials, or another one.

        Raises:
            NotUsable: the ImageStore, or what it refers to, cannot be used.
            JobsError: the API server did not answer.
        """
        spec = store.spec
        if isinstance(spec, InvalidStore):
            raise NotUsable(StoreReason.INVALID_SPEC, str(spec))
        if why := refused_endpoint(spec, self._allowed):
            raise NotUsable(StoreReason.ENDPOINT_NOT_ALLOWED, why)
        ca_bundle = await self._authorities(store.key.namespace, spec)
        credentials = await self._credentials(store.key.namespace, spec, ca_bundle)
        location = locate(spec, ca_bundle)
        if known and known.location == location:
            known.spec = spec
            known.held.give(credentials)
            return known
        held = Held(credentials)
        return OpenedStore(store.key, spec, location, self._open(location, held), held)

    async def renew(self, opened: OpenedStore, before: int) -> bool:
        """Whether a store has other credentials than those of version `before`, which it refused.

        Raises:
            StoreUnavailable: the API server did not answer.
        """
        async with opened.lock:
            if opened.held.version != before:
                return True
            if opened.gone:
                return False
            try:
                found = await self._credentials(opened.key.namespace, opened.spec, opened.location.ca_bundle)
            except JobsError as error:
                # Others may count by now; a refusal that nobody could look into is no verdict.
                raise StoreUnavailable(f"its credentials cannot be read anew: {error}") from error
            except NotUsable as error:
                extra = {"store": str(opened.key), "error": str(error)}
                log.warning("credentials cannot be renewed", extra=extra)
                return False
            opened.held.give(found)
            return opened.held.version != before

    async def _authorities(self, namespace: str, spec: StoreSpec) -> str:
        reference = spec.tls.ca_bundle_ref
        if reference is None:
            return spec.tls.ca_bundle or ""
        found = await self._image_stores.config_map(namespace, reference.name)
        if not found.get(reference.key):
            text = f"spec.tls.caBundleRef: the ConfigMap {reference.name!r} has no entry {reference.key!r}"
            raise NotUsable(StoreReason.CA_BUNDLE_INVALID, text)
        return found[reference.key]

    async def _credentials(self, namespace: str, spec: StoreSpec, ca_bundle: str) -> Credentials:
        identity = spec.auth.web_identity
        if identity is not None:
            account, audience = identity.service_account_name, identity.audience
            token = await self._image_stores.token(namespace, account, audience)
            return await self._exchange(identity, token, spec.secure, ca_bundle)
        assert spec.auth.secret_ref is not None  # noqa: S101  (the spec was accepted)
        name = spec.auth.secret_ref.name
        found = await self._image_stores.secret(namespace, name)
        access, hidden = found.get("access-key", "").strip(), found.get("secret-key", "").strip()
        if not access or not hidden:
            text = f"spec.auth.secretRef: the Secret {name!r} needs the entries access-key and secret-key"
            raise NotUsable(StoreReason.SECRET_INVALID, text)
        return Credentials(access, hidden, found.get("session-token", "").strip())
