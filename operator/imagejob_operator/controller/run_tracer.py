"""Sends the trace of each run that ends to the administrator's collector: once, and for a limited time.

Traces wait in memory, and no job waits for them. A restart loses those that were not sent.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.backoff import Backoff
from imagejob_operator.controller.run_spans import EndedRun, ended_run, run_trace
from imagejob_operator.decision.observation import Observation
from imagejob_operator.documents.run_trace import Trace
from imagejob_operator.operations.concurrency import compute
from imagejob_operator.ports.clock import Random
from imagejob_operator.ports.trace_collector import CollectorError, TraceCollector

log = logging.getLogger(__name__)

MOST = 10_000
"""Runs and Pods that wait. Further runs are dropped."""
BATCH = 500
"""Runs and Pods in one request; a run with more has its own."""
TRIED_FOR = 120.0
"""Seconds since the first try. What the collector does not accept within this time is dropped."""
LOGGED_EVERY = 60.0
"""Seconds between two lines about traces that were not accepted."""
RETRY = Backoff(timedelta(seconds=1), timedelta(seconds=30), jitter=0.5)
LONGEST_PAUSE = 30.0
"""Seconds; a collector that asks for more is tried sooner."""

Count = Callable[[str, int], None]


@dataclass
class RunTracer:
    """Sends the traces of runs, several in one request if they end faster than the collector answers."""

    collector: TraceCollector
    count: Count
    """Called with the result of traces, sent or dropped, and their number."""
    random: Random = random.random
    _waiting: deque[EndedRun] = field(default_factory=deque, init=False)
    _size: int = field(default=0, init=False)
    """Runs and Pods that wait."""
    _some: asyncio.Event = field(default_factory=asyncio.Event, init=False)
    _logged_at: float | None = field(default=None, init=False)

    def moved(self, o: Observation, job: ImageJob) -> None:
        """Send the trace of a job's run if it has ended. `o` is the job as it was before."""
        ended = ended_run(o, job)
        if ended is None:
            return
        if self._size + _size(ended) > MOST:
            self._drop(1, f"{self._size} runs and Pods are waiting, and at most {MOST} may")
            return
        self._waiting.append(ended)
        self._size += _size(ended)
        self._some.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._some.wait()
            batch = self._next()
            try:
                await self._send(await compute(_traces, batch))
            except Exception:
                # A bug: the other traces are sent all the same.
                log.exception("traces could not be made or sent")
                self.count("dropped", len(batch))

    def _next(self) -> list[EndedRun]:
        """Take as many runs as one request may have."""
        batch = [self._waiting.popleft()]
        size = _size(batch[0])
        while self._waiting and size + _size(self._waiting[0]) <= BATCH:
            size += _size(self._waiting[0])
            batch.append(self._waiting.popleft())
        self._size -= size
        if not self._waiting:
            self._some.clear()
        return batch

    async def _send(self, traces: Sequence[Trace]) -> None:
        loop, failures = asyncio.get_running_loop(), 0
        begun = loop.time()
        while True:
            try:
                await self.collector.send(traces)
            except CollectorError as error:
                failures += 1
                pause = RETRY.pause(failures, self.random()).total_seconds()
                pause = max(pause, min(error.retry_after, LONGEST_PAUSE))
                if not error.transient or loop.time() + pause >= begun + TRIED_FOR:
                    self._drop(len(traces), str(error))
                    return
                self._log("traces were not accepted, trying again", {"error": str(error)})
                await asyncio.sleep(pause)
            else:
                self.count("sent", len(traces))
                return

    def _drop(self, traces: int, why: str) -> None:
        self.count("dropped", traces)
        self._log("traces are dropped", {"traces": traces, "error": why})

    def _log(self, message: str, extra: dict[str, object]) -> None:
        """Log a warning, unless there was one within the last minute; the metric counts all."""
        now = asyncio.get_running_loop().time()
        if self._logged_at is None or now >= self._logged_at + LOGGED_EVERY:
            self._logged_at = now
            log.warning(message, extra=extra)


def _size(ended: EndedRun) -> int:
    return 1 + len(ended.pods)


def _traces(batch: Sequence[EndedRun]) -> list[Trace]:
    return [run_trace(ended) for ended in batch]
