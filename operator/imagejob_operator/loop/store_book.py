"""All object stores that this process knows: the operator's own one, and those of ImageStores by their uid.

A store in which a run owns staging stays open and is kept (its place and its credentials, in the operator's
own namespace) until it is clean, whatever becomes of its ImageStore, its Secret or its namespace.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from imagejob_operator.core.api import REPORT_ROOT, STAGING_ROOT
from imagejob_operator.core.endpoints import AllowedEndpoint, refused_location
from imagejob_operator.core.image_store import ImageStore
from imagejob_operator.core.job import ImageJob, Key
from imagejob_operator.core.kept_store import read_kept
from imagejob_operator.core.keys import namespace_prefix
from imagejob_operator.core.phase import TERMINAL, UNDOING, Phase
from imagejob_operator.core.spec import InvalidSpec
from imagejob_operator.core.store_standing import Standing, StoreReason
from imagejob_operator.core.store_waiting import StoreView, StoreViews
from imagejob_operator.loop.run_store import Part, RunStore
from imagejob_operator.loop.store_opening import OpenedStore, Opening
from imagejob_operator.ports.jobs import JobsError
from imagejob_operator.ports.object_store import ObjectStore, StoreUnavailable
from imagejob_operator.ports.store_keeper import Exchange, Open, StoreKeeper

log = logging.getLogger(__name__)

UNSEEN = Standing(StoreReason.UNREACHABLE, "nobody has looked at it yet")


@dataclass(frozen=True, slots=True)
class OwnStore:
    """The operator's own store."""

    store: ObjectStore
    trust: str = ""


