"""One turn of one job: observe, decide, act, say. The whole story of the operator in one function."""

from __future__ import annotations

import logging
import random
from collections.abc import Callable
from datetime import datetime
from time import perf_counter

import msgspec

from imagejob_operator.api.errors import bounded
from imagejob_operator.api.imagejob import ImageJob, Key
from imagejob_operator.api.phase import TERMINAL
from imagejob_operator.api.status import Status
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.executor import Executor
from imagejob_operator.controller.observer import Observer
from imagejob_operator.controller.operation_runner import OperationRunner
from imagejob_operator.controller.workqueue import WorkQueue
from imagejob_operator.decision.decide import decide
from imagejob_operator.decision.observation import Decision
from imagejob_operator.ports.imagejobs import Conflict, Gone, Jobs, JobsError, Rejected, Unavailable
from imagejob_operator.ports.object_store import Gate, always_open
from imagejob_operator.ports.telemetry import Telemetry

log = logging.getLogger(__name__)

Clock = Callable[[], datetime]

SHORTEST_PAUSE = 0.05
CONFLICT_PAUSE = 0.5
REJECTED_PAUSE = 60.0
RESYNC_SECONDS = 300.0
"""Seconds after which every job on its way is looked at again, whatever was or was not seen."""


class Reconciler:
    """Gives keys their turns."""

    def __init__(  # noqa: PLR0913  (one collaborator for each word of: observe, decide, act, say)
        self,
        cache: Cache,
        observer: Observer,
        executor: Executor,
        operations: OperationRunner,
        jobs: Jobs,
        telemetry: Telemetry,
        clock: Clock,
        gate: Gate = always_open,
    ) -> None:
        self._cache = cache
        self._observer = observer
        self._executor = executor
        self._operations = operations
        self._jobs = jobs
        self._telemetry = telemetry
        self._clock = clock
        self._gate = gate
        self.queue = WorkQueue(self.reconcile)

    async def reconcile(self, key: Key) -> None:
        """One turn; every error of the world ends in a later turn, none in an exception.

        None while the gate is closed: whoever opens it gives every key a turn.
        """
        if not self._gate():
            return
        begun = perf_counter()
        result = "done"
        job = self._cache.job(key)
        try:
            await self._reconcile(key, job)
        except Conflict:
            result = "conflict"
            self.queue.add_after(key, CONFLICT_PAUSE)
        except Gone:
            result = "gone"
            # Its end may have been missed by the watch, which never tells of it again.
            if job:
                self._cache.drop_job(key, job.uid)
            self._forget(key)
        except Unavailable as error:
            result = "error"
            log.warning("a call failed, the turn is repeated", extra={"job": str(key), "error": str(error)})
            if error.retry_after:
                self.queue.add_after(key, error.retry_after)
            else:
                self.queue.retry(key)
        except JobsError as error:
            result = "error"
            log.error("a call was refused", extra={"job": str(key), "error": str(error)})
            self.queue.add_after(key, REJECTED_PAUSE)
        finally:
            self._telemetry.reconcile(result, perf_counter() - begun)

    async def _reconcile(self, key: Key, job: ImageJob | None) -> None:
        if job is None:
            self._forget(key)
            return
        decision = decide(await self._observer.observe(job))
        if not self._gate():
            return
        after = await self._executor.act(job, decision.actions, self._observer.memory(job))
        if after is None:
            self._cache.drop_job(key, job.uid)
            self._forget(key)
            return
        self._cache.put_job(after)
        if decision.status != job.status:
            after = await self._say(after, job.status, decision.status)
            self._cache.put_job(after)
            self.queue.add(key)
        self._operations.want(after, decision.operation)
        self._plan(key, after, decision)

    async def _say(self, job: ImageJob, before: Status, status: Status) -> ImageJob:
        try:
            after = await self._jobs.write_status(job, status)
        except Rejected as error:
            log.error("our status was refused", extra={"job": str(job.key), "error": str(error)})
            after = await self._jobs.write_status(job, shortened(status))
        if before.phase != status.phase:
            self._telemetry.moved(before, status)
            code = status.error.code if status.error else ""
            reason = status.error.reason if status.error else ""
            log.info(
                "%s is %s",
                job.key,
                status.phase,
                extra={
                    "job": str(job.key),
                    "uid": job.uid,
                    "phase": status.phase,
                    "code": code,
                    "reason": reason,
                },
            )
        return after

    def _plan(self, key: Key, job: ImageJob, decision: Decision) -> None:
        moments: list[float] = []
        if decision.requeue_at:
            moments.append((decision.requeue_at - self._clock()).total_seconds())
        if job.status.at in TERMINAL:
            self._observer.forget(key)
        else:
            moments.append(RESYNC_SECONDS * (0.9 + 0.2 * random.random()))  # noqa: S311
        if decision.actions:
            # What the actions brought about may be there already, unseen by any watch.
            moments.append(SHORTEST_PAUSE)
        if moments:
            self.queue.add_after(key, max(SHORTEST_PAUSE, min(moments)))

    def _forget(self, key: Key) -> None:
        self.queue.forget(key)
        self._observer.forget(key)
        self._operations.forget(key)


def shortened(status: Status) -> Status:
    """The least that must be said, for an API server that refused the whole."""
    error = status.error
    return msgspec.structs.replace(
        status,
        failures=(),
        error=msgspec.structs.replace(error, message=bounded(error.message, 200)) if error else None,
        conditions=tuple(
            msgspec.structs.replace(c, message=bounded(c.message, 200)) for c in status.conditions
        ),
    )
