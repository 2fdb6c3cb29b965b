"""Collects an observation of a job: from memory, and from the API server only where a phase needs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import Phase
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.operation_runner import OperationRunner
from imagejob_operator.controller.run_memory import RunMemories
from imagejob_operator.controller.store_access import StoreAccess
from imagejob_operator.decision.attempt import Attempt, State
from imagejob_operator.decision.observation import COUNT_EVERY, Observation, Policy, StoreViews
from imagejob_operator.ports.clock import Clock


@dataclass(frozen=True)
class Observer:
    """Observes jobs."""

    cache: Cache
    operations: OperationRunner
    memories: RunMemories
    stores: StoreAccess
    policy: Policy
    clock: Clock
    store_away: Callable[[ImageJob], str] = lambda job: ""
    """Why the store of a job does not answer; empty if it does."""

    async def observe(self, job: ImageJob) -> Observation:
        """Everything that the decision may know about the job now."""
        memory = self.memories.of(job)
        operation, progress = self.operations.progress_of(job.key)
        pending = job.status.at is Phase.PENDING and job.deleted_at is None
        attempts = self.cache.attempts(job.identity)
        return Observation(
            now=self.clock(),
            job=job,
            policy=self.policy,
            admission=await self.stores.admission(job) if pending else None,
            stores=self.stores.views(job) if pending else StoreViews(),
            attempts=attempts,
            results=dict(memory.results),
            refusals=dict(memory.refusals),
            remarks=dict(memory.remarks),
            finalizer_refused=memory.finalizer_refused,
            operation=operation,
            progress=progress,
            operation_since=self.operations.started_at(job.key),
            recorded=dict(memory.recorded),
            store_away=self.store_away(job),
            count_every=self._count_every(job, attempts),
        )

    def _count_every(self, job: ImageJob, attempts: Sequence[Attempt]) -> timedelta:
        budget = self.memories.progress_budget
        if job.status.at is Phase.RUNNING and job.deleted_at is None:
            return budget.period(job.key, sum(a.state is State.RUNNING for a in attempts))
        budget.leave(job.key)
        return COUNT_EVERY
