"""Ends the process at once when it must not or cannot go on."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable

from imagejob_operator.controller.leader_election import LeaseLost
from imagejob_operator.controller.watch_monitor import WatchStalled

log = logging.getLogger(__name__)

EXIT_LEASE_LOST = 3
"""Reconciles and operations must not go on beside those of the new leader."""
EXIT_WATCH_STALLED = 4
"""The next process starts with a fresh listing."""


async def exit_on_error(task: Awaitable[None], exit_code: int) -> None:
    """Exit at once if the task fails."""
    try:
        await task
    except (LeaseLost, WatchStalled) as error:
        log.critical("exiting: %s", type(error).__name__, extra={"error": str(error)})
        os._exit(exit_code)
    except Exception:
        log.critical("exiting: unexpected error", exc_info=True)
        os._exit(exit_code)
