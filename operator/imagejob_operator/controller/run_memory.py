"""What this process learned about runs by acting on them. A restart loses it, and it is learned again."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from imagejob_contract.result import Summary
from imagejob_operator.api.imagejob import ImageJob, Key
from imagejob_operator.api.phase import TERMINAL
from imagejob_operator.api.status import RunPlace
from imagejob_operator.backoff import Backoff
from imagejob_operator.decision.attempt import Problem, Refusal, Remark
from imagejob_operator.ports.clock import Random

RELAUNCH = Backoff(timedelta(seconds=1), timedelta(seconds=30), jitter=0.5)
"""With jitter, because one quota or webhook refuses the Pods of many runs at the same time."""


@dataclass(slots=True)
class RunMemory:
    """One epoch of one run."""

    random: Random = random.random
    results: dict[int, Summary] = field(default_factory=dict)
    refusals: dict[int, Refusal] = field(default_factory=dict)
    refusal_counts: dict[int, int] = field(default_factory=dict)
    remarks: dict[str, Remark] = field(default_factory=dict)
    finalizer_refused: Refusal | None = None

    def refuse(self, shard: int, problem: Problem, now: datetime, least_pause: float | None = None) -> None:
        """The launcher refused the shard; it is launched again after a pause."""
        before = self.refusals.get(shard)
        count = self.refusal_counts[shard] = self.refusal_counts.get(shard, 0) + 1
        pause = max(RELAUNCH.pause(count, self.random()), timedelta(seconds=least_pause or 0))
        self.refusals[shard] = Refusal(problem, before.since if before else now, now + pause)

    def refuse_finalizer(self, problem: Problem, now: datetime, pause: timedelta) -> None:
        """The API server did not accept the finalizer; it is added again after a pause."""
        before = self.finalizer_refused
        self.finalizer_refused = Refusal(problem, before.since if before else now, now + pause)

    def accept(self, shard: int) -> None:
        """The launcher accepted the shard."""
        self.refusals.pop(shard, None)
        self.refusal_counts.pop(shard, None)


class RunMemories:
    """The memory of each run that is under way."""

    def __init__(self, random: Random = random.random) -> None:
        self._random = random
        self._by_key: dict[Key, tuple[tuple[str, RunPlace | None], RunMemory]] = {}

    def of(self, job: ImageJob) -> RunMemory:
        """The memory of the job's current run and epoch; an older one is dropped."""
        run = job.status.run
        place = (job.uid, run.place if run else None)
        known = self._by_key.get(job.key)
        if known and known[0] == place:
            return known[1]
        memory = RunMemory(self._random)
        if job.status.at not in TERMINAL:
            self._by_key[job.key] = (place, memory)
        return memory

    def forget(self, key: Key) -> None:
        """The run has ended, or the job is gone."""
        self._by_key.pop(key, None)

    def __len__(self) -> int:
        """How many runs are remembered."""
        return len(self._by_key)
