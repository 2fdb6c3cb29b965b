"""Waits until the cache has every job. The watch does not report that its initial listing is complete."""

from __future__ import annotations

import asyncio
import logging

from imagejob_operator.controller.cache import Cache
from imagejob_operator.ports.imagejobs import JobsError
from imagejob_operator.ports.owners import Owners

log = logging.getLogger(__name__)

CHECK_PERIOD = 0.5


async def await_cache_sync(cache: Cache, owners: Owners, namespaces: tuple[str, ...]) -> None:
    """Return when every job of the first listing is in the cache or gone; errors are retried."""
    missing: set[str] | None = None
    while True:
        try:
            listed = set(await owners.uids(namespaces))
            # Jobs created later do not count, or the cache of a busy cluster would never be in sync.
            missing = (listed if missing is None else missing & listed) - cache.seen()
            if not missing:
                return
        except JobsError as error:
            log.warning("cache sync: cannot list ImageJobs, retrying", extra={"error": str(error)})
        await asyncio.sleep(CHECK_PERIOD)
