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
from imagejob_operator.ports.clock import Clock, Random
from imagejob_operator.ports.event_sink import EventSink, SinkError

log = logging.getLogger(__name__)

SENT_FOR = timedelta(minutes=15)
"""Since the end of the run. An event that is not accepted within this time is dropped."""
MOST = 10_000
"""Events that wait. Further ones are dropped."""
SENDERS = 4
RETRY = Backoff(timedelta(seconds=1), timedelta(minutes=1), jitter=0.5)
"""Of each sender: while the server is away, each tries one event."""

Count = Callable[[str], None]


@dataclass
class RunNotifier:
    """Sends one event for each run that ends."""

    sink: EventSink
    clock: Clock
    count: Count
    """Called with the result of each event: sent or dropped."""
    random: Random = random.random
    _waiting: asyncio.Queue[ImageJob] = field(default_factory=lambda: asyncio.Queue(MOST), init=False)
    _known: set[str] = field(default_factory=set, init=False)
    """Ids of events that wait or were sent lately."""

    def moved(self, job: ImageJob) -> None:
        """Notify of the run of a job, if it has ended lately and was not notified of."""
        run, identity = job.status.run, event_id(job)
        late = run is None or run.finished_at is None or self.clock() >= run.finished_at + SENT_FOR
        if job.status.at not in TERMINAL or late or identity in self._known:
            return
        try:
            self._waiting.put_nowait(job)
        except asyncio.QueueFull:
            self._drop(job, f"{MOST} events are waiting")
        else:
            self._known.add(identity)

    async def run(self, jobs: Callable[[], Iterable[ImageJob]]) -> None:
        """Send until cancelled; of `jobs`, the leader before may not have sent the last ends."""
        for job in jobs():
            self.moved(job)
        async with asyncio.TaskGroup() as group:
            for _ in range(SENDERS):
                group.create_task(self._send_all())

    async def _send_all(self) -> None:
        while True:
            job = await self._waiting.get()
            try:
                await self._send(job)
            except Exception:
                # A bug: the other events are sent all the same.
                log.exception(
                    "the event of a run could not be sent", extra={"job": str(job.key), "uid": job.uid}
                )
                self.count("dropped")
            loop = asyncio.get_running_loop()
            # A run that is older is not notified of again, known or not.
            loop.call_later(SENT_FOR.total_seconds(), self._known.discard, event_id(job))

    async def _send(self, job: ImageJob) -> None:
        run, failures = job.status.run, 0
        ended = run.finished_at if run and run.finished_at else self.clock()
        while True:
            try:
                await self.sink.send(run_event(job))
            except SinkError as error:
                failures += 1
                pause = RETRY.pause(failures, self.random())
                if self.clock() + pause >= ended + SENT_FOR:
                    self._drop(job, str(error))
                    return
                if failures == 1:
                    extra = {"job": str(job.key), "uid": job.uid, "error": str(error)}
                    log.warning("the event of a run was not accepted, trying again", extra=extra)
                await asyncio.sleep(pause.total_seconds())
            else:
                self.count("sent")
                return

    def _drop(self, job: ImageJob, why: str) -> None:
        self.count("dropped")
        log.error("the event of a run is dropped", extra={"job": str(job.key), "uid": job.uid, "error": why})
