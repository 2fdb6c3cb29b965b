"""Who is in charge: one replica holds the lease, all others wait until it is free.

No wall clock is compared with another. A holder counts from before it asked, on its own clock, and stops
before the lease ends; everybody else counts from when the record was last seen to change.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import NoReturn

from imagejob_operator.ports.imagejobs import JobsError
from imagejob_operator.ports.lease import Lease, Record

log = logging.getLogger(__name__)

LEASE = 12.0
"""Seconds that a record must stand unchanged before somebody else may take the lease."""
RENEW = 8.0
"""Seconds since its last renewal after which a holder gives up; what is under way has the rest to end."""
RETRY = 2.0
"""Seconds from one renewal to the next."""
LOOK = 1.0
"""Seconds from one look to the next of whoever waits: a lease that is released is taken within them."""
CALL = 3.0
"""The longest that one call may take: a call that hangs must leave time for another."""

_NEVER = float("-inf")


class Lost(Exception):
    """The lease is lost, or may be; the message says why. Whoever held it must end."""


class LeaderElector:
    """One replica's part in the election. `me` must name this replica and no other one that lives."""

    def __init__(self, lease: Lease, me: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._lease = lease
        self._me = me
        self._clock = clock
        self._record: Record | None = None
        """The record as it was last seen."""
        self._changed = _NEVER
        """When it was last seen to change."""
        self._until = _NEVER
        """Until when this replica is in charge for certain."""

    def is_leader(self) -> bool:
        """Whether this replica is in charge now: the gate of all that acts."""
        return self._clock() < self._until

    async def acquire(self) -> None:
        """Wait until this replica is in charge."""
        while True:
            begun = self._clock()
            try:
                async with asyncio.timeout(CALL):
                    await self._try(begun)
            except (JobsError, TimeoutError) as error:
                log.warning("the lease cannot be had now", extra={"error": _said(error)})
            if self.is_leader():
                log.info("this replica is in charge now", extra={"holder": self._me})
                return
            await self._rest(begun + LOOK)

    async def keep(self) -> NoReturn:
        """Renew the lease for as long as that goes well.

        Raises:
            Lost: the gate is closed by then.
        """
        try:
            why, begun = "this process stood still for too long", self._clock()
            while True:
                await self._rest(begun + RETRY)
                if not self.is_leader():
                    raise Lost(why)
                begun = self._clock()
                try:
                    async with asyncio.timeout(min(CALL, self._until - begun)):
                        await self._renew(begun)
                    why = "this process stood still for too long"
                except (JobsError, TimeoutError) as error:
                    why = f"it was not renewed in time: {_said(error)}"
                    log.warning("the lease was not renewed", extra={"error": _said(error)})
        except Exception:
            self._until = _NEVER
            raise

    async def release(self) -> None:
        """Close the gate and let the next one in at once; without effect if somebody else is in charge."""
        led, self._until = self.is_leader(), _NEVER
        if not led:
            return
        try:
            async with asyncio.timeout(CALL):
                await self._write("")
        except (Lost, JobsError, TimeoutError) as error:
            log.warning("the lease was not released, it ends by itself", extra={"error": _said(error)})

    async def _try(self, begun: float) -> None:
        found = await self._lease.read()
        if not self._is_free(found):
            return
        self._see(await self._lease.write(self._me, found))
        self._until = begun + RENEW

    def _is_free(self, found: Record | None) -> bool:
        if found is None:
            # Somebody deleted it: its holder still counts on it, and will make it anew.
            return self._record is None or self._is_over()
        self._see(found)
        # One of our own: its answer was lost, or it was written by this replica's life before this one.
        return found.holder in ("", self._me) or self._is_over()

    def _is_over(self) -> bool:
        return self._clock() - self._changed >= LEASE

    def _see(self, record: Record) -> None:
        if self._record is None or record.version != self._record.version:
            self._changed = self._clock()
        self._record = record

    async def _renew(self, begun: float) -> None:
        self._see(await self._write(self._me))
        self._until = begun + RENEW

    async def _write(self, holder: str) -> Record:
        """Write over our own record; if that was refused or its answer lost, over what is there now.

        Raises:
            Lost: somebody else holds the lease.
        """
        try:
            return await self._lease.write(holder, self._record)
        except JobsError:
            found = await self._lease.read()
            if found and found.holder != self._me:
                raise Lost(f"{found.holder or 'nobody'} holds it") from None
            return await self._lease.write(holder, found)

    async def _rest(self, until: float) -> None:
        await asyncio.sleep(max(0.0, until - self._clock()))


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
