"""The open object stores: the operator's own, and those of ImageStores by uid.

Credentials are kept in memory only. A store in which a run has staging stays open after its ImageStore or its
Secret is deleted, until the staging is empty or the process ends; another process cannot open it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob, Key
from imagejob_operator.api.imagestore import ImageStore
from imagejob_operator.api.imagestore_status import Readiness, StoreReason
from imagejob_operator.api.phase import COMPENSATING, TERMINAL, Phase
from imagejob_operator.api.spec import InvalidSpec
from imagejob_operator.decision.observation import StoreView, StoreViews
from imagejob_operator.naming.names import REPORT_ROOT, STAGING_ROOT
from imagejob_operator.naming.prefixes import (
    CLUSTER_UID_LENGTH,
    installation_of,
    job_staging_prefix,
    namespace_prefix,
    own_staging_prefix,
    reports_folder,
)
from imagejob_operator.ports.imagestores import NotUsable
from imagejob_operator.ports.object_store import (
    BucketMissing,
    CallNotSupported,
    ObjectStore,
    StoreDenied,
    StoreError,
    StoreUnavailable,
)
from imagejob_operator.ports.stores import OWN_STORE, StoreNotOpen, StoreWithStaging
from imagejob_operator.stores.connector import Connector, OpenedStore, check_support
from imagejob_operator.stores.scoped_store import Part, ScopedStore

log = logging.getLogger(__name__)

CHECK_SECONDS = 60
"""The time limit of a check: a read of the Secret, a token exchange and a listing."""
UNCHECKED = Readiness(StoreReason.UNREACHABLE, "it has not been checked yet")


@dataclass(frozen=True, slots=True)
class OwnStore:
    """The operator's own store."""

    store: ObjectStore
    ca_bundle: str = ""


