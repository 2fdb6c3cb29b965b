"""Carries out decisions. Each action is idempotent; most errors become part of the next observation.

The status waits for the finalizer and for no other action: Events, the release of the finalizer and the
deletion of the job come after it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import assert_never

import msgspec

from imagejob_operator.api.errors import Reason, bounded
from imagejob_operator.api.imagejob import ImageJob, Key
from imagejob_operator.api.status import StagingStatus, Status
from imagejob_operator.controller.attempt_actions import AttemptAction, AttemptActions
from imagejob_operator.controller.operation_runner import OperationRunner
from imagejob_operator.controller.run_memory import RunMemories, RunMemory
from imagejob_operator.decision.action import (
    Action,
    AddFinalizer,
    DeleteJob,
    DeliverOrder,
    Launch,
    ReadEvents,
    RecordEvent,
    ReleaseFinalizer,
    StopAttempt,
)
from imagejob_operator.decision.attempt import Problem
from imagejob_operator.decision.observation import Observation
from imagejob_operator.decision.operation import Operation
from imagejob_operator.log_context import fields_of
from imagejob_operator.operations.concurrency import for_each
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.ports.clock import Clock
from imagejob_operator.ports.imagejobs import (
    Conflict,
    Gone,
    InvalidObject,
    Jobs,
    JobsError,
    Rejected,
    Unavailable,
    read_whole,
)
from imagejob_operator.ports.telemetry import Telemetry

log = logging.getLogger(__name__)

MAX_SHORT_MESSAGE = 200
EVENT_TIMEOUT = 5.0
"""Seconds."""
NO_STAGING = StagingStatus("")
RETRY_FINALIZER = timedelta(seconds=5)
ATTEMPTS_SECONDS = 45.0
"""Time limit of the actions on attempts in one reconcile; the next one continues. So a store that does not
answer does not delay the status and the deadlines of a job."""


@dataclass(frozen=True)
class Executor:
    """Acts on the job, its attempts and its operation."""

    jobs: Jobs
    attempts: AttemptActions
    operations: OperationRunner
    memories: RunMemories
    telemetry: Telemetry
    clock: Clock
    fresh: FreshRuns
    notify: Callable[[Observation, ImageJob], None] = lambda o, job: None
    """Called after each move to another phase, with the job as it was observed and as it is now."""

    async def act(self, job: ImageJob, actions: tuple[Action, ...]) -> ImageJob:
        """Carry out what comes before the status, attempts concurrently; the job after it."""
        current = job
        memory = self.memories.of(job)
        on_attempts: list[AttemptAction] = []
        for action in actions:
            match action:
                case Launch() | DeliverOrder() | StopAttempt():
                    on_attempts.append(action)
                case AddFinalizer():
                    current = await self._add_finalizer(job, memory)
                case ReadEvents(attempt):
                    await self.attempts.read_events(job, attempt, memory)
                case RecordEvent() | ReleaseFinalizer() | DeleteJob():
                    pass  # closing
                case _:
                    assert_never(action)

        launches = [action for action in on_attempts if isinstance(action, Launch)]
        whole = await self._whole(job, launches, memory)

        async def act_on_attempt(action: AttemptAction) -> None:
            if whole is None and isinstance(action, Launch):
                return
            await self.attempts.act(whole or job, action, memory)

        try:
            async with asyncio.timeout(ATTEMPTS_SECONDS):
                await for_each(on_attempts, act_on_attempt)
        except TimeoutError:
            extra = {"job": str(job.key), "uid": job.uid}
            log.warning("actions on attempts took too long, continuing in the next reconcile", extra=extra)
        return current

    async def close(self, job: ImageJob, actions: tuple[Action, ...]) -> ImageJob | None:
        """Carry out what comes after the status: an error holds up nothing else. The job; None if gone."""
        current: ImageJob | None = job
        for action in actions:
            if isinstance(action, RecordEvent):
                await self._record_event(job, action)
        for action in actions:
            if isinstance(action, ReleaseFinalizer):
                current = await self._release_finalizer(job, action)
        if DeleteJob() in actions and current:
            await self.jobs.delete(current)
        return current

    async def write_status(self, job: ImageJob, o: Observation, status: Status) -> ImageJob:
        """Write the status that follows from an observation; the job after it.

        If the API server rejects it, a shorter one is written. A deletion does not wait for a status that is
        rejected: the job is returned as it is.
        """
        try:
            after = await self.jobs.write_status(job, status)
        except Rejected as rejection:
            extra = {"job": str(job.key), "error": str(rejection)}
            if job.deleted_at is not None:
                log.error("status of a deleted ImageJob rejected", extra=extra)
                return job
            log.error("status rejected, writing a shorter one", extra=extra)
            after = await self.jobs.write_status(job, shortened(status))
        if status.staging and status.staging.prefix != (job.status.staging or NO_STAGING).prefix:
            self.fresh.begun(status.staging.prefix)
        self.moved(o, replace(after, status=status))
        return after

    def moved(self, o: Observation, job: ImageJob) -> None:
        """Count and log that the job has moved to another phase since it was observed, if it has."""
        if o.job.status.phase != job.status.phase:
            self.telemetry.moved(o.job.status, job)
            self.notify(o, job)
            log.info("ImageJob %s is %s", job.key, job.status.phase, extra=_described(job))

    def ensure_operation(self, job: ImageJob, operation: Operation | None) -> None:
        """Run exactly this operation for the job."""
        self.operations.ensure(job, operation)

    def run_ended(self, key: Key) -> None:
        """The run has ended: what was learned about it is not needed any more."""
        self.memories.forget(key)

    def forget(self, key: Key) -> None:
        """The job is gone."""
        self.memories.forget(key)
        self.operations.forget(key)

    async def _whole(self, job: ImageJob, launches: list[Launch], memory: RunMemory) -> ImageJob | None:
        """The job with its whole spec, from which Pods are made; None if it cannot be read now."""
        if not launches:
            return job
        try:
            return await read_whole(self.jobs, job)
        except (Conflict, Gone):
            raise
        except JobsError as error:
            problem = Problem(Reason.START_DEADLINE_EXCEEDED, f"the ImageJob cannot be read: {error}")
            for launch in launches:
                memory.refuse(launch.shard, problem, self.clock())
            return None

    async def _add_finalizer(self, job: ImageJob, memory: RunMemory) -> ImageJob:
        try:
            after = await self.jobs.add_finalizer(job)
        except InvalidObject as error:
            # The schema became stricter than the stored job: the next status reports it.
            problem = Problem(Reason.INVALID_SPEC, str(error), certain=True)
            memory.refuse_finalizer(problem, self.clock(), timedelta(0))
            raise Conflict(str(error)) from error
        except Gone:
            raise
        except JobsError as error:
            problem = Problem(Reason.CLUSTER_REFUSED, f"the finalizer cannot be added: {error}")
            pause = timedelta(0) if isinstance(error, Conflict) else RETRY_FINALIZER
            memory.refuse_finalizer(problem, self.clock(), pause)
            if isinstance(error, Rejected):
                raise Unavailable(str(error)) from error
            raise
        memory.finalizer_refused = None
        return after

    async def _record_event(self, job: ImageJob, event: RecordEvent) -> None:
        """Record an Event with one attempt: it is for people, and nothing waits for it."""
        if event.step:
            self.memories.of(job).recorded[event.reason] += 1
        try:
            async with asyncio.timeout(EVENT_TIMEOUT):
                await self.jobs.record_event(job, event)
        except (JobsError, TimeoutError) as error:
            extra = {"job": str(job.key), "uid": job.uid, "reason": event.reason, "error": str(error)}
            log.warning("Event could not be recorded", extra=extra)

    async def _release_finalizer(self, job: ImageJob, action: ReleaseFinalizer) -> ImageJob | None:
        try:
            after = await self.jobs.remove_finalizer(job)
        except Gone:
            after = None
        if action.deferred:
            self.telemetry.deferred(job, action.deferred)
            extra = {"job": str(job.key), "uid": job.uid, "reason": action.deferred.value}
            log.warning("finalizer released before staging was empty", extra=extra)
        return after


def _described(job: ImageJob) -> dict[str, str | int]:
    """What a line of the log shows of a job that has moved to another phase."""
    status = job.status
    error, ready = status.error, status.condition("Ready")
    reason, detail = (ready.reason, ready.message) if ready else ("", "")
    return {
        "run": "",
        "number": 0,
        **fields_of(job),
        "phase": status.phase,
        "code": error.code if error else "",
        "reason": error.reason if error else reason,
        "detail": error.message if error else detail,
    }


def shortened(status: Status) -> Status:
    """The status without details, for an API server that rejected the whole."""
    error = status.error

    def short(message: str) -> str:
        return bounded(message, MAX_SHORT_MESSAGE)

    return msgspec.structs.replace(
        status,
        failures=(),
        error=msgspec.structs.replace(error, message=short(error.message)) if error else None,
        conditions=tuple(msgspec.structs.replace(c, message=short(c.message)) for c in status.conditions),
    )
