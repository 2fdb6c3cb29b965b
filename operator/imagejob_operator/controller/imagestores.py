"""Turns of ImageStores: look at one, say on it how it stands, and wake the jobs that wait for it."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from datetime import datetime, timedelta

from imagejob_operator.api.imagejob import Key
from imagejob_operator.api.imagestore import ImageStore
from imagejob_operator.api.imagestore_status import Readiness, next_check, store_status
from imagejob_operator.api.phase import Phase
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.workqueue import WorkQueue
from imagejob_operator.ports.imagejobs import Conflict, Gone, JobsError
from imagejob_operator.ports.imagestores import ImageStores
from imagejob_operator.ports.object_store import Gate, always_open
from imagejob_operator.stores.registry import StoreRegistry

log = logging.getLogger(__name__)

WORKERS = 8
CONFLICT_PAUSE = timedelta(seconds=0.5)
ERROR_PAUSE = timedelta(seconds=5)
RENEW_BEFORE = timedelta(minutes=10)
"""Temporary credentials are renewed so long before they end."""


class ImageStoreReconciler:
    """Gives ImageStores their turns; what was seen of them is remembered here."""

    def __init__(  # noqa: PLR0913  (its collaborators, the clock and the dice)
        self,
        registry: StoreRegistry,
        image_stores: ImageStores,
        cache: Cache,
        wake: Callable[[Key], None],
        clock: Callable[[], datetime],
        gate: Gate = always_open,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._registry = registry
        self._image_stores = image_stores
        self._cache = cache
        self._wake = wake
        self._clock = clock
        self._gate = gate
        self._draw = draw
        self._stores: dict[Key, ImageStore] = {}
        self._failed: dict[str, int] = {}
        self.queue = WorkQueue(self.reconcile, WORKERS, draw)

    def seen(self, store: ImageStore, gone: bool) -> None:
        """Take a sight of an ImageStore."""
        known = self._stores.get(store.key)
        if gone:
            if known and known.uid == store.uid:
                del self._stores[store.key]
            self._failed.pop(store.uid, None)
        elif known and (known.uid, known.resource_version) == (store.uid, store.resource_version):
            return
        else:
            self._stores[store.key] = store
            if known and known.uid == store.uid and known.generation == store.generation:
                return  # our own word on it
        self.queue.add(store.key)

    def begin(self) -> None:
        """This replica is in charge now: no job takes a store for gone that is only not open yet."""
        for store in self._stores.values():
            self._registry.see(store)
            self.queue.add(store.key)

    async def reconcile(self, key: Key) -> None:
        """One turn; every error of the world ends in a later turn, none in an exception."""
        if not self._gate():
            return
        store = self._stores.get(key)
        if store is None:
            self._registry.forget(key)
            return
        try:
            pause = await self._reconcile(store)
        except Conflict:
            pause = CONFLICT_PAUSE
        except Gone:
            return
        except JobsError as error:
            log.warning("a call failed, the turn is repeated", extra={"store": str(key), "error": str(error)})
            self.queue.retry(key)
            return
        self.queue.add_after(key, pause.total_seconds())

    async def _reconcile(self, store: ImageStore) -> timedelta:
        standing = await self._registry.look(store)
        failed = 0 if standing.ready else self._failed.get(store.uid, 0) + 1
        if failed and store.key in self._stores:
            self._failed[store.uid] = failed
        else:
            self._failed.pop(store.uid, None)
        await self._say(store, standing)
        for job in self._cache.jobs():
            if job.key.namespace == store.key.namespace and job.status.at is Phase.PENDING:
                self._wake(job.key)
        pause = next_check(standing, failed, self._draw())
        until = self._registry.credentials_end(store.uid)
        if until is not None:
            pause = min(pause, max(ERROR_PAUSE, until - RENEW_BEFORE - self._clock()))
        return pause

    async def _say(self, store: ImageStore, standing: Readiness) -> None:
        status = store_status(store, standing, self._clock())
        if status == store.status or not self._gate():
            return
        after = await self._image_stores.write_status(store, status)
        if self._stores.get(store.key) is store:
            self._stores[store.key] = after
        extra = {"store": str(store.key), "why": standing.message}
        log.info("ImageStore %s is %s", store.key, standing.reason, extra=extra)
