"""Reports ImageJobs that no operator seems to serve: another class, and no status for long.

This operator does not know the classes of others. An operator that has the class would have written a status.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.controller.cache import UNSERVED_AFTER, Cache
from imagejob_operator.decision.action import RecordEvent
from imagejob_operator.ports.clock import Clock
from imagejob_operator.ports.imagejobs import Jobs, JobsError

log = logging.getLogger(__name__)

CHECK_PERIOD = 10.0
"""Seconds between two checks."""
MOST = 10
"""Events of one check."""
NOT_SERVED = "NotServed"


@dataclass
class UnservedJobs:
    """Records one Event for each of them; several installations record the same one."""

    jobs: Jobs
    cache: Cache
    job_class: str
    clock: Clock
    _reported: set[str] = field(default_factory=set, init=False)
    """Uids."""

    async def run(self) -> None:
        """Check until cancelled."""
        while True:
            try:
                await self.check()
            except Exception:
                log.exception("jobs that no operator serves could not be reported, trying again")
            await asyncio.sleep(CHECK_PERIOD)

    async def check(self) -> None:
        """Report those that are new."""
        found = {job.uid: job for job in self.cache.unserved(self.clock())}
        self._reported &= found.keys()
        for job in [job for uid, job in found.items() if uid not in self._reported][:MOST]:
            self._reported.add(job.uid)
            await self._report(job)

    async def _report(self, job: ImageJob) -> None:
        served = f"the class {self.job_class!r}" if self.job_class else "ImageJobs without a class"
        text = (
            f"no operator has handled this ImageJob for {UNSERVED_AFTER.seconds} s; the one that reports it "
            f"serves {served}; check spec.class, and whether an operator with that class is running"
        )
        try:
            await self.jobs.record_event(job, RecordEvent(True, NOT_SERVED, text, 0))
        except JobsError as error:
            extra = {"job": str(job.key), "uid": job.uid, "reason": NOT_SERVED, "error": str(error)}
            log.warning("Event could not be recorded", extra=extra)
