"""Deletes the reports of deleted ImageJobs when their retention has ended.

A folder is listed first, then all ImageJobs, as for staging. The folder of a job that is gone gets a
tombstone if a report shows that this operator wrote it. It is deleted when the tombstone is old enough.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from imagejob_operator.api.imagejob import Key
from imagejob_operator.decision.report_garbage import (
    FoundReports,
    Step,
    folder_of_report,
    known_jobs,
    next_step,
    with_object,
)
from imagejob_operator.documents.report import read_origin
from imagejob_operator.namespaces import WatchedNamespaces, covers
from imagejob_operator.naming.names import REPORT_ROOT
from imagejob_operator.operations.concurrency import compute, in_pages
from imagejob_operator.ports.object_store import (
    Gate,
    ObjectMissing,
    ObjectStore,
    ObjectTooLarge,
    StoreDenied,
    always_open,
)
from imagejob_operator.ports.owners import Owners
from imagejob_operator.ports.telemetry import GarbageTelemetry

log = logging.getLogger(__name__)

PAGE = 1000
"""Folders that are held in memory."""
MAX_READ = 32 * 1024 * 1024
"""Bytes of a report that is read to learn who wrote it; if all reports of a job are larger, they are kept."""


@dataclass(frozen=True)
class ReportCollector:
    """Sweeps the reports in one store."""

    store: ObjectStore
    owners: Owners
    telemetry: GarbageTelemetry
    staging_folder: str
    retention: timedelta
    gate: Gate = always_open
    namespaces: WatchedNamespaces | None = None

    async def sweep(self, now: datetime) -> None:
        """Sweep once, at this time of the store; raises StoreError or JobsError."""
        async for page in in_pages(self._folders(), PAGE):
            await self._sweep_page(page, now)

    async def _folders(self) -> AsyncIterator[FoundReports]:
        known: FoundReports | None = None
        # In the order of their keys, so the objects of a folder follow one another.
        async for stored in self.store.walk(f"{REPORT_ROOT}/"):
            folder = folder_of_report(stored.key)
            if folder is None:
                continue
            if known is None or known.folder != folder:
                if known:
                    yield known
                known = FoundReports(folder)
            known = with_object(known, stored.key, stored.size, stored.modified_at)
        if known:
            yield known

    async def _sweep_page(self, page: list[FoundReports], now: datetime) -> None:
        watched = self.namespaces or WatchedNamespaces()
        listed = await watched.each(self.owners.uids)
        jobs = known_jobs(
            (key.namespace, key.name, uid) for uids in listed.values() for uid, key in uids.items()
        )
        for found in page:
            folder = found.folder
            if not self.gate() or not any(covers(name, folder.namespace) for name in listed):
                continue
            step = next_step(found, folder in jobs, now, self.retention)
            try:
                await self._take(step, found)
            except StoreDenied as error:
                # A folder that cannot be read or deleted must not block the others.
                self.telemetry.sweep_failed()
                extra = {"store": self.telemetry.name, "prefix": folder.prefix, "error": str(error)}
                log.warning("cannot collect reports", extra=extra)

    async def _take(self, step: Step, found: FoundReports) -> None:
        folder = found.folder
        if step is Step.RESTORE:
            await self.store.delete_prefix(folder.tombstones, self.gate)
        elif step is Step.BURY and await self._is_ours(found):
            await self.store.put(folder.tombstone, self._signature(), "text/plain")
        elif step is Step.DELETE and await self._may_delete(found):
            deleted = await self.store.delete_prefix(folder.prefix, self.gate)
            self.telemetry.deleted(deleted)
            extra = {"store": self.telemetry.name, "prefix": folder.prefix, "objects": deleted}
            log.info("deleted the reports of a deleted ImageJob", extra=extra)

    async def _is_ours(self, found: FoundReports) -> bool:
        """Whether the reports were written by an operator of this installation and cluster."""
        try:
            data = await self.store.read(found.smallest, MAX_READ)
        except (ObjectMissing, ObjectTooLarge):
            return False
        return await compute(read_origin, data) == self.staging_folder

    async def _may_delete(self, found: FoundReports) -> bool:
        """Whether the tombstone is ours, and the job is still gone."""
        folder = found.folder
        try:
            signed = await self.store.read(folder.tombstone, MAX_READ) == self._signature()
        except ObjectMissing:
            return False
        owner = await self.owners.get(Key(folder.namespace, folder.name))
        return signed and (owner is None or not owner[0].startswith(folder.uid_start))

    def _signature(self) -> bytes:
        return f"The ImageJob was gone when this was written by {self.staging_folder}.\n".encode()
