"""The long work of jobs, beside their turns: at most one operation a job, each in a task of its own."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob, Key
from imagejob_operator.backoff import Backoff
from imagejob_operator.decision.operation import (
    Broken,
    Clean,
    Operation,
    Progress,
    Publish,
    Stage,
    Validate,
    Working,
)
from imagejob_operator.operations.failed import OperationFailed
from imagejob_operator.ports.object_store import StoreDenied, StoreError
from imagejob_operator.ports.stores import StoreNotOpen

log = logging.getLogger(__name__)

RETRY = Backoff(timedelta(seconds=1), timedelta(seconds=30), jitter=0.5)
"""With jitter, since all operations fail together when the store is away."""

_ENDING = Clean(())
"""Stands in for an operation that was ended and whose last write has not landed; nobody asks for it."""

Work = Callable[[ImageJob, Operation], Awaitable[Progress]]
Clock = Callable[[], datetime]
Draw = Callable[[], float]
"""Gives random numbers from 0 to 1."""


@dataclass(slots=True)
class _Entry:
    operation: Operation
    begun: datetime
    ending: tuple[asyncio.Task[None], ...] = ()
    """Tasks of operations before it that were told to end and whose last writes may not have landed."""
    task: asyncio.Task[None] | None = None
    progress: Progress = field(default_factory=Working)
    tries: int = 0

    def end(self) -> tuple[asyncio.Task[None], ...]:
        """Tell the task to end; all tasks that have not ended yet.

        Each is cancelled once only: a second time would end its wait for its last write.
        """
        if self.task:
            self.task.cancel()
        tasks = (*self.ending, *([self.task] if self.task else []))
        return tuple(task for task in tasks if not task.done())


class OperationRunner:
    """Runs what the decision wants and remembers how it stands."""

    def __init__(
        self, work: Work, wake: Callable[[Key], None], clock: Clock, draw: Draw = random.random
    ) -> None:
        self._work = work
        self._wake = wake
        self._clock = clock
        self._draw = draw
        self._entries: dict[Key, _Entry] = {}

    def look(self, key: Key) -> tuple[Operation | None, Progress | None]:
        """The operation of a job and how it stands."""
        entry = self._entries.get(key)
        return (entry.operation, entry.progress) if entry else (None, None)

    def since(self, key: Key) -> datetime | None:
        """When the operation of a job was begun, in this process."""
        entry = self._entries.get(key)
        return entry.begun if entry else None

    def want(self, job: ImageJob, operation: Operation | None) -> None:
        """Have exactly this operation for the job: start it, keep it, try it again, or end another one."""
        entry = self._entries.get(job.key)
        if entry and entry.operation == operation:
            broken = entry.progress
            if isinstance(broken, Broken) and broken.retry_at and self._clock() >= broken.retry_at:
                entry.progress = Working(broken.failure)
                entry.task = asyncio.create_task(self._run(job, entry))
            return
        ending = entry.end() if entry else ()
        if operation is not None:
            entry = self._entries[job.key] = _Entry(operation, self._clock(), ending)
            entry.task = asyncio.create_task(self._run(job, entry))
        elif ending:
            # A last write has not landed yet: whatever comes next waits for it.
            self._entries[job.key] = _Entry(_ENDING, self._clock(), ending)
        else:
            self._entries.pop(job.key, None)

    def forget(self, key: Key) -> None:
        """The job is gone."""
        entry = self._entries.pop(key, None)
        if entry and entry.task:
            entry.task.cancel()

    def tasks(self) -> list[asyncio.Task[None]]:
        """All tasks, those that are ending too."""
        entries = self._entries.values()
        return [task for e in entries for task in (*e.ending, *([e.task] if e.task else []))]

    async def close(self) -> None:
        """End all operations and wait for their last writes."""
        tasks = [task for entry in self._entries.values() for task in entry.end()]
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, job: ImageJob, entry: _Entry) -> None:
        if entry.ending:
            await asyncio.wait(entry.ending)
        try:
            entry.progress = await self._work(job, entry.operation)
        except OperationFailed as error:
            entry.progress = (
                self._again(job, entry, error.failure)
                if error.passing
                else Broken(error.failure, results=error.results)
            )
        except StoreNotOpen as error:
            cleans = isinstance(entry.operation, Clean)
            entry.progress = (
                self._again(job, entry, error.failure) if cleans else self._broken(job, entry, error)
            )
        except StoreDenied as error:
            entry.progress = self._denied(job, entry, error)
        except StoreError as error:
            entry.progress = self._broken(job, entry, error)
        except Exception as error:
            log.exception("an operation failed unexpectedly", extra={"job": str(job.key)})
            entry.progress = self._broken(job, entry, error)
        self._wake(job.key)

    def _denied(self, job: ImageJob, entry: _Entry, error: Exception) -> Broken:
        match entry.operation:
            case Stage() | Validate():
                return Broken(Failure(Code.STAGING, Reason.ACCESS_DENIED, f"the store refuses: {error}"))
            case Publish():
                return Broken(Failure(Code.PUBLISH, Reason.DESTINATION_DENIED, f"the store refuses: {error}"))
            case _:
                return self._again(job, entry, Failure(Code.STAGING, Reason.ACCESS_DENIED, str(error)))

    def _broken(self, job: ImageJob, entry: _Entry, error: Exception) -> Broken:
        code = Code.STAGING if isinstance(entry.operation, Validate | Stage | Clean) else Code.PUBLISH
        return self._again(job, entry, Failure(code, Reason.STORE_UNAVAILABLE, str(error)))

    def _again(self, job: ImageJob, entry: _Entry, failure: Failure) -> Broken:
        entry.tries += 1
        log.warning(
            "an operation failed, it is tried again",
            extra={
                "job": str(job.key),
                "operation": type(entry.operation).__name__,
                "error": failure.message,
            },
        )
        return Broken(failure, self._clock() + RETRY.pause(entry.tries, self._draw()))
