"""Notifies the administrator's server of the ends of runs: at least once, and for a limited time.

Events are sent from memory. A new leader sends those of the last minutes again, with the same ids.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import TERMINAL
from imagejob_operator.backoff import Backoff
from imagejob_operator.documents.run_event import event_id, run_event
from imagejob_operator.fairness import FairLimiter, working_for
from imagejob_operator.ports.clock import Clock, Random
from imagejob_operator.ports.event_sink import EventRefused, EventSink, SinkError

log = logging.getLogger(__name__)

SENT_FOR = timedelta(minutes=15)
"""Since the end of the run. An event that is not accepted within this time is dropped."""
MOST = 10_000
"""Events that wait. Further ones are dropped."""
SENDERS = 4
"""Requests at once, divided between the namespaces."""
REST = timedelta(seconds=1)
"""Of a sender after an error, so that a server that is away gets few requests however many events wait."""
RETRY = Backoff(timedelta(seconds=1), timedelta(minutes=1), jitter=0.5)
"""Of each event. It waits without a sender."""

Count = Callable[[str], None]


@dataclass
class RunNotifier:
    """Sends one event for each run that ends."""

    sink: EventSink
    clock: Clock
    count: Count
    """Called with the result of each event: sent or dropped."""
    random: Random = random.random
    _ended: asyncio.Queue[ImageJob] = field(default_factory=asyncio.Queue, init=False)
    _waiting: int = field(default=0, init=False)
    """Events that are neither sent nor dropped."""
    _known: set[str] = field(default_factory=set, init=False)
    """Ids of events that wait or were sent lately."""
    _senders: FairLimiter = field(default_factory=lambda: FairLimiter("events", SENDERS), init=False)

    def moved(self, job: ImageJob) -> None:
        """Notify of the run of a job, if it has ended lately and was not notified of."""
        run, identity = job.status.run, event_id(job)
        late = run is None or run.finished_at is None or self.clock() >= run.finished_at + SENT_FOR
        if job.status.at not in TERMINAL or late or identity in self._known:
            return
        if self._waiting >= MOST:
            self._drop(job, f"{MOST} events are waiting")
            return
        self._waiting += 1
        self._known.add(identity)
        self._ended.put_nowait(job)

    async def run(self, jobs: Callable[[], Iterable[ImageJob]]) -> None:
        """Send until cancelled; of `jobs`, the leader before may not have sent the last ends."""
        for job in jobs():
            self.moved(job)
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._notify(await self._ended.get()))

    async def _notify(self, job: ImageJob) -> None:
        try:
            with working_for(job.key.namespace, "events"):
                await self._send(job)
        except Exception:
            # A bug: the other events are sent all the same.
            log.exception("the event of a run could not be sent", extra={"job": str(job.key), "uid": job.uid})
            self.count("dropped")
        finally:
            self._waiting -= 1
        loop = asyncio.get_running_loop()
        # A run that is older is not notified of again, known or not.
        loop.call_later(SENT_FOR.total_seconds(), self._known.discard, event_id(job))

    async def _send(self, job: ImageJob) -> None:
        run, failures, last = job.status.run, 0, ""
        late = (run.finished_at if run and run.finished_at else self.clock()) + SENT_FOR
        while True:
            async with self._senders.slot():
                if failures and self.clock() >= late:
                    self._drop(job, last)
                    return
                try:
                    await self.sink.send(run_event(job))
                except EventRefused as error:
                    self._drop(job, str(error))
                    return
                except SinkError as error:
                    failures, last = failures + 1, str(error)
                    await asyncio.sleep(REST.total_seconds())
                else:
                    self.count("sent")
                    return
            pause = RETRY.pause(failures, self.random()) - REST
            if self.clock() + pause >= late:
                self._drop(job, last)
                return
            if failures == 1:
                extra = {"job": str(job.key), "uid": job.uid, "error": last}
                log.warning("the event of a run was not accepted, trying again", extra=extra)
            await asyncio.sleep(max(pause.total_seconds(), 0.0))

    def _drop(self, job: ImageJob, why: str) -> None:
        self.count("dropped")
        log.error("the event of a run is dropped", extra={"job": str(job.key), "uid": job.uid, "error": why})
