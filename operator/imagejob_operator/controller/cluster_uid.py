"""Reads the uid of the cluster once, before anything is staged or deleted."""

from __future__ import annotations

import asyncio
import logging

from imagejob_operator.ports.imagejobs import JobsError, Rejected
from imagejob_operator.ports.owners import Owners

log = logging.getLogger(__name__)

RETRY_PERIOD = 1.0


class ClusterUnknown(Exception):
    """The operator may not read the cluster's uid; the message says which permission is missing."""


async def read_cluster_uid(owners: Owners) -> str:
    """The uid of this cluster; transient errors are retried.

    Raises:
        ClusterUnknown: the API server refuses access.
    """
    while True:
        try:
            return await owners.cluster_uid()
        except Rejected as error:
            raise ClusterUnknown(
                "the uid of the namespace kube-system, which is part of the staging prefix, cannot be read: "
                f"{error}; give the operator's ServiceAccount a ClusterRole with the verb get on namespaces, "
                "resourceNames [kube-system]"
            ) from error
        except JobsError as error:
            log.warning("cannot read the cluster uid, retrying", extra={"error": str(error)})
        await asyncio.sleep(RETRY_PERIOD)
