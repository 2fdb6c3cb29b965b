"""The reconcile loop of one job: observe, decide, act, write the status."""

from __future__ import annotations

import logging
import random
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import perf_counter

from imagejob_operator.api.imagejob import ImageJob, Key
from imagejob_operator.api.phase import TERMINAL
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.executor import Executor
from imagejob_operator.controller.observer import Observer
from imagejob_operator.controller.status_buffer import StatusBuffer
from imagejob_operator.controller.workqueue import WorkQueue
from imagejob_operator.decision.decide import decide
from imagejob_operator.decision.observation import Decision
from imagejob_operator.ports.imagejobs import Conflict, Gone, JobsError, Unavailable
from imagejob_operator.ports.object_store import Gate, always_open
from imagejob_operator.ports.telemetry import Telemetry

log = logging.getLogger(__name__)

MIN_REQUEUE = 0.05
CONFLICT_REQUEUE = 0.5
REJECTED_REQUEUE = 60.0
RESYNC_PERIOD = 300.0
"""Seconds after which a job that has not ended is reconciled again, even without an event."""


@dataclass(frozen=True)
class Reconciler:
    """Reconciles ImageJobs."""

    cache: Cache
    queue: WorkQueue
    observer: Observer
    executor: Executor
    telemetry: Telemetry
    is_leader: Gate = always_open
    statuses: StatusBuffer = field(default_factory=StatusBuffer)

    async def reconcile(self, key: Key) -> None:
        """Reconcile one job if this replica is the leader; errors requeue the key."""
        if not self.is_leader():
            return
        started = perf_counter()
        result = "error"
        job = self.cache.job(key)
        try:
            await self._reconcile(key, job)
            result = "success"
        except Conflict:
            result = "conflict"
            self.queue.add_after(key, CONFLICT_REQUEUE)
        except Gone:
            result = "gone"
            self._drop(key, job)  # the watch may have missed the deletion
        except Unavailable as error:
            log.warning("API call failed, retrying", extra={"job": str(key), "error": str(error)})
            if error.retry_after:
                self.queue.add_after(key, error.retry_after)
            else:
                self.queue.retry(key)
        except JobsError as error:
            log.error("API call rejected", extra={"job": str(key), "error": str(error)})
            self.queue.add_after(key, REJECTED_REQUEUE)
        finally:
            self.telemetry.reconcile(result, perf_counter() - started)

    async def _reconcile(self, key: Key, written: ImageJob | None) -> None:
        if written is None:
            self._drop(key, None)
            return
        job = self.statuses.current(written)
        observation = await self.observer.observe(job)
        decision = decide(observation)
        if not self.is_leader():
            return
        after = await self.executor.act(job, decision.actions)
        if after is not job:
            self.cache.put_job(after)
        held = self.statuses.hold(written, decision, observation.now)
        if held is not None:
            after = replace(after, status=decision.status)
            self.executor.moved(observation, after)
        else:
            if decision.status != written.status:
                after = await self.executor.write_status(after, observation, decision.status)
                self.cache.put_job(after)
            self.statuses.forget(key)
        if after.status != job.status:
            self.queue.add(key)
        self.executor.ensure_operation(after, decision.operation)
        closed = await self.executor.close(after, decision.actions)
        if closed is None:
            self._drop(key, job)
            return
        if closed is not after:
            self.cache.put_job(closed)
        self._requeue(closed, decision, observation.now, held)

    def _requeue(self, job: ImageJob, decision: Decision, now: datetime, held: timedelta | None) -> None:
        pauses = [] if held is None else [held.total_seconds()]
        if decision.requeue_at:
            pauses.append((decision.requeue_at - now).total_seconds())
        if job.status.at in TERMINAL:
            self.executor.run_ended(job.key)
        else:
            pauses.append(RESYNC_PERIOD * (0.9 + 0.2 * random.random()))  # noqa: S311
        if decision.actions:
            # The effect of an action may already be visible, without an event.
            pauses.append(MIN_REQUEUE)
        if pauses:
            self.queue.add_after(job.key, max(MIN_REQUEUE, min(pauses)))

    def _drop(self, key: Key, job: ImageJob | None) -> None:
        if job:
            self.cache.drop_job(key, job.uid)
        self.queue.forget(key)
        self.statuses.forget(key)
        self.executor.forget(key)
