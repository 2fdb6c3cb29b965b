"""Whether the operator's own store can be used: known from the start, and without a job that fails of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from imagejob_operator.ports.object_store import ObjectStore, StoreError

log = logging.getLogger(__name__)

PERIOD = 30.0
"""Seconds between two checks."""
CHECK_SECONDS = 30.0


@dataclass
class StoreProbe:
    """Lists the staging of the installation periodically; each replica does."""

    store: ObjectStore
    prefix: str
    report: Callable[[bool], None]
    _problem: str = field(default="", init=False)

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            await self.check()
            await asyncio.sleep(PERIOD)

    async def check(self) -> None:
        """Check once; a problem is logged when it is new, and when it is over."""
        before, self._problem = self._problem, await self._list()
        self.report(not self._problem)
        if self._problem and self._problem != before:
            log.warning("the operator's store cannot be used", extra={"error": self._problem})
        elif before and not self._problem:
            log.info("the operator's store can be used again")

    async def _list(self) -> str:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                async for _ in self.store.folders(self.prefix):
                    break
        except TimeoutError:
            return f"it did not answer within {CHECK_SECONDS:.0f} seconds"
        except StoreError as error:
            return str(error)
        return ""
