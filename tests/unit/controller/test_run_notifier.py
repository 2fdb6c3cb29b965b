"""Notifications of ended runs: each is sent at least once, and dropped after a limited time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace as changed

from fakes.build import at_phase, job
from fakes.jumping_loop import run
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import TERMINAL, Phase
from imagejob_operator.api.status import error_status
from imagejob_operator.controller.run_notifier import MOST, SENDERS, SENT_FOR, RunNotifier
from imagejob_operator.documents.run_event import run_event
from imagejob_operator.ports.event_sink import EventRefused, SinkError

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class Sink:
    """Takes events, or refuses them for so long."""

    def __init__(self, away_until: float = 0) -> None:
        self.away_until = away_until
        self.tries: list[float] = []
        self.events: list[Mapping[str, Any]] = []

    async def send(self, event: Mapping[str, Any]) -> None:
        now = asyncio.get_running_loop().time()
        self.tries.append(now)
        if now < self.away_until:
            raise SinkError("503")
        self.events.append(event)


class Notified:
    """A notifier on virtual time."""

    def __init__(self, sink: Sink) -> None:
        self.sink, self.results = sink, list[str]()
        begun = asyncio.get_running_loop().time()
        clock = lambda: EPOCH + timedelta(seconds=asyncio.get_running_loop().time() - begun)  # noqa: E731
        self.notifier = RunNotifier(sink, clock, self.results.append, random=lambda: 0.0)

    async def for_seconds(self, seconds: float, *jobs: ImageJob) -> None:
        task = asyncio.create_task(self.notifier.run(lambda: jobs))
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def ended(
    phase: Phase = Phase.SUCCEEDED, ago: timedelta = timedelta(), number: int = 1, namespace: str = "shop"
) -> ImageJob:
    status = at_phase(phase)
    assert status.run
    made = job(changed(status, run=changed(status.run, number=number, finished_at=EPOCH - ago)))
    return replace(made, key=replace(made.key, namespace=namespace))


def test_an_end_is_sent_once() -> None:
    async def scenario() -> None:
        made = Notified(Sink())
        for _ in range(3):
            made.notifier.moved(ended())
        await made.for_seconds(60, ended())
        assert [event["id"] for event in made.sink.events] == [f"{ended().uid}-1"]
        assert made.results == ["sent"]

    run(scenario())


def test_a_new_leader_sends_what_has_ended_lately_and_nothing_older() -> None:
    async def scenario() -> None:
        made = Notified(Sink())
        late = ended(ago=SENT_FOR, number=7)
        await made.for_seconds(
            1, ended(ago=SENT_FOR - timedelta(seconds=1)), late, job(at_phase(Phase.RUNNING))
        )
        assert [event["data"]["number"] for event in made.sink.events] == [1]

    run(scenario())


def test_an_event_that_is_refused_is_sent_again() -> None:
    async def scenario() -> None:
        made = Notified(Sink(away_until=asyncio.get_running_loop().time() + 100))
        made.notifier.moved(ended())
        await made.for_seconds(200)
        assert len(made.sink.events) == 1
        assert made.results == ["sent"]
        pauses = [after - before for before, after in zip(made.sink.tries, made.sink.tries[1:], strict=False)]
        assert pauses == sorted(pauses)
        assert max(pauses) <= 60

    run(scenario())


def test_an_event_that_is_never_accepted_is_dropped_after_its_time(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        begun = asyncio.get_running_loop().time()
        made = Notified(Sink(away_until=begun + 1e6))
        made.notifier.moved(ended())
        await made.for_seconds(2 * SENT_FOR.total_seconds())
        assert made.results == ["dropped"]
        assert made.sink.tries[-1] - begun < SENT_FOR.total_seconds()
        assert made.sink.tries[-1] - begun > SENT_FOR.total_seconds() - 60

    run(scenario())
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]


class Picky(Sink):
    """Takes no event of a namespace."""

    def __init__(self, error: type[SinkError], takes: float = 0) -> None:
        super().__init__()
        self.error, self.takes = error, takes

    async def send(self, event: Mapping[str, Any]) -> None:
        if event["data"]["namespace"] == "poor":
            self.tries.append(asyncio.get_running_loop().time())
            await asyncio.sleep(self.takes)
            raise self.error("no")
        self.events.append(event)


def test_an_event_that_is_refused_for_good_is_dropped_at_once(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        made = Notified(Picky(EventRefused))
        made.notifier.moved(ended(namespace="poor"))
        await made.for_seconds(0.1)
        assert (made.results, len(made.sink.tries)) == (["dropped"], 1)
        made.notifier.moved(ended(namespace="poor"))
        await made.for_seconds(100)
        assert len(made.sink.tries) == 1, "it is known"

    run(scenario())
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@pytest.mark.parametrize(("events", "takes"), [(4, 0), (4, 10), (100, 0), (1000, 10)])
def test_events_that_wait_for_another_try_hold_up_no_other_namespace(events: int, takes: float) -> None:
    async def scenario() -> None:
        made = Notified(Picky(SinkError, takes))
        for number in range(events):
            made.notifier.moved(ended(namespace="poor", number=number))
        task = asyncio.create_task(made.notifier.run(list))
        await asyncio.sleep(60)
        for number in range(4):
            made.notifier.moved(ended(namespace="other", number=events + number))
            await asyncio.sleep(takes + 2)
            assert len(made.sink.events) == number + 1
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(scenario())


def test_a_server_that_is_away_gets_few_requests_however_many_events_wait() -> None:
    async def scenario() -> None:
        begun = asyncio.get_running_loop().time()
        made = Notified(Sink(away_until=begun + 1e6))
        for number in range(1000):
            made.notifier.moved(ended(number=number, namespace=f"n{number % 7}"))
        await made.for_seconds(100)
        assert len(made.sink.tries) <= SENDERS * 101
        await made.for_seconds(2 * SENT_FOR.total_seconds())

    run(scenario())


def test_a_bug_in_the_sink_does_not_end_the_notifier(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        made = Notified(Sink())
        good, made.sink.send = made.sink.send, broken  # type: ignore[method-assign]
        made.notifier.moved(ended())
        await made.for_seconds(1)
        made.sink.send = good  # type: ignore[method-assign]
        made.notifier.moved(ended(number=2))
        await made.for_seconds(1)
        assert made.results == ["dropped", "sent"]

    async def broken(event: Mapping[str, Any]) -> None:
        raise LookupError("a bug")

    run(scenario())
    assert "could not be sent" in caplog.text


def test_the_number_of_events_that_wait_is_bounded() -> None:
    async def scenario() -> None:
        made = Notified(Sink())
        for number in range(MOST + 2):
            made.notifier.moved(ended(number=number + 1))
        assert made.results == ["dropped", "dropped"]

    run(scenario())


@pytest.mark.parametrize("phase", TERMINAL)
def test_what_an_event_contains(phase: Phase) -> None:
    """The attributes that CloudEvents 1.0 requires, and what a server needs to act on it."""
    one = ended(phase)
    if phase is not Phase.SUCCEEDED:
        error = error_status(Failure(Code.STAGING, Reason.SOURCE_NOT_FOUND, "no 'a.jpg'"))
        one = replace(one, status=changed(one.status, error=error))
    event = run_event(one)
    types = {"Succeeded": "finished", "Failed": "failed", "Cancelled": "cancelled"}
    assert event["specversion"] == "1.0"
    assert event["type"] == f"dev.imagejob.run.{types[phase]}"
    assert event["source"] == "/apis/imagejob.dev/v1alpha1/namespaces/shop/imagejobs/spring"
    assert (event["subject"], event["time"]) == ("shop/spring", "2026-01-01T00:00:00Z")
    assert event["data"]["phase"] == phase
    assert event["data"]["code"] == ("" if phase is Phase.SUCCEEDED else "JOB_002")
