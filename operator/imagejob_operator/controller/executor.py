"""Carries out decisions. Each action is idempotent; most errors become part of the next observation."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import assert_never

import msgspec

from imagejob_operator.api.errors import bounded
from imagejob_operator.api.imagejob import ImageJob, Key
from imagejob_operator.api.status import Status
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
from imagejob_operator.decision.operation import Operation
from imagejob_operator.operations.concurrency import for_each
from imagejob_operator.ports.imagejobs import Conflict, Gone, Jobs, Rejected
from imagejob_operator.ports.telemetry import Telemetry

log = logging.getLogger(__name__)

MAX_SHORT_MESSAGE = 200
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

    async def act(self, job: ImageJob, actions: tuple[Action, ...]) -> ImageJob | None:
        """Carry out the actions, those on attempts concurrently; the job after them, None if it is gone."""
        current: ImageJob | None = job
        memory = self.memories.of(job)
        on_attempts: list[AttemptAction] = []
        for action in actions:
            match action:
                case Launch() | DeliverOrder() | StopAttempt():
                    on_attempts.append(action)
                case AddFinalizer():
                    current = await self._add_finalizer(job, memory)
                case ReleaseFinalizer():
                    current = await self._release_finalizer(job, action)
                case ReadEvents(attempt):
                    await self.attempts.read_events(job, attempt, memory)
                case RecordEvent():
                    await self.jobs.record_event(job, action)
                case DeleteJob():
                    await self.jobs.delete(current or job)
                case _:
                    assert_never(action)

        # A Pod is made from the whole spec.
        whole = await self.jobs.whole(job) if any(isinstance(a, Launch) for a in on_attempts) else job

        async def act_on_attempt(action: AttemptAction) -> None:
            await self.attempts.act(whole, action, memory)

        try:
            async with asyncio.timeout(ATTEMPTS_SECONDS):
                await for_each(on_attempts, act_on_attempt)
        except TimeoutError:
            extra = {"job": str(job.key), "uid": job.uid}
            log.warning("actions on attempts took too long, continuing in the next reconcile", extra=extra)
        return current

    async def write_status(self, job: ImageJob, before: Status, status: Status) -> ImageJob:
        """Write the status, a shorter one if the API server rejects it; the job after it."""
        try:
            after = await self.jobs.write_status(job, status)
        except Rejected as rejection:
            extra = {"job": str(job.key), "error": str(rejection)}
            log.error("status rejected, writing a shorter one", extra=extra)
            after = await self.jobs.write_status(job, shortened(status))
        if before.phase != status.phase:
            self.telemetry.moved(before, after)
            error = status.error
            extra = {
                "job": str(job.key),
                "uid": job.uid,
                "phase": status.phase,
                "code": error.code if error else "",
                "reason": error.reason if error else "",
            }
            log.info("ImageJob %s is %s", job.key, status.phase, extra=extra)
        return after

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

    async def _add_finalizer(self, job: ImageJob, memory: RunMemory) -> ImageJob:
        try:
            return await self.jobs.add_finalizer(job)
        except Rejected as error:
            # The schema became stricter than the stored job: the next status reports it.
            memory.rejected = str(error)
            raise Conflict(str(error)) from error

    async def _release_finalizer(self, job: ImageJob, action: ReleaseFinalizer) -> ImageJob | None:
        if action.deferred:
            self.telemetry.deferred(job, action.deferred)
            extra = {"job": str(job.key), "uid": job.uid, "reason": action.deferred.value}
            log.warning("finalizer released before staging was empty", extra=extra)
        try:
            return await self.jobs.remove_finalizer(job)
        except Gone:
            return None


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
