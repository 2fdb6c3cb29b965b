"""From what was seen to one observation of one job."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from imagejob_contract.result import Summary
from imagejob_operator.api.imagejob import ImageJob, Key
from imagejob_operator.api.phase import TERMINAL, Phase
from imagejob_operator.api.spec import InvalidSpec
from imagejob_operator.backoff import Backoff
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.operation_runner import Draw, OperationRunner
from imagejob_operator.decision.attempt import Problem, Refusal, Remark
from imagejob_operator.decision.observation import Admission, Observation, Policy
from imagejob_operator.decision.store_availability import StoreViews
from imagejob_operator.ports.imagejobs import Gone, Jobs, JobsError

Clock = Callable[[], datetime]

ADMISSION_LIFETIME = timedelta(seconds=10)
RELAUNCH = Backoff(timedelta(seconds=1), timedelta(seconds=30), jitter=0.5)
"""With jitter, since a quota or a webhook refuses the Pods of many runs together."""


@dataclass(slots=True)
class RunMemory:
    """What this process learned of a run by acting; lost with it, and learned again."""

    draw: Draw = random.random
    results: dict[int, Summary] = field(default_factory=dict)
    refusals: dict[int, Refusal] = field(default_factory=dict)
    refused: dict[int, int] = field(default_factory=dict)
    remarks: dict[str, Remark] = field(default_factory=dict)
    rejected: str = ""
    """Why the API server refuses our finalizer on the job as it is."""

    def refuse(self, shard: int, problem: Problem, now: datetime) -> None:
        """The launcher refused a shard: since when, and when to ask again."""
        before = self.refusals.get(shard)
        times = self.refused[shard] = self.refused.get(shard, 0) + 1
        again = now + RELAUNCH.pause(times, self.draw())
        self.refusals[shard] = Refusal(problem, before.since if before else now, again)

    def accept(self, shard: int) -> None:
        """The launcher took a shard."""
        self.refusals.pop(shard, None)
        self.refused.pop(shard, None)


class Observer:
    """Looks at the cache first, and at the world only where the phase needs it."""

    def __init__(  # noqa: PLR0913  (one for each thing that is looked at)
        self,
        cache: Cache,
        operations: OperationRunner,
        jobs: Jobs,
        clock: Clock,
        policy: Policy,
        selector: Mapping[str, str],
        views: Callable[[ImageJob], StoreViews] = lambda job: StoreViews(),
        draw: Draw = random.random,
    ) -> None:
        self._cache = cache
        self._operations = operations
        self._jobs = jobs
        self._clock = clock
        self._policy = policy
        self._selector = selector
        self._views = views
        self._draw = draw
        self._memory: dict[Key, tuple[tuple[str, int, int], RunMemory]] = {}
        self._admissions: dict[str, tuple[datetime, Admission]] = {}

    async def observe(self, job: ImageJob) -> Observation:
        """Everything that the decision may know of a job now."""
        memory = self.memory(job)
        operation, progress = self._operations.look(job.key)
        pending = job.status.at is Phase.PENDING and job.deleted_at is None
        return Observation(
            now=self._clock(),
            job=job,
            policy=self._policy,
            admission=await self._admission(job.key.namespace) if pending and _uses_own(job) else None,
            stores=self._views(job) if pending else StoreViews(),
            attempts=self._cache.attempts(job.uid),
            results=dict(memory.results),
            refusals=dict(memory.refusals),
            remarks=dict(memory.remarks),
            rejected=memory.rejected,
            operation=operation,
            progress=progress,
            operation_since=self._operations.since(job.key),
        )

    def memory(self, job: ImageJob) -> RunMemory:
        """What was learned of the job's current run, in its current epoch."""
        run = job.status.run
        place = (job.uid, run.number if run else 0, run.epoch if run else 0)
        known = self._memory.get(job.key)
        if known is None or known[0] != place:
            known = (place, RunMemory(self._draw))
            if job.status.at not in TERMINAL:
                self._memory[job.key] = known
        return known[1]

    def forget(self, key: Key) -> None:
        """The job has ended or is gone."""
        self._memory.pop(key, None)

    async def _admission(self, namespace: str) -> Admission | None:
        known = self._admissions.get(namespace)
        if known and self._clock() < known[0] + ADMISSION_LIFETIME:
            return known[1]
        try:
            labels = await self._jobs.namespace_labels(namespace)
        except Gone:
            labels = {}
        except JobsError:
            return None
        missing = [f"{k}={v}" for k, v in self._selector.items() if labels.get(k) != v]
        text = (
            f"the operator's store does not admit namespace {namespace!r}: it lacks the label "
            f"{', '.join(missing)}; ask the administrator, or kubectl label namespace {namespace} "
            f"{' '.join(missing)}"
        )
        admission = Admission(not missing, text if missing else "")
        if admission.admitted:
            # A refusal is asked anew each time: the label may have just been set.
            now = self._clock()
            fresh = {k: v for k, v in self._admissions.items() if now < v[0] + ADMISSION_LIFETIME}
            self._admissions = {**fresh, namespace: (now, admission)}
        return admission


def _uses_own(job: ImageJob) -> bool:
    """Whether a job uses the operator's own store."""
    return isinstance(job.spec, InvalidSpec) or job.spec.store_ref is None
