"""Graceful shutdown: stop all work and wait for the last writes, within the grace period."""

from __future__ import annotations

import asyncio
import logging

from imagejob_operator.controller.operation_runner import OperationRunner
from imagejob_operator.controller.workqueue import Queues
from imagejob_operator.garbage.schedule import GarbageSchedule

log = logging.getLogger(__name__)

DRAIN_TIMEOUT = 18.0
"""Kopf ends the process after 25 seconds, Kubernetes after 30."""


async def drain(queues: Queues, garbage_schedule: GarbageSchedule, operations: OperationRunner) -> bool:
    """Stop all work; whether every last write completed, so that the Lease may be released."""

    async def stop() -> None:
        # Reconciles first: one of them might start another operation.
        await asyncio.gather(*(queue.stop() for queue in queues))
        await asyncio.gather(garbage_schedule.stop(), operations.stop())

    stopping = asyncio.create_task(stop())
    await asyncio.wait({stopping}, timeout=DRAIN_TIMEOUT)
    if not stopping.done():
        log.warning("shutdown: the last write has not completed; the lease is not released and will expire")
    return stopping.done()
