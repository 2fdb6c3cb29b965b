"""Ends the process at once when it must not or cannot go on."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable

from imagejob_operator.controller.leader_election import LeaseLost
from imagejob_operator.controller.watch_monitor import WatchStalled

log = logging.getLogger(__name__)

EXIT_LEASE_LOST = 3
EXIT_WATCH_STALLED = 4


async def exit_on_lease_lost(leading: Awaitable[None]) -> None:
    """Exit if the Lease is lost: reconciles and operations must not go on beside those of the new leader."""
    try:
        await leading
    except LeaseLost as error:
        log.critical("leader election: lease lost, exiting", extra={"error": str(error)})
        os._exit(EXIT_LEASE_LOST)
    except Exception:
        log.critical("leader election failed unexpectedly, exiting", exc_info=True)
        os._exit(EXIT_LEASE_LOST)


async def exit_on_watch_stalled(monitoring: Awaitable[None]) -> None:
    """Exit if the watch monitor finds a problem: the next process starts with a fresh listing."""
    try:
        await monitoring
    except WatchStalled as error:
        log.critical("watch monitor: watch stalled, exiting", extra={"error": str(error)})
        os._exit(EXIT_WATCH_STALLED)
    except Exception:
        log.critical("watch monitor failed unexpectedly, exiting", exc_info=True)
        os._exit(EXIT_WATCH_STALLED)
