"""A planted stall of the event loop is measured, and its stack is logged."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from imagejob_operator.controller.stall_detector import StallDetector

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
