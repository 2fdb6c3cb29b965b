"""Traces are sent once, for a limited time and in a limited number, and never hold up a job."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Sequence

import pytest
from msgspec.structs import replace as changed

from fakes.build import NOW, at_phase, attempt, job, seen, status
from fakes.jumping_loop import run
from fakes.log_lines import lines
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import TERMINAL, Phase
from imagejob_operator.controller import run_tracer
from imagejob_operator.controller.run_spans import EndedRun, run_trace
from imagejob_operator.controller.run_tracer import BATCH, LOGGED_EVERY, MOST, TRIED_FOR, RunTracer
from imagejob_operator.decision.attempt import State
from imagejob_operator.documents.run_trace import Trace, trace_id
from imagejob_operator.operations.concurrency import compute
from imagejob_operator.ports.trace_collector import CollectorError

BEFORE = status(Phase.PUBLISHING)


class Collector:
    """Takes traces, or refuses them for so long."""

    def __init__(self, away_for: float = 0, transient: bool = True, retry_after: float = 0) -> None:
        self.away_until = asyncio.get_running_loop().time() + away_for
        self.error = CollectorError("503", transient, retry_after)
        self.tries: list[float] = []
        self.batches: list[list[bytes]] = []

    async def send(self, traces: Sequence[Trace]) -> None:
        now = asyncio.get_running_loop().time()
        self.tries.append(now)
        if now < self.away_until:
            raise self.error
        self.batches.append([trace.id for trace in traces])


class Traced:
    """A tracer on virtual time."""

    def __init__(self, collector: Collector) -> None:
        self.collector, self.counted = collector, {"sent": 0, "dropped": 0}
        self.tracer = RunTracer(collector, self.count, random=lambda: 0.0)

    def count(self, result: str, traces: int) -> None:
        self.counted[result] += traces

    def end(self, number: int = 1, pods: int = 0, phase: Phase = Phase.SUCCEEDED) -> None:
        found = (attempt(State.SUCCEEDED, shard=shard, run=number) for shard in range(pods))
        self.tracer.moved(seen(job(BEFORE), *found), ended(number, phase))

    async def for_seconds(self, seconds: float) -> None:
        task = asyncio.create_task(self.tracer.run())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def ended(number: int = 1, phase: Phase = Phase.SUCCEEDED) -> ImageJob:
    made = at_phase(phase)
    assert made.run
    return job(changed(made, run=changed(made.run, number=number, finished_at=NOW)))


def ids(*numbers: int) -> list[bytes]:
    return [trace_id(ended().uid, number) for number in numbers]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a thread, which virtual time does not wait for."""

    async def at_once(work: Callable[..., object], *arguments: object) -> object:
        return work(*arguments)

    monkeypatch.setattr(run_tracer, "compute", at_once)


@pytest.mark.parametrize("phase", TERMINAL)
def test_each_end_is_sent(phase: Phase) -> None:
    async def scenario() -> None:
        made = Traced(Collector())
        made.end(phase=phase)
        await made.for_seconds(600)
        assert made.collector.batches == [ids(1)]
        assert made.counted == {"sent": 1, "dropped": 0}

    run(scenario())


def test_a_move_that_is_no_end_is_not_sent() -> None:
    async def scenario() -> None:
        made = Traced(Collector())
        made.tracer.moved(seen(job(status(Phase.LAUNCHING))), job(status(Phase.RUNNING)))
        await made.for_seconds(600)
        assert made.collector.batches == []

    run(scenario())


def test_runs_that_wait_are_sent_together() -> None:
    async def scenario() -> None:
        made = Traced(Collector(away_for=50))
        made.end(1)
        await made.for_seconds(1)
        for number in range(2, 5):
            made.end(number, pods=2)
        made.end(5, pods=BATCH)
        await made.for_seconds(100)
        # A run with so many Pods has a request of its own.
        assert made.collector.batches == [ids(2, 3, 4), ids(5)]

    run(scenario())


