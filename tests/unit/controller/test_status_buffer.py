"""Statuses that are held back: which, and for how long."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from fakes.build import NOW, job, later, status
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import RunStatus, StagingStatus, Status, error_status
from imagejob_operator.controller.status_buffer import StatusBuffer
from imagejob_operator.decision.action import AddFinalizer
from imagejob_operator.decision.attempt import AttemptCounts
from imagejob_operator.decision.observation import Decision

ONE, TWO = (AttemptCounts(1),), (AttemptCounts(2),)
LAUNCHED = job(status(Phase.LAUNCHING, counts=ONE))


def decided(phase: Phase, counts: Any = ONE, **run: Any) -> Decision:
    wanted = status(phase, counts=counts)
    assert wanted.run
    return Decision(msgspec.structs.replace(wanted, run=msgspec.structs.replace(wanted.run, **run)))


def test_a_status_is_held_back_for_a_second_in_each_phase() -> None:
    buffer = StatusBuffer()
    running, publishing = decided(Phase.RUNNING), decided(Phase.PUBLISHING)
    assert buffer.hold(LAUNCHED, running, NOW) == timedelta(seconds=1)
    assert buffer.current(LAUNCHED).status == running.status
    assert buffer.hold(LAUNCHED, running, later(0.75)) == timedelta(seconds=0.25)
    assert buffer.hold(LAUNCHED, publishing, later(0.75)) == timedelta(seconds=1)
    assert buffer.current(LAUNCHED).status == publishing.status
    assert buffer.hold(LAUNCHED, publishing, later(1.75)) is None
    assert buffer.current(LAUNCHED).status == publishing.status, "the write may fail"
    assert buffer.hold(LAUNCHED, publishing, later(1.8)) is None
    buffer.forget(LAUNCHED.key)
    assert buffer.current(LAUNCHED) is LAUNCHED
    assert len(buffer) == 0


def test_a_clock_that_is_set_back_does_not_hold_a_status_back_for_longer() -> None:
    buffer, running = StatusBuffer(), decided(Phase.RUNNING)
    buffer.hold(LAUNCHED, running, later(3600))
    assert buffer.hold(LAUNCHED, running, later(0)) == timedelta(seconds=1)
    assert buffer.hold(LAUNCHED, running, later(1)) is None


def test_the_second_of_another_job_does_not_count() -> None:
    buffer, running = StatusBuffer(), decided(Phase.RUNNING)
    buffer.hold(replace(LAUNCHED, uid="another"), running, NOW)
    assert buffer.hold(LAUNCHED, running, later(0.75)) == timedelta(seconds=1)


@pytest.mark.parametrize(
    ("before", "decision"),
    [
        pytest.param(status(Phase.LAUNCHING, counts=ONE), decided(Phase.LAUNCHING), id="the same phase"),
        pytest.param(status(Phase.STAGING), decided(Phase.LAUNCHING), id="the intent to launch"),
        pytest.param(status(Phase.RUNNING, counts=ONE), decided(Phase.RUNNING), id="progress"),
        pytest.param(status(Phase.LAUNCHING, counts=ONE), decided(Phase.RUNNING, TWO), id="another attempt"),
        pytest.param(status(Phase.RUNNING, counts=ONE), decided(Phase.FAILING), id="a failure"),
        pytest.param(status(Phase.RUNNING, counts=ONE), decided(Phase.SUCCEEDED), id="the end"),
        pytest.param(
            status(Phase.LAUNCHING, counts=ONE), decided(Phase.RUNNING, queued_since=NOW), id="a queue"
        ),
        pytest.param(
            status(Phase.LAUNCHING, counts=ONE),
            replace(decided(Phase.RUNNING), actions=(AddFinalizer(),)),
            id="with an action",
        ),
        pytest.param(
            status(Phase.LAUNCHING, counts=ONE),
            Decision(
                msgspec.structs.replace(
                    status(Phase.RUNNING, counts=ONE),
                    error=error_status(Failure(Code.LAUNCH, Reason.QUOTA_EXCEEDED, "no")),
                )
            ),
            id="an error",
        ),
        pytest.param(
            status(Phase.RUNNING, counts=ONE),
            Decision(msgspec.structs.replace(decided(Phase.PUBLISHING).status, report="r.json")),
            id="a report",
        ),
        pytest.param(
            status(Phase.RUNNING, counts=ONE),
            Decision(
                msgspec.structs.replace(decided(Phase.PUBLISHING).status, staging=StagingStatus("another/"))
            ),
            id="another staging",
        ),
    ],
)
def test_what_is_written_at_once(before: Status, decision: Decision) -> None:
    buffer, of = StatusBuffer(), job(before)
    assert buffer.hold(of, decision, NOW) is None
    assert buffer.current(of) is of


def test_what_the_pods_have_done_is_no_difference() -> None:
    before = status(Phase.RUNNING, counts=ONE)
    wanted = decided(Phase.PUBLISHING).status
    assert wanted.run
    assert wanted.run.shards
    shards = msgspec.structs.replace(wanted.run.shards, succeeded=1, failed=0)
    wanted = msgspec.structs.replace(wanted, run=msgspec.structs.replace(wanted.run, shards=shards))
    assert StatusBuffer().hold(job(before), Decision(wanted), NOW)


def test_another_status_or_another_job_takes_its_place() -> None:
    buffer = StatusBuffer()
    buffer.hold(LAUNCHED, decided(Phase.RUNNING), NOW)
    written = job(msgspec.structs.replace(LAUNCHED.status, run=RunStatus(number=2)))
    assert buffer.current(written) is written
    other = replace(LAUNCHED, uid="another")
    assert buffer.current(other) is other
    assert buffer.hold(written, decided(Phase.FAILING), NOW) is None


def test_nothing_is_kept_of_a_job_that_is_gone() -> None:
    buffer = StatusBuffer()
    buffer.hold(LAUNCHED, decided(Phase.RUNNING), NOW)
    buffer.forget(LAUNCHED.key)
    assert len(buffer) == 0
