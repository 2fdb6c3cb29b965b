"""What a process waits for before it may lead: the uid of its cluster, and a cache that has every job."""

from __future__ import annotations

import asyncio
import logging

from imagejob_operator.controller.cache import Cache
from imagejob_operator.namespaces import WatchedNamespaces
from imagejob_operator.ports.imagejobs import Forbidden, JobsError
from imagejob_operator.ports.owners import Owners

log = logging.getLogger(__name__)

RETRY_PERIOD = 1.0
CHECK_PERIOD = 0.5


class ClusterUnknown(Exception):
    """The operator may not read the cluster's uid; the message names the missing permission."""


async def read_cluster_uid(owners: Owners) -> str:
    """The uid of this cluster, or ClusterUnknown if access is refused; transient errors are retried."""
    while True:
        try:
            return await owners.cluster_uid()
        except Forbidden as error:
            raise ClusterUnknown(
                "the uid of the namespace kube-system, which is part of the staging prefix, cannot be read: "
                f"{error}; give the operator's ServiceAccount a ClusterRole with the verb get on namespaces, "
                "resourceNames [kube-system]"
            ) from error
        except JobsError as error:
            log.warning("cannot read the cluster uid, retrying", extra={"error": str(error)})
        await asyncio.sleep(RETRY_PERIOD)


async def await_cache_sync(cache: Cache, owners: Owners, namespaces: WatchedNamespaces) -> None:
    """Return when every job of the first listing is in the cache or gone; errors are retried.

    The watch does not report that its initial listing is complete. Namespaces that cannot be read do not
    count, unless there is no other.
    """
    missing: set[str] | None = None
    while True:
        try:
            listed = {uid for uids in (await namespaces.each(owners.uids)).values() for uid in uids}
            # Jobs created later do not count, or the cache of a busy cluster would never be in sync.
            missing = (listed if missing is None else missing & listed) - cache.seen()
            if not missing:
                return
        except JobsError as error:
            log.warning("cache sync: cannot list ImageJobs, retrying", extra={"error": str(error)})
        await asyncio.sleep(CHECK_PERIOD)
