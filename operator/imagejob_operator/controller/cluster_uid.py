"""Which cluster this is: read once, before anything is staged or swept."""

from __future__ import annotations

import asyncio
import logging

from imagejob_operator.ports.imagejobs import JobsError, Rejected
from imagejob_operator.ports.owners import Owners

log = logging.getLogger(__name__)

PAUSE = 1.0
"""Seconds from one try to the next."""


class ClusterUnknown(Exception):
    """The operator may not read which cluster this is; the message says what is missing."""


async def read_cluster(owners: Owners) -> str:
    """The uid of this cluster; errors that may pass are tried again.

    Raises:
        ClusterUnknown: if the API server refuses to tell it.
    """
    while True:
        try:
            return await owners.cluster()
        except Rejected as error:
            raise ClusterUnknown(
                "the uid of the namespace kube-system, which is part of the staging prefix, cannot be read: "
                f"{error}; give the operator's ServiceAccount a ClusterRole with the verb get on namespaces, "
                "resourceNames [kube-system]"
            ) from error
        except JobsError as error:
            log.warning("the uid of this cluster cannot be read", extra={"error": str(error)})
        await asyncio.sleep(PAUSE)