def test_what_is_refused_for_now_is_sent_again_with_growing_pauses(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def scenario() -> None:
        made = Traced(Collector(away_for=50))
        made.end()
        await made.for_seconds(200)
        assert made.collector.batches == [ids(1)]
        assert made.counted == {"sent": 1, "dropped": 0}
        tries = made.collector.tries
        pauses = [after - before for before, after in itertools.pairwise(tries)]
        assert pauses == [1, 2, 4, 8, 16, 30]

    run(scenario())
    assert lines(caplog.records) == [("WARNING", "traces were not accepted, trying again", {"error": "503"})]


def test_what_is_never_accepted_is_dropped_after_its_time() -> None:
    async def scenario() -> None:
        made = Traced(Collector(away_for=1e6))
        begun = asyncio.get_running_loop().time()
        made.end()
        await made.for_seconds(3 * TRIED_FOR)
        assert made.counted == {"sent": 0, "dropped": 1}
        assert TRIED_FOR - 31 < made.collector.tries[-1] - begun < TRIED_FOR

    run(scenario())


def test_what_is_refused_for_good_is_dropped_at_once(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        made = Traced(Collector(away_for=0.5, transient=False))
        made.end()
        await made.for_seconds(1)
        made.end(2)
        await made.for_seconds(1)
        assert made.counted == {"sent": 1, "dropped": 1}
        assert len(made.collector.tries) == 2

    run(scenario())
    assert lines(caplog.records) == [("WARNING", "traces are dropped", {"traces": 1, "error": "503"})]


@pytest.mark.parametrize(("asked", "pause"), [(7, 7), (3600, 30)])
def test_the_pause_that_a_collector_asks_for_is_made_within_a_limit(asked: float, pause: float) -> None:
    async def scenario() -> None:
        made = Traced(Collector(away_for=0.5, retry_after=asked))
        made.end()
        await made.for_seconds(60)
        first, second = made.collector.tries
        assert second - first == pause

    run(scenario())


def test_failures_are_logged_once_a_minute_and_all_counted(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        made = Traced(Collector(away_for=1e6, transient=False))
        for number in range(1, 181):
            made.end(number)
            await made.for_seconds(1)
        assert made.counted == {"sent": 0, "dropped": 180}

    run(scenario())
    assert len(caplog.records) == 180 / LOGGED_EVERY


def test_the_number_of_runs_and_pods_that_wait_is_bounded() -> None:
    async def scenario() -> None:
        made = Traced(Collector(away_for=60))
        for number in range(1, 12):
            made.end(number, pods=999)
        assert made.counted == {"sent": 0, "dropped": 1}
        await made.for_seconds(200)
        assert made.counted == {"sent": MOST // 1000, "dropped": 1}
        made.end(20)
        await made.for_seconds(10)
        assert made.collector.batches[-1] == ids(20), "there is room again"

    run(scenario())


def test_a_bug_ends_neither_the_tracer_nor_the_other_traces(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(traces: Sequence[Trace]) -> None:
        raise LookupError("a bug")

    async def scenario() -> None:
        made = Traced(Collector())
        good, made.collector.send = made.collector.send, broken  # type: ignore[method-assign]
        made.end()
        await made.for_seconds(1)
        made.collector.send = good  # type: ignore[method-assign]
        made.end(2)
        await made.for_seconds(1)
        assert made.counted == {"sent": 1, "dropped": 1}

    run(scenario())
    assert "a bug" in caplog.text


def test_a_thread_makes_the_traces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of runs with a thousand Pods would hold the event loop."""
    threads: list[threading.Thread] = []

    def noted(of: EndedRun) -> Trace:
        threads.append(threading.current_thread())
        return run_trace(of)

    monkeypatch.setattr(run_tracer, "compute", compute)
    monkeypatch.setattr(run_tracer, "run_trace", noted)

    async def scenario() -> None:
        made = Traced(Collector())
        made.end(pods=3)
        task = asyncio.create_task(made.tracer.run())
        async with asyncio.timeout(10):
            while not made.counted["sent"]:
                await asyncio.sleep(0.001)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(scenario())
    assert threads
    assert threading.main_thread() not in threads
