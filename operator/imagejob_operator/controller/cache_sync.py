"""When the cache knows every job: the watch does not say that it has told all."""

from __future__ import annotations

import asyncio
import logging

from imagejob_operator.controller.cache import Cache
from imagejob_operator.ports.imagejobs import JobsError
from imagejob_operator.ports.owners import Owners

log = logging.getLogger(__name__)

PAUSE = 0.5
"""Seconds from one look to the next."""


async def await_cache_sync(cache: Cache, owners: Owners, namespaces: tuple[str, ...]) -> None:
    """Return when every job that was there at first has been seen or is gone; errors are tried again."""
    missing: set[str] | None = None
    while True:
        try:
            there = set(await owners.uids(namespaces))
            # Those that came since are no matter, or a busy cluster would never be warm.
            missing = (there if missing is None else missing & there) - cache.seen()
            if not missing:
                return
        except JobsError as error:
            log.warning("the jobs that are there cannot be listed", extra={"error": str(error)})
        await asyncio.sleep(PAUSE)
