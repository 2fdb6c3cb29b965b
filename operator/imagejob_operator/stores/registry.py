"""The object stores that this process has open: the operator's own, and those of ImageStores by their uid.

Credentials are held in memory only. A store in which a run has staging stays open when its ImageStore or its
Secret is deleted, until the staging is clean or this process ends; the next process cannot open it again.
"""

from __future__ import annotations

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
from imagejob_operator.decision.store_availability import StoreView, StoreViews
from imagejob_operator.naming.names import REPORT_ROOT, STAGING_ROOT
from imagejob_operator.naming.prefixes import namespace_prefix, own_staging_prefix
from imagejob_operator.ports.imagestores import NotUsable
from imagejob_operator.ports.object_store import ObjectStore, StoreDenied, StoreError, StoreUnavailable
from imagejob_operator.ports.stores import StoreNotOpen
from imagejob_operator.stores.connector import Connector, OpenedStore
from imagejob_operator.stores.scoped_store import Part, ScopedStore

log = logging.getLogger(__name__)

UNSEEN = Readiness(StoreReason.UNREACHABLE, "nobody has looked at it yet")


@dataclass(frozen=True, slots=True)
class OwnStore:
    """The operator's own store."""

    store: ObjectStore
    ca_bundle: str = ""


class StoreRegistry:
    """Knows the open stores and how they stand, and gives each run the parts that are its own."""

    def __init__(
        self,
        own: OwnStore,
        connector: Connector,
        staging_folder: str,
        jobs: Callable[[], Iterable[ImageJob]],
        wanted: Callable[[Key], None],
    ) -> None:
        self._own = own
        self._connector = connector
        self._staging = own_staging_prefix(staging_folder)
        self._jobs = jobs
        self._wanted = wanted
        self._opened: dict[str, OpenedStore] = {}
        self._named: dict[Key, str] = {}
        """The uid of the ImageStore that has a name now."""
        self._standings: dict[str, Readiness] = {}
        self._sweeping: dict[str, ObjectStore] = {}
        """The staging of all namespaces in an open store, for the garbage collector alone."""

    # --- looking at stores --------------------------------------------------------------------------------

    def see(self, store: ImageStore) -> None:
        """An ImageStore is there under its name; another one that had the name is gone."""
        if self._named.get(store.key, store.uid) != store.uid:
            self.forget(store.key)
        self._named[store.key] = store.uid

    async def look(self, store: ImageStore) -> Readiness:
        """Look whether a store can be used now; jobs see the answer.

        Raises:
            JobsError: the API server did not answer.
        """
        self.see(store)
        standing = self._standings[store.uid] = await self._look(store)
        return standing

    async def _look(self, store: ImageStore) -> Readiness:
        known = self._opened.get(store.uid)
        try:
            opened = await self._connector.connect(store, known)
            if opened is not known:
                if known:
                    known.store.close()
                self._opened[store.uid] = opened
                root = f"{STAGING_ROOT}/"
                part = self._part(opened, root, f"{opened.location.staging}{root}")
                self._sweeping[store.uid] = ScopedStore([part])
            place = f"{opened.location.staging}{self._staging}"
            async for _ in opened.store.folders(place):
                break
        except NotUsable as error:
            return Readiness(error.reason, str(error))
        except StoreDenied as error:
            missing = "NoSuchBucket" in str(error)
            reason = StoreReason.BUCKET_NOT_FOUND if missing else StoreReason.CREDENTIALS_REFUSED
            return Readiness(reason, f"the store refuses: {error}")
        except StoreError as error:
            return Readiness(StoreReason.UNREACHABLE, str(error))
        return Readiness(StoreReason.READY)

    def forget(self, key: Key) -> None:
        """The ImageStore of this name is gone; its store stays open while a run has staging there."""
        uid = self._named.pop(key, "")
        self._standings.pop(uid, None)
        opened = self._opened.get(uid)
        if opened is None:
            return
        opened.gone = True
        if not self._in_use(uid):
            self._close(uid)

    def release(self, uid: str) -> None:
        """A sweep found nothing in a store: close it if its ImageStore is gone and no run may stage there."""
        opened = self._opened.get(uid)
        if opened and opened.gone and not self._in_use(uid):
            self._close(uid)
            log.info(
                "the store of a deleted ImageStore is clean and closed", extra={"store": str(opened.key)}
            )

    def _in_use(self, uid: str) -> bool:
        return any(_has_staging(job, uid) for job in self._jobs())

    def _close(self, uid: str) -> None:
        del self._sweeping[uid]
        self._opened.pop(uid).store.close()

    def to_sweep(self) -> Mapping[str, ObjectStore]:
        """All open stores that may hold staging, by uid; the operator's own one has none."""
        found: dict[str, ObjectStore] = {"": self._own.store}
        for uid, opened in self._opened.items():
            if opened.gone or self._standings.get(uid, UNSEEN).ready:
                found[uid] = self._sweeping[uid]
        return found

    def credentials_end(self, uid: str) -> datetime | None:
        """When the credentials of a store end; None if they do not, or there are none."""
        opened = self._opened.get(uid)
        return opened.held.value.expires_at if opened else None

    def close(self) -> None:
        """Close all stores but the operator's own."""
        for opened in self._opened.values():
            opened.store.close()

    # --- what jobs see ------------------------------------------------------------------------------------

    def views(self, job: ImageJob) -> StoreViews:
        """How the stores stand that a job names; one that is not ready is looked at again soon."""
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
        return StoreView(name, uid, self._standings.get(uid, UNSEEN) if uid else None, location)

    async def of(self, job: ImageJob) -> ObjectStore:
        """See the port."""
        namespace = job.key.namespace
        source = self._source(job)
        staging = f"{self._staging}{namespace}/"
        reports = f"{REPORT_ROOT}/{namespace}/"
        parts = [self._part(source, root, f"{_staging(source)}{root}") for root in (staging, reports)]
        user = namespace_prefix(namespace)
        parts.append(self._part(source, user, _place(source, user)))
        if job.outputs_prefix != user:
            parts += self._target(job, user)
        return ScopedStore(parts)

    def _target(self, job: ImageJob, user: str) -> list[Part]:
        """The place of outputs in another store; who turns back can do without it."""
        try:
            target = self._destination(job)
        except StoreUnavailable:
            if _goes_forward(job):
                raise
            return []
        return [self._part(target, job.outputs_prefix, _place(target, user))]

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
                self._wanted(opened.key)

        return Part(inside, opened.store, outside, opened.held.seen, renew)

    def _source(self, job: ImageJob) -> OpenedStore | None:
        """The store with the run's staging: that in which it began; None is the operator's own."""
        run = job.status.run
        if job.status.at is not Phase.PENDING and run is not None:
            return self._open(Key(job.key.namespace, run.store.name), run.store.uid) if run.store else None
        reference = None if isinstance(job.spec, InvalidSpec) else job.spec.store_ref
        return self._open_by_name(job, reference.name) if reference else None

    def _destination(self, job: ImageJob) -> OpenedStore | None:
        assert not isinstance(job.spec, InvalidSpec)  # noqa: S101  (it has a place for its outputs)
        reference = job.spec.destination.store_ref
        return self._open_by_name(job, reference.name) if reference else None

    def _open_by_name(self, job: ImageJob, name: str) -> OpenedStore:
        """The store of that name in the job's own namespace, and no other."""
        key = Key(job.key.namespace, name)
        return self._open(key, self._named.get(key, ""))

    def _open(self, key: Key, uid: str) -> OpenedStore:
        opened = self._opened.get(uid)
        if opened:
            return opened
        self._wanted(key)
        if not uid or self._named.get(key) != uid:
            text = f"the ImageStore {key} {'is gone' if uid else 'does not exist'}"
            raise StoreNotOpen(Failure(Code.CREATION, Reason.STORE_NOT_FOUND, text))
        standing = self._standings.get(uid, UNSEEN)
        text = f"the ImageStore {key} is not ready, {standing.reason}: {standing.message}"
        raise StoreNotOpen(Failure(Code.CREATION, Reason.STORE_NOT_READY, text))


def _staging(opened: OpenedStore | None) -> str:
    return opened.location.staging if opened else ""


def _place(opened: OpenedStore | None, own: str) -> str:
    """Where a namespace's keys lie: below its own name in the operator's store, else below the prefix."""
    return opened.location.prefix if opened else own


def _goes_forward(job: ImageJob) -> bool:
    return job.deleted_at is None and job.status.at not in TERMINAL | COMPENSATING | {Phase.SUSPENDED}


def _has_staging(job: ImageJob, uid: str) -> bool:
    """Whether a run has, or may have, something in the staging of a store."""
    run = job.status.run
    if run is None or run.store is None or run.store.uid != uid:
        return False
    cleaned = job.status.condition("StagingCleaned")
    return job.status.at not in TERMINAL or (cleaned is not None and cleaned.status != "True")
