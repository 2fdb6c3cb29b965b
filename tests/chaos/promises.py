"""Invariants that hold wherever the operator is killed."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from chaos.plan import Request
from fakes.memory_owners import OTHER_FOLDER
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import RunStatus
from imagejob_operator.decision.attempt import Attempt
from imagejob_operator.naming.names import REPORT_ROOT

if TYPE_CHECKING:
    from chaos.arena import Arena

FORWARD = {Phase.STAGING, Phase.LAUNCHING, Phase.RUNNING}


class Promises:
    """Checks every launch and every deletion."""

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self.wrongs: list[str] = []
        self.launches: Counter[str] = Counter()
        self._complete: set[str] = set()

    def wrote(self, key: str) -> None:
        """An object was written; the manifest of a staging is the last one."""
        if key.endswith("/manifest.json"):
            self._complete.add(key)

    def launched(self, uid: str, attempt: Attempt) -> None:
        """A Pod was made."""
        self.launches[attempt.name] += 1
        if self.launches[attempt.name] > 1 and not self._comes_late(attempt):
            self.wrongs.append(
                f"duplicate launch: {attempt.name} was launched {self.launches[attempt.name]} times"
            )
        staging = f"/{uid}/{attempt.run}-{attempt.epoch}-"
        # One of two leaders may come late, to a staging that the other one has emptied by then.
        once = any(staging in key for key in self._complete)
        staged = once if self._arena.two else self._arena.somewhere("/manifest.json", staging)
        if not staged:
            self.wrongs.append(f"{attempt.name} was launched before all was staged")
        others = [a for _, a in self._arena.cluster.attempts() if a.live and not a.deleting]
        if sum((a.place, a.shard) == (attempt.place, attempt.shard) for a in others) > 1:
            self.wrongs.append(f"{attempt.name} was launched beside another live attempt at its shard")

    def _comes_late(self, attempt: Attempt) -> bool:
        """Whether one of two leaders launches a Pod that the other one has deleted; it is deleted again."""
        job, two = self._arena.job, self._arena.two
        run = job.status.run if job else None
        wanted = run is not None and run.place == attempt.place
        return two and not (job and wanted and job.status.at in FORWARD)

    def deletes(self, request: Request) -> None:
        """An object is about to be deleted from a store."""
        if request.operation != "delete" or request.target != "store":
            return
        if OTHER_FOLDER in request.about:
            self.wrongs.append(f"the staging of another cluster was deleted: {request.about}")
        job = self._arena.job
        if job is None or job.deleted_at:
            return
        staging, run = job.status.staging, job.status.run or RunStatus()
        # A status that is held back may still say Running; the report is the commit point.
        committed = self._arena.somewhere(f"-{run.uid}.json", REPORT_ROOT)
        of_the_run = staging and request.about.endswith(staging.prefix)
        if job.status.at in FORWARD and of_the_run and not committed:
            self.wrongs.append(f"staging was deleted under a run that is {job.status.phase}")
