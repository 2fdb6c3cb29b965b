"""Leader election: one replica holds the Lease, all others wait until it is released or expires.

Wall clocks are never compared. The holder counts from before its request, on its own monotonic clock, and
stops before the Lease expires; the others count from when they last saw the record change.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import NoReturn

from imagejob_operator.ports.imagejobs import JobsError
from imagejob_operator.ports.lease import Lease, LeaseRecord

log = logging.getLogger(__name__)

LEASE_DURATION = 12.0
"""Seconds without a change after which another replica may acquire the Lease."""
RENEW_DEADLINE = 8.0
"""Seconds since its last renewal after which the holder stops being the leader."""
RETRY_PERIOD = 2.0
"""Seconds between renewals."""
ACQUIRE_PERIOD = 1.0
"""Seconds between attempts to acquire; a released Lease is acquired within this time."""
CALL_TIMEOUT = 3.0
"""A request that hangs leaves time for another one before the renew deadline."""

_NEVER = float("-inf")
_FROZEN = "this process was paused for longer than the renew deadline"


class LeaseLost(Exception):
    """The Lease is lost, or may be; the process must exit."""


class LeaderElector:
    """One replica in the election. `identity` must be unique among live replicas."""

    def __init__(self, lease: Lease, identity: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._lease = lease
        self._identity = identity
        self._clock = clock
        self._record: LeaseRecord | None = None
        """The record as last seen."""
        self._changed_at = _NEVER
        """When the record was last seen to change."""
        self._leader_until = _NEVER

    def is_leader(self) -> bool:
        """Whether this replica is certain to be the leader now."""
        return self._clock() < self._leader_until

    async def acquire(self) -> None:
        """Wait until this replica is the leader."""
        while True:
            started = self._clock()
            try:
                async with asyncio.timeout(CALL_TIMEOUT):
                    await self._try_acquire(started)
            except (JobsError, TimeoutError) as error:
                log.warning("leader election: cannot acquire the lease", extra={"error": _text(error)})
            if self.is_leader():
                log.info("leader election: became leader", extra={"identity": self._identity})
                return
            await self._sleep_until(started + ACQUIRE_PERIOD)

    async def renew(self) -> NoReturn:
        """Renew the Lease periodically; LeaseLost if this replica is no longer the leader."""
        try:
            why, started = _FROZEN, self._clock()
            while True:
                await self._sleep_until(started + RETRY_PERIOD)
                if not self.is_leader():
                    raise LeaseLost(why)
                started = self._clock()
                try:
                    async with asyncio.timeout(min(CALL_TIMEOUT, self._leader_until - started)):
                        self._see(await self._write(self._identity))
                    self._leader_until = started + RENEW_DEADLINE
                    why = _FROZEN
                except (JobsError, TimeoutError) as error:
                    why = f"the lease was not renewed before the deadline: {_text(error)}"
                    log.warning("leader election: cannot renew the lease", extra={"error": _text(error)})
        except Exception:
            self._leader_until = _NEVER
            raise

    async def release(self) -> None:
        """Stop being the leader and release the Lease; no effect for a follower."""
        was_leader, self._leader_until = self.is_leader(), _NEVER
        if not was_leader:
            return
        try:
            async with asyncio.timeout(CALL_TIMEOUT):
                await self._write("")
        except (LeaseLost, JobsError, TimeoutError) as error:
            extra = {"error": _text(error)}
            log.warning("leader election: cannot release the lease, it will expire", extra=extra)

    async def _try_acquire(self, started: float) -> None:
        found = await self._lease.read()
        if not self._is_free(found):
            return
        self._see(await self._lease.write(self._identity, found))
        self._leader_until = started + RENEW_DEADLINE

    def _is_free(self, found: LeaseRecord | None) -> bool:
        if found is None:
            # It was deleted: its holder is still the leader and will create it again.
            return self._record is None or self._has_expired()
        self._see(found)
        # Our own: the response was lost, or an earlier container of this Pod wrote it.
        return found.holder in ("", self._identity) or self._has_expired()

    def _has_expired(self) -> bool:
        return self._clock() - self._changed_at >= LEASE_DURATION

    def _see(self, record: LeaseRecord) -> None:
        if self._record is None or record.version != self._record.version:
            self._changed_at = self._clock()
        self._record = record

    async def _write(self, holder: str) -> LeaseRecord:
        """Write over our own record, retrying once; LeaseLost if another replica holds the Lease."""
        try:
            return await self._lease.write(holder, self._record)
        except JobsError:
            found = await self._lease.read()
            if found and found.holder != self._identity:
                raise LeaseLost(f"the lease is held by {found.holder or 'no replica'}") from None
            return await self._lease.write(holder, found)

    async def _sleep_until(self, moment: float) -> None:
        await asyncio.sleep(max(0.0, moment - self._clock()))


def _text(error: Exception) -> str:
    return str(error) or type(error).__name__
