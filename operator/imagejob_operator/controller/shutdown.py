"""Ending what is under way when the process is told to stop, within the time that it is given."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from imagejob_operator.controller.operation_runner import OperationRunner
from imagejob_operator.controller.workqueue import WorkQueue
from imagejob_operator.garbage.schedule import GarbageSchedule

log = logging.getLogger(__name__)

LONGEST = 18.0
"""Seconds in which last writes must have landed. Kopf ends the process after 25, Kubernetes after 30."""


async def drain(
    queues: Sequence[WorkQueue], garbage_schedule: GarbageSchedule, operations: OperationRunner
) -> bool:
    """End turns, sweeps and operations.

    Returns:
        Whether the last write of all of them has landed, so that somebody else may be in charge at once.
    """

    async def end() -> None:
        # Turns first: one of them might begin another operation.
        await asyncio.gather(*(queue.stop() for queue in queues))
        await asyncio.gather(garbage_schedule.stop(), operations.close())

    ending = asyncio.create_task(end())
    await asyncio.wait({ending}, timeout=LONGEST)
    if not ending.done():
        log.warning("a last write has not landed, the lease is left to end by itself")
    return ending.done()
