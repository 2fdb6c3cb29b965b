"""Runs operations, the long work of jobs: at most one per job, each in its own task."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from imagejob_operator.api.errors import Code, Failure, Reason, bounded
from imagejob_operator.api.imagejob import ImageJob, Key
from imagejob_operator.backoff import Backoff
from imagejob_operator.decision.operation import (
    Broken,
    Clean,
    Count,
    Operation,
    Progress,
    Stage,
    Validate,
    Working,
)
from imagejob_operator.log_context import current_object, fields_of
from imagejob_operator.operations.failed import OperationFailed, denied
from imagejob_operator.ports.clock import Clock, Random
from imagejob_operator.ports.object_store import StoreDenied, StoreError
from imagejob_operator.ports.stores import StoreNotOpen

log = logging.getLogger(__name__)

RETRY = Backoff(timedelta(seconds=1), timedelta(seconds=30), jitter=0.5)
"""With jitter, because all operations fail together when the store is away."""

_STOPPING = Clean(())
"""Placeholder for an operation that was cancelled and whose last write has not completed."""

RunOperation = Callable[[ImageJob, Operation], Awaitable[Progress]]


@dataclass(slots=True)
class _Entry:
    operation: Operation
    started_at: datetime
    stopping: tuple[asyncio.Task[None], ...] = ()
    """Cancelled tasks of earlier operations whose last writes may not have completed."""
    task: asyncio.Task[None] | None = None
    progress: Progress = field(default_factory=Working)
    tries: int = 0

    def cancel(self) -> tuple[asyncio.Task[None], ...]:
        """Cancel the task; all tasks that have not ended.

        Each is cancelled only once: a second time would interrupt its wait for its last write.
        """
        if self.task:
            self.task.cancel()
        tasks = (*self.stopping, *([self.task] if self.task else []))
        return tuple(task for task in tasks if not task.done())


class OperationRunner:
    """Starts, retries and cancels operations, and remembers their progress."""

    def __init__(
        self, run: RunOperation, wake: Callable[[Key], None], clock: Clock, random: Random = random.random
    ) -> None:
        self._run_operation = run
        self._wake = wake
        self._clock = clock
        self._random = random
        self._entries: dict[Key, _Entry] = {}

    def progress_of(self, key: Key) -> tuple[Operation | None, Progress | None]:
        """The operation of a job, and its progress."""
        entry = self._entries.get(key)
        return (entry.operation, entry.progress) if entry else (None, None)

    def started_at(self, key: Key) -> datetime | None:
        """When this process started the operation of a job."""
        entry = self._entries.get(key)
        return entry.started_at if entry else None

    def ensure(self, job: ImageJob, operation: Operation | None) -> None:
        """Run exactly this operation for the job: start it, retry it if due, or cancel another one."""
        entry = self._entries.get(job.key)
        if entry and entry.operation == operation:
            broken = entry.progress
            if isinstance(broken, Broken) and broken.retry_at and self._clock() >= broken.retry_at:
                entry.progress = Working(broken.failure)
                entry.task = asyncio.create_task(self._run(job, entry))
            return
        stopping = entry.cancel() if entry else ()
        if operation is not None:
            entry = self._entries[job.key] = _Entry(operation, self._clock(), stopping)
            entry.task = asyncio.create_task(self._run(job, entry))
        elif stopping:
            # The next operation must wait for the last write of this one.
            self._entries[job.key] = _Entry(_STOPPING, self._clock(), stopping)
        else:
            self._entries.pop(job.key, None)

    def forget(self, key: Key) -> None:
        """The job is gone."""
        entry = self._entries.pop(key, None)
        if entry and entry.task:
            entry.task.cancel()

    def tasks(self) -> list[asyncio.Task[None]]:
        """All tasks, including cancelled ones."""
        entries = self._entries.values()
        return [task for e in entries for task in (*e.stopping, *([e.task] if e.task else []))]

    async def stop(self) -> None:
        """Cancel all operations and wait for their last writes."""
        tasks = [task for entry in self._entries.values() for task in entry.cancel()]
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, job: ImageJob, entry: _Entry) -> None:
        current_object.set(fields_of(job))  # of this task; its reconcile may have started the run
        if entry.stopping:
            await asyncio.wait(entry.stopping)
        try:
            entry.progress = await self._run_operation(job, entry.operation)
        except Exception as error:
            failure, transient = _failure(entry.operation, error)
            if not isinstance(error, OperationFailed | StoreError):
                log.exception("operation failed unexpectedly", extra={"job": str(job.key)})
            results = error.results if isinstance(error, OperationFailed) else None
            entry.progress = (
                self._retry(job, entry, failure) if transient else Broken(failure, results=results)
            )
        self._wake(job.key)

    def _retry(self, job: ImageJob, entry: _Entry, failure: Failure) -> Broken:
        entry.tries += 1
        extra = {
            "job": str(job.key),
            "operation": type(entry.operation).__name__,
            "error": failure.message,
        }
        log.warning("operation failed, retrying", extra=extra)
        return Broken(failure, self._clock() + RETRY.pause(entry.tries, self._random()))


def _failure(operation: Operation, error: Exception) -> tuple[Failure, bool]:
    """The failure that an error means for an operation, and whether it is transient."""
    match error, operation:
        case OperationFailed(), _:
            return error.failure, error.transient
        case StoreNotOpen(), Clean():
            return error.failure, True
        case StoreNotOpen(), _ if error.failure.reason is Reason.STORE_NOT_FOUND:
            return Failure(_code(operation), Reason.STORE_NOT_FOUND, str(error)), True
        case StoreDenied(), _:
            failure = denied(_code(operation), "the store denied the request", error)
            return failure, isinstance(operation, Clean)
        case StoreError(), _:
            return Failure(_code(operation), Reason.STORE_UNAVAILABLE, str(error)), True
        case _:
            text = f"internal error of the operator, see its log: {type(error).__name__}: {error}"
            return Failure(_code(operation), Reason.STORE_UNAVAILABLE, bounded(text)), True


def _code(operation: Operation) -> Code:
    return Code.STAGING if isinstance(operation, Validate | Stage | Clean | Count) else Code.PUBLISH
