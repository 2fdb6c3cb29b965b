"""Opens the store of an ImageStore with its current CA bundle and credentials."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

from imagejob_operator.api.imagejob import Key
from imagejob_operator.api.imagestore import MAX_CA_BUNDLE, ImageStore, InvalidStore, StoreSpec
from imagejob_operator.api.imagestore_status import StoreReason
from imagejob_operator.api.store_location import StoreLocation, locate
from imagejob_operator.ports.credentials import Credentials
from imagejob_operator.ports.imagejobs import JobsError
from imagejob_operator.ports.imagestores import Exchange, ImageStores, NotUsable, Open, OpenStore
from imagejob_operator.ports.object_store import CallNotSupported, StoreDenied, StoreUnavailable
from imagejob_operator.ports.store_calls import check_calls
from imagejob_operator.stores.allowed_endpoints import AllowedEndpoint, refused_endpoint

log = logging.getLogger(__name__)


@dataclass(slots=True)
class RenewableCredentials:
    """A credential source whose credentials can be replaced; they are kept in memory only."""

    value: Credentials
    version: int = 0

    def __call__(self) -> Credentials:
        """The current credentials."""
        return self.value

    def current_version(self) -> int:
        """The version of the current credentials."""
        return self.version

    def replace(self, value: Credentials) -> None:
        """Use other credentials from the next request on."""
        if value != self.value:
            self.value = value
            self.version += 1


@dataclass(slots=True)
class OpenedStore:
    """The open store of one ImageStore."""

    key: Key
    spec: StoreSpec
    location: StoreLocation
    store: OpenStore
    credentials: RenewableCredentials
    uploads: str = ""
    """How Pods upload outputs; empty until all calls were checked."""
    gone: bool = False
    """Whether its ImageStore was deleted."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass(frozen=True)
class Connector:
    """Opens stores, and renews the credentials of open ones."""

    image_stores: ImageStores
    open: Open
    exchange: Exchange
    allowed: Sequence[AllowedEndpoint]

    async def connect(self, store: ImageStore, known: OpenedStore | None) -> OpenedStore:
        """Open the store, or renew the credentials of `known`; NotUsable, or a JobsError, if that fails."""
        spec = store.spec
        if isinstance(spec, InvalidStore):
            raise NotUsable(StoreReason.INVALID_SPEC, str(spec))
        if why := refused_endpoint(spec, self.allowed):
            raise NotUsable(StoreReason.ENDPOINT_NOT_ALLOWED, why)
        ca_bundle = await self._ca_bundle(store.key.namespace, spec)
        credentials = await self._credentials(store.key.namespace, spec, ca_bundle)
        location = locate(spec, ca_bundle)
        if known and known.location == location:
            known.spec = spec
            known.credentials.replace(credentials)
            return known
        renewable = RenewableCredentials(credentials)
        try:
            opened = self.open(location, renewable)
        except (OSError, ValueError) as error:
            text = f"spec.tls: the CA bundle is not in PEM format: {error}"
            raise NotUsable(StoreReason.CA_BUNDLE_INVALID, text) from None
        return OpenedStore(store.key, spec, location, opened, renewable)

    async def renew(self, opened: OpenedStore, before: int) -> bool:
        """Renew credentials that the store refused; whether there are newer ones than version `before`."""
        async with opened.lock:
            if opened.credentials.version != before:
                return True
            if opened.gone:
                return False
            try:
                found = await self._credentials(opened.key.namespace, opened.spec, opened.location.ca_bundle)
            except JobsError as error:
                # There may be new credentials, so the refusal is not final.
                raise StoreUnavailable(f"the store's credentials cannot be read: {error}") from error
            except NotUsable as error:
                if error.reason in (StoreReason.UNREACHABLE, StoreReason.NOT_PERMITTED):
                    raise StoreUnavailable(f"the store's credentials cannot be read: {error}") from error
                extra = {"store": str(opened.key), "error": str(error)}
                log.warning("cannot renew credentials", extra=extra)
                return False
            opened.credentials.replace(found)
            return opened.credentials.version != before

    async def _ca_bundle(self, namespace: str, spec: StoreSpec) -> str:
        reference = spec.tls.ca_bundle_ref
        if reference is None:
            return spec.tls.ca_bundle or ""
        found = await self.image_stores.config_map(namespace, reference.name)
        if not found.get(reference.key):
            text = (
                f"spec.tls.caBundleRef: the ConfigMap {reference.name!r} has no key {reference.key!r}; add "
                "it, or correct caBundleRef.key"
            )
            raise NotUsable(StoreReason.CA_BUNDLE_INVALID, text)
        bundle = found[reference.key]
        if len(bundle) > MAX_CA_BUNDLE:
            text = (
                f"spec.tls.caBundleRef: the key {reference.key!r} has {len(bundle)} characters; at most "
                f"{MAX_CA_BUNDLE} are allowed; remove certificates that the store does not need"
            )
            raise NotUsable(StoreReason.CA_BUNDLE_INVALID, text)
        return bundle

    async def _credentials(self, namespace: str, spec: StoreSpec, ca_bundle: str) -> Credentials:
        identity = spec.auth.web_identity
        if identity is not None:
            account, audience = identity.service_account_name, identity.audience
            token = await self.image_stores.token(namespace, account, audience)
            return await self.exchange(identity, token, spec.secure, ca_bundle)
        assert spec.auth.secret_ref is not None  # noqa: S101  (checked when the spec was parsed)
        name = spec.auth.secret_ref.name
        found = await self.image_stores.secret(namespace, name)
        values = {key: found.get(key, "").strip() for key in ("access-key", "secret-key", "session-token")}
        if not values["access-key"] or not values["secret-key"]:
            text = f"spec.auth.secretRef: the Secret {name!r} must have the keys access-key and secret-key"
            raise NotUsable(StoreReason.SECRET_INVALID, text)
        for key, value in values.items():
            if not (value.isascii() and value.isprintable()):
                text = f"spec.auth.secretRef: the key {key} of the Secret {name!r} must be printable ASCII"
                raise NotUsable(StoreReason.SECRET_INVALID, text)
        return Credentials(values["access-key"], values["secret-key"], values["session-token"])


async def check_support(opened: OpenedStore, prefix: str) -> str:
    """Check once what the store supports; the message of a store that is ready.

    The garbage collector deletes what a crash leaves: `prefix` is that of a run of no ImageJob.
    """
    if not opened.uploads:
        try:
            opened.uploads = await check_calls(opened.store, prefix)
        except CallNotSupported:
            raise
        except StoreDenied as error:
            # A store of outputs only need not allow this.
            return f"not all calls could be checked: {error}"
    return opened.uploads
