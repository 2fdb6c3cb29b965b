"""What this process learned about runs by acting on them. A restart loses it, and it is learned again."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from imagejob_contract.result import Summary
from imagejob_operator.api.imagejob import ImageJob, Key
from imagejob_operator.api.phase import TERMINAL
from imagejob_operator.api.status import RunPlace
from imagejob_operator.backoff import Backoff
from imagejob_operator.decision.attempt import Problem, Refusal, Remark
from imagejob_operator.decision.observation import COUNT_EVERY
from imagejob_operator.ports.clock import Random

RELAUNCH = Backoff(timedelta(seconds=1), timedelta(seconds=30), jitter=0.5)
"""With jitter, because one quota or webhook refuses the Pods of many runs at the same time."""
PROGRESS_WRITES = 10.0
"""Status writes per second of all jobs together that only show progress."""
PROGRESS_READS = 50.0
"""Progress objects that are read per second for all jobs together."""


@dataclass(slots=True)
class RunMemory:
    """One epoch of one run."""

    random: Random = random.random
    results: dict[int, Summary] = field(default_factory=dict)
    refusals: dict[int, Refusal] = field(default_factory=dict)
    refusal_counts: dict[int, int] = field(default_factory=dict)
    remarks: dict[str, Remark] = field(default_factory=dict)
    finalizer_refused: Refusal | None = None
    recorded: Counter[str] = field(default_factory=Counter)
    """Events of the steps of the run in all its epochs, by reason."""

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


class ProgressBudget:
    """How often the progress of a job is read: often enough, and rarely enough if many jobs are running.

    Each namespace has the same share of the operator's budget, and each of its jobs the same share of that.
    A reading costs at most one write of the status, and one read for each running Pod.
    """

    def __init__(self, writes: float = PROGRESS_WRITES, reads: float = PROGRESS_READS) -> None:
        self._writes = writes
        self._reads = reads
        self._pods: dict[str, dict[Key, int]] = {}
        """Of running jobs, by namespace."""

    def period(self, key: Key, pods: int) -> timedelta:
        """The job has so many running Pods: the least time between two readings of its progress."""
        jobs = self._pods.setdefault(key.namespace, {})
        jobs[key] = pods
        seconds = max(len(jobs) / self._writes, sum(jobs.values()) / self._reads)
        return max(COUNT_EVERY, timedelta(seconds=len(self._pods) * seconds))

    def leave(self, key: Key) -> None:
        """The job is not running."""
        jobs = self._pods.get(key.namespace, {})
        jobs.pop(key, None)
        if not jobs:
            self._pods.pop(key.namespace, None)

    def __len__(self) -> int:
        """How many jobs are running."""
        return sum(map(len, self._pods.values()))


class RunMemories:
    """The memory of each run that is under way."""

    def __init__(self, random: Random = random.random) -> None:
        self._random = random
        self.progress_budget = ProgressBudget()
        self._by_key: dict[Key, tuple[tuple[str, RunPlace | None], RunMemory]] = {}

    def of(self, job: ImageJob) -> RunMemory:
        """The memory of the job's current run and epoch; an older one is dropped."""
        run = job.status.run
        place = (job.uid, run.place if run else None)
        known = self._by_key.get(job.key)
        if known and known[0] == place:
            return known[1]
        memory = RunMemory(self._random)
        if known and run and known[0][0] == job.uid and known[0][1] and known[0][1].number == run.number:
            memory.recorded = known[1].recorded
        if job.status.at not in TERMINAL:
            self._by_key[job.key] = (place, memory)
        return memory

    def forget(self, key: Key) -> None:
        """The run has ended, or the job is gone."""
        self._by_key.pop(key, None)
        self.progress_budget.leave(key)

    def __len__(self) -> int:
        """How many runs are remembered."""
        return len(self._by_key)
