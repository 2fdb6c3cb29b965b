"""The reconcile loop of ImageStores: check the store, write its readiness, wake the jobs that wait for it."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import timedelta

from imagejob_operator.api.imagejob import Key
from imagejob_operator.api.imagestore import ImageStore
from imagejob_operator.api.imagestore_status import Readiness, next_check, store_status
from imagejob_operator.api.phase import Phase
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.workqueue import Queues
from imagejob_operator.ports.clock import Clock
from imagejob_operator.ports.imagejobs import Conflict, Gone, JobsError
from imagejob_operator.ports.imagestores import ImageStores
from imagejob_operator.ports.object_store import Gate, always_open
from imagejob_operator.stores.registry import StoreRegistry

log = logging.getLogger(__name__)

CONFLICT_REQUEUE = timedelta(seconds=0.5)
MIN_RENEWAL_REQUEUE = timedelta(seconds=5)
RENEW_BEFORE = timedelta(minutes=10)
"""Temporary credentials are renewed this long before they expire."""


@dataclass
class ImageStoreReconciler:
    """Reconciles ImageStores, and caches them."""

    registry: StoreRegistry
    image_stores: ImageStores
    cache: Cache
    queues: Queues
    clock: Clock
    is_leader: Gate = always_open
    _stores: dict[Key, ImageStore] = field(default_factory=dict, init=False)
    _failed_checks: dict[str, int] = field(default_factory=dict, init=False)

    def seen(self, store: ImageStore, gone: bool) -> None:
        """A watch event of an ImageStore."""
        known = self._stores.get(store.key)
        if gone:
            if known and known.uid == store.uid:
                del self._stores[store.key]
            self._failed_checks.pop(store.uid, None)
        elif known and (known.uid, known.resource_version) == (store.uid, store.resource_version):
            return
        else:
            self._stores[store.key] = store
            if known and known.uid == store.uid and known.generation == store.generation:
                return  # only the status changed
        self.queues.imagestores.add(store.key)

    def start_leading(self) -> None:
        """Register all stores before any job is reconciled, so that none of them seems to be missing."""
        for store in self._stores.values():
            self.registry.register(store)
            self.queues.imagestores.add(store.key)

    async def reconcile(self, key: Key) -> None:
        """Reconcile one ImageStore; errors requeue the key."""
        if not self.is_leader():
            return
        store = self._stores.get(key)
        if store is None:
            self.registry.forget(key)
            return
        queue = self.queues.imagestores
        try:
            pause = await self._reconcile(store)
        except Conflict:
            pause = CONFLICT_REQUEUE
        except Gone:
            return
        except JobsError as error:
            log.warning("API call failed, retrying", extra={"store": str(key), "error": str(error)})
            queue.retry(key)
            return
        queue.add_after(key, pause.total_seconds())

    async def _reconcile(self, store: ImageStore) -> timedelta:
        readiness = await self.registry.check(store)
        failed = 0 if readiness.ready else self._failed_checks.get(store.uid, 0) + 1
        if failed and store.key in self._stores:
            self._failed_checks[store.uid] = failed
        else:
            self._failed_checks.pop(store.uid, None)
        await self._write_status(store, readiness)
        for job in self.cache.jobs():
            if job.key.namespace == store.key.namespace and job.status.at is Phase.PENDING:
                self.queues.jobs.add(job.key)
        pause = next_check(readiness, failed, self.queues.imagestores.random())
        expires_at = self.registry.credentials_expire_at(store.uid)
        if expires_at is not None:
            pause = min(pause, max(MIN_RENEWAL_REQUEUE, expires_at - RENEW_BEFORE - self.clock()))
        return pause

    async def _write_status(self, store: ImageStore, readiness: Readiness) -> None:
        status = store_status(store, readiness, self.clock())
        if status == store.status or not self.is_leader():
            return
        after = await self.image_stores.write_status(store, status)
        if self._stores.get(store.key) is store:
            self._stores[store.key] = after
        extra = {"store": str(store.key), "reason": readiness.reason, "detail": readiness.message}
        log.info("ImageStore %s is %s", store.key, readiness.reason, extra=extra)
