"""How the process ends at once and in no good order, and what it says before."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable

from imagejob_operator.controller.leader_election import Lost
from imagejob_operator.controller.watch_monitor import WatchStalled

log = logging.getLogger(__name__)

EXIT_LOST = 3
"""Exit code of a process that is no longer in charge."""
EXIT_DEAF = 4
"""Exit code of a process whose watch, or whose queue, stands still."""


async def exit_when_lease_lost(leading: Awaitable[None]) -> None:
    """Take part in the election for as long as that goes well.

    Else the process ends: turns and operations must not go on beside those of whoever is in charge now.
    """
    try:
        await leading
    except Lost as error:
        log.critical("the lease is lost, this process ends", extra={"why": str(error)})
        os._exit(EXIT_LOST)
    except Exception:
        log.critical("the election failed unexpectedly, this process ends", exc_info=True)
        os._exit(EXIT_LOST)


async def exit_when_watch_stalls(watch_monitor: Awaitable[None]) -> None:
    """Look after the process, and end it when it is of no use: the next one begins with a listing."""
    try:
        await watch_monitor
    except WatchStalled as error:
        log.critical("this process is of no use any more and ends", extra={"why": str(error)})
        os._exit(EXIT_DEAF)
    except Exception:
        log.critical("nobody looks after this process any more, it ends", exc_info=True)
        os._exit(EXIT_DEAF)
