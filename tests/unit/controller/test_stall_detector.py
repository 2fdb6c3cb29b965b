"""A planted stall of the event loop is measured, and its stack is logged."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from fakes.log_lines import lines
from imagejob_operator.controller import stall_detector
from imagejob_operator.controller.stall_detector import MAX_FRAMES, PERIOD, StallDetector

REPORT_AFTER = 0.1


def planted_stall() -> None:
    end = time.monotonic() + 0.5
    while time.monotonic() < end:
        pass


async def lags(stall: bool) -> list[float]:
    """The lags of ten callbacks, with or without a stall."""
    found, enough = list[float](), asyncio.Event()

    def observe(lag: float) -> None:
        found.append(lag)
        if len(found) >= 10:
            enough.set()

    detector = StallDetector(observe, REPORT_AFTER)
    detector.start()
    try:
        await asyncio.wait_for(asyncio.to_thread(time.monotonic), 5)
        if stall:
            asyncio.get_running_loop().call_soon(planted_stall)
        await asyncio.wait_for(enough.wait(), 20)
    finally:
        detector.stop()
    return found


async def test_a_planted_stall_is_measured_and_its_stack_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert max(await lags(stall=True)) >= 0.4
    reports = [record.__dict__ for record in caplog.records if "blocked" in record.getMessage()]
    assert any("planted_stall" in report["stack"] for report in reports)
    assert max(report["stack"].count(" > ") for report in reports) == MAX_FRAMES - 1
    assert max(report["seconds"] for report in reports) >= 0.4


async def test_a_stopped_detector_measures_nothing_more() -> None:
    found = list[float]()
    detector = StallDetector(found.append)
    detector.start()
    detector.stop()
    await asyncio.sleep(0)
    await asyncio.to_thread(detector._thread.join, 5)
    assert not detector._thread.is_alive()
    assert found == []


class Time:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(stall_detector, "time", made)
    return made


@pytest.mark.parametrize(
    ("sampled_for", "stack"), [(100.0, "f.py:1 f"), (99.0, "not known")], ids=["this", "an-earlier-one"]
)
async def test_a_stall_is_logged_with_its_own_stack(
    sampled_for: float, stack: str, clock: Time, caplog: pytest.LogCaptureFixture
) -> None:
    found = list[float]()
    detector = StallDetector(found.append, 0.25)
    try:
        clock.now = 99.5
        detector._beat()
        detector._due = 100.0
        clock.now = 100.24
        detector._beat()
        assert (lines(caplog.records), detector._due) == ([], 100.24 + PERIOD)
        detector._due, detector._sample = 100.0, (sampled_for, "f.py:1 f")
        clock.now = 100.25
        detector._beat()
    finally:
        detector.stop()
    assert found == [0, pytest.approx(0.24), 0.25]
    extra = {"seconds": 0.25, "stack": stack}
    assert lines(caplog.records) == [("WARNING", "the event loop was blocked", extra)]


async def test_the_stack_of_a_stall_is_taken_once(clock: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    detector = StallDetector(lambda lag: None, 0.25)
    found: list[tuple[float, str]] = []

    def next_check(seconds: float) -> bool:
        assert seconds == PERIOD
        found.append(detector._sample)
        clock.now = (100.24, 100.25, 100.4, 100.5)[len(found) - 1]
        return len(found) == 4

    monkeypatch.setattr(detector._stopped, "wait", next_check)
    detector._watch()
    detector.stop()
    first, second, third, fourth = found
    assert (first, second) == ((0.0, ""), (0.0, ""))
    assert third == fourth
    assert third[0] == 100.0
    frames = third[1].split(" > ")
    assert "_watch" in frames[-1]
    assert any(frame.startswith(f"{__file__}:") for frame in frames)
    assert len(frames) == MAX_FRAMES
