"""Opening a store: its authorities, its credentials, and whether it answers to them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from imagejob_operator.core.endpoints import AllowedEndpoint, refused_endpoint
from imagejob_operator.core.image_store import ImageStore, InvalidStore, StoreSpec
from imagejob_operator.core.job import Key
from imagejob_operator.core.kept_store import Kept, Location, locate
from imagejob_operator.core.keys import own_staging_prefix
from imagejob_operator.core.store_standing import Standing, StoreReason
from imagejob_operator.ports.credentials import Credentials
from imagejob_operator.ports.jobs import JobsError
from imagejob_operator.ports.object_store import ObjectStore, StoreDenied, StoreError, StoreUnavailable
from imagejob_operator.ports.store_keeper import Exchange, NotUsable, Open, OpenStore, StoreKeeper

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Held:
    """A credential source that is given others from time to time."""

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
    """One store, open."""

    key: Key
    uid: str
    location: Location
    store: OpenStore
    held: Held
    spec: StoreSpec | None = None
    """None for what is only kept: its ImageStore is gone, or was not looked at yet."""
    kept: Kept | None = None
    gone: bool = False
    """Whether its ImageStore was seen to go."""
    sweeping: ObjectStore | None = None
    """Its staging of all namespaces, for the sweeper alone."""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Opening:
    """Opens stores, and gives open ones the credentials that count now."""

    def __init__(
        self,
        keeper: StoreKeeper,
        open_store: Open,
        exchange: Exchange,
        staging_folder: str,
        allowed: Sequence[AllowedEndpoint],
        wanted: Callable[[Key], None],
    ) -> None:
        self._keeper = keeper
        self._open = open_store
        self._exchange = exchange
        self._staging = own_staging_prefix(staging_folder)
        self._allowed = allowed
        self._wanted = wanted

    def reopen(self, key: Key, uid: str, kept: Kept) -> OpenedStore:
        """A store as it was kept."""
        held = Held(Credentials(kept.access_key, kept.secret_key, kept.session_token, kept.expires_at))
        opened = self._open(kept.location, held)
        return OpenedStore(key, uid, kept.location, opened, held, None, kept)

    async def look(self, store: ImageStore, known: OpenedStore | None) -> tuple[Standing, OpenedStore | None]:
        """How a store stands, and the store if it could be opened with what counts now.

        Raises:
            JobsError: the API server did not answer.
        """
        opened: list[OpenedStore] = []
        return await self._look(store, known, opened), next(iter(opened), None)

    async def _look(
        self, store: ImageStore, known: OpenedStore | None, opened: list[OpenedStore]
    ) -> Standing:
        spec = store.spec
        if isinstance(spec, InvalidStore):
            return Standing(StoreReason.INVALID_SPEC, str(spec))
        if why := refused_endpoint(spec, self._allowed):
            return Standing(StoreReason.ENDPOINT_NOT_ALLOWED, why)
        try:
            entry = await self._refreshed(store, spec, known)
            opened.append(entry)
            async for _ in entry.store.folders(f"{entry.location.staging}{self._staging}"):
                break
        except NotUsable as error:
            return Standing(error.reason, str(error))
        except StoreDenied as error:
            missing = "NoSuchBucket" in str(error)
            reason = StoreReason.BUCKET_NOT_FOUND if missing else StoreReason.CREDENTIALS_REFUSED
            return Standing(reason, f"the store refuses: {error}")
        except StoreError as error:
            return Standing(StoreReason.UNREACHABLE, str(error))
        return Standing(StoreReason.READY)

    async def _refreshed(self, store: ImageStore, spec: StoreSpec, entry: OpenedStore | None) -> OpenedStore:
        """The open store, with its authorities and credentials as they are now."""
        trust = await self._authorities(store.key.namespace, spec)
        location = locate(spec, trust)
        credentials = await self._credentials(store.key.namespace, spec, trust)
        if entry is None or entry.location != location:
            if entry:
                entry.store.close()
            held = Held(credentials)
            opened = self._open(location, held)
            kept = entry.kept if entry else None
            entry = OpenedStore(store.key, store.uid, location, opened, held, spec, kept)
        entry.spec = spec
        entry.held.give(credentials)
        await self._keep_again(entry)
        return entry

    async def _authorities(self, namespace: str, spec: StoreSpec) -> str:
        reference = spec.tls.ca_bundle_ref
        if reference is None:
            return spec.tls.ca_bundle or ""
        found = await self._keeper.config_map(namespace, reference.name)
        if not found.get(reference.key):
            text = f"spec.tls.caBundleRef: the ConfigMap {reference.name!r} has no entry {reference.key!r}"
            raise NotUsable(StoreReason.CA_BUNDLE_INVALID, text)
        return found[reference.key]

    async def _credentials(self, namespace: str, spec: StoreSpec, trust: str) -> Credentials:
        identity = spec.auth.web_identity
        if identity is not None:
            token = await self._keeper.token(namespace, identity.service_account_name, identity.audience)
            return await self._exchange(identity, token, spec.secure, trust)
        assert spec.auth.secret_ref is not None  # noqa: S101  (the spec was accepted)
        name = spec.auth.secret_ref.name
        found = await self._keeper.secret(namespace, name)
        access, hidden = found.get("access-key", "").strip(), found.get("secret-key", "").strip()
        if not access or not hidden:
            text = f"spec.auth.secretRef: the Secret {name!r} needs the entries access-key and secret-key"
            raise NotUsable(StoreReason.SECRET_INVALID, text)
        return Credentials(access, hidden, found.get("session-token", "").strip())

    async def renew(self, entry: OpenedStore, before: int) -> bool:
        """Whether the store has other credentials than those that it refused.

        Raises:
            StoreUnavailable: that cannot be told now.
        """
        async with entry.lock:
            if entry.held.version != before:
                return True
            if entry.gone:
                return False
            try:
                entry.held.give(await self._anew(entry))
            except JobsError as error:
                # Others may count by now; a refusal that nobody could look into is no verdict.
                raise StoreUnavailable(f"its credentials cannot be read anew: {error}") from error
            except NotUsable as error:
                log.warning(
                    "credentials cannot be renewed", extra={"store": str(entry.key), "error": str(error)}
                )
                return False
            finally:
                self._wanted(entry.key)
            if entry.held.version == before:
                return False
            await self._keep_again(entry)
            return True

    async def _anew(self, entry: OpenedStore) -> Credentials:
        if entry.spec is None:
            raise StoreUnavailable("its credentials are the kept ones, and nobody has looked at it yet")
        return await self._credentials(entry.key.namespace, entry.spec, entry.location.trust)

    async def _keep_again(self, entry: OpenedStore) -> None:
        if entry.kept is not None:
            await self.keep(entry)

    async def keep(self, entry: OpenedStore) -> None:
        """Keep what is needed to clean a store, as it is now.

        Raises:
            JobsError: the API server did not answer.
        """
        now = entry.held.value
        kept = Kept(
            entry.key.namespace,
            entry.key.name,
            entry.location,
            now.access_key,
            now.secret_key,
            now.session_token,
            now.expires_at,
        )
        if kept != entry.kept:
            await self._keeper.keep(entry.uid, msgspec.json.encode(kept))
            entry.kept = kept
