"""A lease in memory, with faults as hooks."""

from __future__ import annotations

import itertools

from fakes.hooks import Hooks
from imagejob_operator.ports.imagejobs import Conflict
from imagejob_operator.ports.lease import LeaseRecord


class MemoryLease:
    """The record itself; each replica has a line to it."""

    def __init__(self) -> None:
        self.record: LeaseRecord | None = None
        self._versions = itertools.count(1)

    def put(self, holder: str, over: LeaseRecord | None) -> LeaseRecord:
        if over is None and self.record:
            raise Conflict("there is one")
        if over and self.record and over.version != self.record.version:
            raise Conflict("it was written in between")
        changed = over is not None and holder not in ("", over.holder)
        transitions = (over.transitions if over else 0) + changed
        self.record = LeaseRecord(holder, str(next(self._versions)), transitions)
        return self.record

    @property
    def holder(self) -> str:
        return self.record.holder if self.record else ""


class LeaseLine:
    """One replica's line to the lease; its faults do not affect the others."""

    def __init__(self, lease: MemoryLease) -> None:
        self._lease = lease
        self.hooks = Hooks()

    async def read(self) -> LeaseRecord | None:
        await self.hooks.before("read", "")
        found = self._lease.record
        await self.hooks.after("read", "")
        return found

    async def write(self, holder: str, over: LeaseRecord | None) -> LeaseRecord:
        await self.hooks.before("write", holder)
        written = self._lease.put(holder, over)
        await self.hooks.after("write", holder)
        return written