class StoreRegistry:
    """Keeps stores open, checks their readiness, and gives each run the parts that it may use."""

    def __init__(
        self,
        own: OwnStore,
        connector: Connector,
        staging_folder: str,
        jobs: Callable[[], Iterable[ImageJob]],
        check_soon: Callable[[Key], None],
    ) -> None:
        self._own = own
        self._connector = connector
        self._folder = staging_folder
        self._staging = own_staging_prefix(staging_folder)
        self._jobs = jobs
        self._check_soon = check_soon
        self._opened: dict[str, OpenedStore] = {}
        self._named: dict[Key, str] = {}
        """The uid of the ImageStore with a name."""
        self._readiness: dict[str, Readiness] = {}
        self._staging_of_all: dict[str, ObjectStore] = {}
        """Staging and reports of all namespaces in an open store, for the garbage collector only."""

    def register(self, store: ImageStore) -> None:
        """The ImageStore exists; another one that had its name is gone."""
        if self._named.get(store.key, store.uid) != store.uid:
            self.forget(store.key)
        self._named[store.key] = store.uid

    async def check(self, store: ImageStore) -> Readiness:
        """Open the store and list its staging; whether jobs may use it."""
        self.register(store)
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                readiness = await self._check(store)
        except TimeoutError:
            text = f"it did not answer within {CHECK_SECONDS} seconds"
            readiness = Readiness(StoreReason.UNREACHABLE, text)
        self._readiness[store.uid] = readiness
        return readiness

    async def _check(self, store: ImageStore) -> Readiness:
        known = self._opened.get(store.uid)
        try:
            opened = await self._connector.connect(store, known)
            if opened is not known:
                if known:
                    known.store.close()
                self._opened[store.uid] = opened
                roots = (f"{STAGING_ROOT}/", f"{REPORT_ROOT}/")
                parts = [self._part(opened, root, f"{opened.location.staging}{root}") for root in roots]
                self._staging_of_all[store.uid] = ScopedStore(parts)
            staging = f"{opened.location.staging}{self._staging}"
            async for _ in opened.store.folders(staging):
                break
            prefix = f"{staging}{store.key.namespace}/{store.uid}/1-1/"
            return Readiness(StoreReason.READY, await check_support(opened, prefix))
        except NotUsable as error:
            return Readiness(error.reason, str(error))
        except CallNotSupported as error:
            return Readiness(StoreReason.CALL_NOT_SUPPORTED, str(error))
        except BucketMissing as error:
            return Readiness(StoreReason.BUCKET_NOT_FOUND, str(error))
        except StoreDenied as error:
            return Readiness(StoreReason.CREDENTIALS_REFUSED, f"the store denied the request: {error}")
        except StoreError as error:
            return Readiness(StoreReason.UNREACHABLE, str(error))

    def forget(self, key: Key) -> None:
        """The ImageStore is gone; its store stays open while a run has staging there."""
        uid = self._named.pop(key, "")
        self._readiness.pop(uid, None)
        opened = self._opened.get(uid)
        if opened is None:
            return
        opened.gone = True
        if not self._in_use(uid):
            self._close(uid)

    def close_if_unused(self, uid: str) -> None:
        """The store has no staging: close it if its ImageStore is gone and no run may stage there."""
        opened = self._opened.get(uid)
        if opened and opened.gone and not self._in_use(uid):
            self._close(uid)
            log.info("closed the store of a deleted ImageStore", extra={"store": str(opened.key)})

    def _in_use(self, uid: str) -> bool:
        return any(_has_staging(job, uid) for job in self._jobs())

    def _close(self, uid: str) -> None:
        del self._staging_of_all[uid]
        self._opened.pop(uid).store.close()

    def stores_to_sweep(self) -> Mapping[str, StoreWithStaging]:
        """All open stores that may have staging, by uid; the operator's own has none."""
        found = {"": StoreWithStaging(OWN_STORE, "", self._own.store)}
        for uid, opened in self._opened.items():
            if opened.gone or self._readiness.get(uid, UNCHECKED).ready:
                # A new ImageStore may have the name of one that is gone.
                name = f"{opened.key} (deleted, {uid})" if opened.gone else str(opened.key)
                found[uid] = StoreWithStaging(name, opened.key.namespace, self._staging_of_all[uid])
        return found

    def credentials_expire_at(self, uid: str) -> datetime | None:
        """When the credentials of a store expire; None if they do not, or it is not open."""
        opened = self._opened.get(uid)
        return opened.credentials.value.expires_at if opened else None

    def close(self) -> None:
        """Close all stores except the operator's own."""
        for opened in self._opened.values():
            opened.store.close()

    def views(self, job: ImageJob) -> StoreViews:
        """The readiness of the stores that a job names."""
        if isinstance(job.spec, InvalidSpec):
            return StoreViews()
        source, target = job.spec.store_ref, job.spec.destination.store_ref
        return StoreViews(
            source=self._view(job, source.name) if source else None,
            destination=self._view(job, target.name) if target else None,
        )

    def _view(self, job: ImageJob, name: str) -> StoreView:
        uid = self._named.get(Key(job.key.namespace, name), "")
        opened = self._opened.get(uid)
        location = f"s3://{opened.location.bucket}/{opened.location.staging}" if opened else ""
        return StoreView(name, uid, self._readiness.get(uid, UNCHECKED) if uid else None, location)

    async def of(self, job: ImageJob) -> ObjectStore:
        """See the port."""
        namespace = job.key.namespace
        source = self._source(job)
        staging = f"{self._staging}{namespace}/"
        reports = reports_folder(namespace)
        roots = (staging, reports, *self._renamed_staging(job))
        parts = [self._part(source, root, f"{_staging(source)}{root}") for root in roots]
        user = namespace_prefix(namespace)
        parts.append(self._part(source, user, _user_prefix(source, user)))
        if job.outputs_prefix != user:
            parts += self._target(job, user)
        return ScopedStore(parts)

    def _renamed_staging(self, job: ImageJob) -> list[str]:
        """The recorded staging of the job, if the installation had another name when the run was staged."""
        recorded = job.status.staging.prefix if job.status.staging else ""
        installation = installation_of(recorded, self._folder)
        folder = f"{installation}{self._folder[-CLUSTER_UID_LENGTH - 1 :]}"
        root = job_staging_prefix(folder, job.key.namespace, job.uid)
        return [root] if installation and folder != self._folder and recorded.startswith(root) else []

    def _target(self, job: ImageJob, user: str) -> list[Part]:
        """The outputs in another store; a run that only cleans up does not need it."""
        try:
            target = self._destination(job)
        except StoreUnavailable:
            if _is_under_way(job):
                raise
            return []
        return [self._part(target, job.outputs_prefix, _user_prefix(target, user))]

    def ca_bundle(self, job: ImageJob) -> str:
        """See the port."""
        source = self._source(job)
        return source.location.ca_bundle if source else self._own.ca_bundle

    def _part(self, opened: OpenedStore | None, inside: str, outside: str) -> Part:
        if opened is None:
            return Part(inside, self._own.store, outside)

        async def renew(before: int) -> bool:
            try:
                return await self._connector.renew(opened, before)
            finally:
                self._check_soon(opened.key)

        return Part(inside, opened.store, outside, opened.credentials.current_version, renew)

    def _source(self, job: ImageJob) -> OpenedStore | None:
        """The store with the run's staging, in which it started; None is the operator's own."""
        run = job.status.run
        if run is not None and run.epoch:
            return self._open(Key(job.key.namespace, run.store.name), run.store.uid) if run.store else None
        reference = None if isinstance(job.spec, InvalidSpec) else job.spec.store_ref
        return self._open_by_name(job, reference.name) if reference else None

    def _destination(self, job: ImageJob) -> OpenedStore | None:
        assert not isinstance(job.spec, InvalidSpec)  # noqa: S101  (only valid jobs have outputs)
        reference = job.spec.destination.store_ref
        return self._open_by_name(job, reference.name) if reference else None

    def _open_by_name(self, job: ImageJob, name: str) -> OpenedStore:
        """The store with that name, always in the job's own namespace."""
        key = Key(job.key.namespace, name)
        return self._open(key, self._named.get(key, ""))

    def _open(self, key: Key, uid: str) -> OpenedStore:
        opened = self._opened.get(uid)
        if opened:
            return opened
        self._check_soon(key)
        if not uid or self._named.get(key) != uid:
            text = f"the ImageStore {key} {'no longer exists' if uid else 'does not exist'}"
            raise StoreNotOpen(Failure(Code.CREATION, Reason.STORE_NOT_FOUND, text))
        readiness = self._readiness.get(uid, UNCHECKED)
        text = f"the ImageStore {key} is not ready ({readiness.reason}): {readiness.message}"
        raise StoreNotOpen(Failure(Code.CREATION, Reason.STORE_NOT_READY, text))


def _staging(opened: OpenedStore | None) -> str:
    return opened.location.staging if opened else ""


def _user_prefix(opened: OpenedStore | None, own: str) -> str:
    """The prefix of users' keys: the namespace in the operator's store, else that of the ImageStore."""
    return opened.location.prefix if opened else own


def _is_under_way(job: ImageJob) -> bool:
    return job.deleted_at is None and job.status.at not in TERMINAL | COMPENSATING | {Phase.SUSPENDED}


def _has_staging(job: ImageJob, uid: str) -> bool:
    """Whether a run has, or may have, staging in a store."""
    run = job.status.run
    if run is None or run.store is None or run.store.uid != uid:
        return False
    cleaned = job.status.condition("StagingCleaned")
    return job.status.at not in TERMINAL or (cleaned is not None and cleaned.status != "True")