class StoreBook:
    """Opens stores, says how they stand, and gives each run the parts that are its own."""

    def __init__(  # noqa: PLR0913  (each is one thing that stores are made of)
        self,
        own: OwnStore,
        keeper: StoreKeeper,
        open_store: Open,
        exchange: Exchange,
        installation: str,
        allowed: Sequence[AllowedEndpoint],
        wanted: Callable[[Key], None],
    ) -> None:
        self._own = own
        self._keeper = keeper
        self._opening = Opening(keeper, open_store, exchange, installation, allowed, wanted)
        self._installation = installation
        self._allowed = allowed
        self._wanted = wanted
        self._entries: dict[str, OpenedStore] = {}
        self._named: dict[Key, str] = {}
        """The uid of the ImageStore that has a name now."""
        self._standings: dict[str, Standing] = {}

    # --- looking at stores --------------------------------------------------------------------------------

    def name(self, store: ImageStore) -> None:
        """An ImageStore is there under its name."""
        self._named[store.key] = store.uid

    async def look(self, store: ImageStore) -> Standing:
        """Look whether a store can be used now; jobs see the answer.

        Raises:
            JobsError: the API server did not answer.
        """
        self.name(store)
        standing, opened = await self._opening.look(store, self._entries.get(store.uid))
        self._standings[store.uid] = standing
        if opened:
            before = self._entries.get(store.uid)
            if before and before is not opened:
                # What was kept may have been read while the store was looked at.
                opened.kept = opened.kept or before.kept
            self._entries[store.uid] = opened
        return standing

    def forget(self, key: Key) -> None:
        """There is no ImageStore of this name any more; what is kept of it stays."""
        uid = self._named.pop(key, "")
        self._standings.pop(uid, None)
        entry = self._entries.get(uid)
        if entry and entry.kept is None:
            self._entries.pop(uid).store.close()
        elif entry:
            entry.spec, entry.gone = None, True

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
        key = Key(job.key.namespace, name)
        uid = self._named.get(key, "")
        return StoreView(name, uid, self._standings.get(uid, UNSEEN) if uid else None)

    async def of(self, job: ImageJob) -> ObjectStore:
        """See the port."""
        namespace = job.key.namespace
        source = self._source(job)
        staging = f"{STAGING_ROOT}/{self._installation}/{namespace}/"
        reports = f"{REPORT_ROOT}/{namespace}/"
        parts = [self._part(source, root, f"{_staging(source)}{root}") for root in (staging, reports)]
        user = namespace_prefix(namespace)
        parts.append(self._part(source, user, _place(source, user)))
        if job.outputs_prefix != user:
            parts += self._target(job, user)
        return RunStore(parts)

    def _target(self, job: ImageJob, user: str) -> list[Part]:
        """The place of outputs in another store; who turns back can do without it."""
        try:
            target = self._destination(job)
        except StoreUnavailable:
            if _goes_forward(job):
                raise
            return []
        return [self._part(target, job.outputs_prefix, _place(target, user))]

    def trust(self, job: ImageJob) -> str:
        """See the port."""
        source = self._source(job)
        return source.location.trust if source else self._own.trust

    def _part(self, entry: OpenedStore | None, inside: str, outside: str) -> Part:
        if entry is None:
            return Part(inside, self._own.store, outside)

        async def renew(before: int) -> bool:
            return await self._opening.renew(entry, before)

        return Part(inside, entry.store, outside, entry.held.seen, renew)

    def _source(self, job: ImageJob) -> OpenedStore | None:
        """The store with the run's staging: that in which it began; None is the operator's own."""
        run = job.status.run
        if job.status.at is not Phase.PENDING and run is not None:
            if not run.store_uid:
                return None
            entry = self._entries.get(run.store_uid)
            if entry is None:
                text = f"the ImageStore in which the run was staged (uid {run.store_uid}) is not open"
                raise StoreUnavailable(text)
            return entry
        reference = None if isinstance(job.spec, InvalidSpec) else job.spec.store_ref
        return self._open_by_name(job, reference.name) if reference else None

    def _destination(self, job: ImageJob) -> OpenedStore | None:
        assert not isinstance(job.spec, InvalidSpec)  # noqa: S101  (it has a place for its outputs)
        reference = job.spec.destination.store_ref
        return self._open_by_name(job, reference.name) if reference else None

    def _open_by_name(self, job: ImageJob, name: str) -> OpenedStore:
        """The store of that name in the job's own namespace, and no other."""
        key = Key(job.key.namespace, name)
        uid = self._named.get(key, "")
        entry = self._entries.get(uid)
        if entry is None:
            self._wanted(key)
            standing = self._standings.get(uid)
            why = f"{standing.reason}: {standing.message}" if standing else "there is none of that name"
            raise StoreUnavailable(f"the ImageStore {name!r} is not ready: {why}")
        return entry

    # --- what is kept -------------------------------------------------------------------------------------

    async def hold(self, job: ImageJob) -> None:
        """Before anything is staged: what is needed to clean it is kept.

        Raises:
            StoreError: it cannot be kept now.
        """
        entry = self._source(job)
        if entry is None or entry.kept is not None:
            return
        try:
            await self._opening.keep(entry)
        except JobsError as error:
            raise StoreUnavailable(f"the store's credentials cannot be kept for cleaning: {error}") from error

    async def load(self) -> None:
        """Open what an operator before this one has kept.

        Raises:
            JobsError: the API server did not answer.
        """
        for uid, data in (await self._keeper.kept()).items():
            kept = read_kept(data)
            if kept is None or refused_location(kept.location, self._allowed):
                log.error("a store that was kept cannot be used", extra={"uid": uid})
                continue
            key = Key(kept.namespace, kept.name)
            if uid in self._entries:
                self._entries[uid].kept = kept
                continue
            self._entries[uid] = self._opening.reopen(key, uid, kept)

    def to_sweep(self) -> Mapping[str, ObjectStore]:
        """All stores that may hold staging, by uid; the operator's own one has none."""
        found: dict[str, ObjectStore] = {"": self._own.store}
        for uid, entry in self._entries.items():
            standing = self._standings.get(uid)
            if entry.kept is not None or (standing and standing.ready):
                root = f"{STAGING_ROOT}/"
                part = self._part(entry, root, f"{entry.location.staging}{root}")
                found[uid] = entry.sweeping = entry.sweeping or RunStore([part])
        return found

    async def release(self, uid: str, jobs: Iterable[ImageJob]) -> None:
        """Nothing is left in a store: keep it no longer, unless a run of now may stage there.

        Raises:
            JobsError: the API server did not answer.
        """
        entry = self._entries.get(uid)
        if entry is None or entry.kept is None or any(_owns(job, uid) for job in jobs):
            return
        await self._keeper.keep(uid, None)
        entry.kept = None
        if self._named.get(entry.key) != uid:
            self._entries.pop(uid).store.close()
        log.info("a store is clean, its credentials are kept no longer", extra={"store": str(entry.key)})

    def credentials_end(self, uid: str) -> datetime | None:
        """When the credentials of a store end; None if they do not, or there are none."""
        entry = self._entries.get(uid)
        return entry.held.value.expires_at if entry else None

    def close(self) -> None:
        """Close all stores but the operator's own."""
        for entry in self._entries.values():
            entry.store.close()


def _staging(entry: OpenedStore | None) -> str:
    return entry.location.staging if entry else ""


def _place(entry: OpenedStore | None, own: str) -> str:
    """Where a namespace's keys lie: below its own name in the operator's store, else below the prefix."""
    return entry.location.prefix if entry else own


def _goes_forward(job: ImageJob) -> bool:
    return job.deleted_at is None and job.status.at not in TERMINAL | UNDOING | {Phase.SUSPENDED}


def _owns(job: ImageJob, uid: str) -> bool:
    """Whether a run has, or may have, something in the staging of a store."""
    run = job.status.run
    if run is None or run.store_uid != uid:
        return False
    cleaned = job.status.condition("StagingCleaned")
    return job.status.at not in TERMINAL or (cleaned is not None and cleaned.status != "True")
