"""Collects an observation of a job: from memory, and from the API server only where a phase needs it."""

from __future__ import annotations

from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import Phase
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.operation_runner import OperationRunner
from imagejob_operator.controller.run_memory import RunMemories
from imagejob_operator.controller.store_access import StoreAccess
from imagejob_operator.decision.observation import Observation, Policy, StoreViews
from imagejob_operator.ports.clock import Clock


class Observer:
    """Observes jobs; it changes nothing."""

    def __init__(
        self,
        cache: Cache,
        operations: OperationRunner,
        memories: RunMemories,
        stores: StoreAccess,
        policy: Policy,
        clock: Clock,
    ) -> None:
        self._cache = cache
        self._operations = operations
        self._memories = memories
        self._stores = stores
        self._policy = policy
        self._clock = clock

    async def observe(self, job: ImageJob) -> Observation:
        """Everything that the decision may know about the job now."""
        memory = self._memories.of(job)
        operation, progress = self._operations.progress_of(job.key)
        pending = job.status.at is Phase.PENDING and job.deleted_at is None
        return Observation(
            now=self._clock(),
            job=job,
            policy=self._policy,
            admission=await self._stores.admission(job) if pending else None,
            stores=self._stores.views(job) if pending else StoreViews(),
            attempts=self._cache.attempts(job.uid),
            results=dict(memory.results),
            refusals=dict(memory.refusals),
            remarks=dict(memory.remarks),
            rejected=memory.rejected,
            operation=operation,
            progress=progress,
            operation_since=self._operations.started_at(job.key),
        )
