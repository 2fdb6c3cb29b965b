"""Decisions are carried out: what fails is remembered or logged, and what must be raised is."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from fakes.build import NOW, PREFIX, attempt, later, seen, status
from fakes.clock import ManualClock
from fakes.hooks import Gate
from fakes.jumping_loop import run
from fakes.log_lines import lines
from fakes.memory_cluster import MemoryCluster
from fakes.telemetry import CountingTelemetry
from fakes.world import KEY, World
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import Condition, FailedItem, Status, error_status
from imagejob_operator.controller.attempt_actions import AttemptActions
from imagejob_operator.controller.cache import Cache
from imagejob_operator.controller.executor import (
    ATTEMPTS_SECONDS,
    EVENT_TIMEOUT,
    MAX_SHORT_MESSAGE,
    Executor,
    shortened,
)
from imagejob_operator.controller.operation_runner import OperationRunner
from imagejob_operator.controller.run_memory import RunMemories
from imagejob_operator.decision.action import (
    AddFinalizer,
    DeleteJob,
    Launch,
    ReadEvents,
    RecordEvent,
    ReleaseFinalizer,
    StopAttempt,
)
from imagejob_operator.decision.attempt import Problem, Refusal, State
from imagejob_operator.decision.observation import Observation
from imagejob_operator.decision.operation import Operation, Progress, Stage, Working
from imagejob_operator.documents.run_trace import trace_id
from imagejob_operator.operations.fresh_runs import FreshRuns
from imagejob_operator.ports.imagejobs import (
    Conflict,
    Forbidden,
    Gone,
    InvalidObject,
    JobsError,
    Rejected,
    Unavailable,
)

EVENT = RecordEvent(True, "NoNode", "no node fits", 1, step=2)


def observed(job: ImageJob, status: Status) -> Observation:
    return seen(replace(job, status=status))


async def never(job: ImageJob, operation: Operation) -> Progress:
    return Working()


class Bench:
    """An executor over a cluster in memory, with one job."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.cluster = MemoryCluster(self.clock)
        self.memories = RunMemories(lambda: 0.0)
        self.telemetry = CountingTelemetry()
        world = World()
        attempts = AttemptActions(self.cluster, world.operator.stores, Cache(), self.clock, FreshRuns())
        operations = OperationRunner(never, lambda key: None, self.clock)
        self.executor = Executor(
            self.cluster, attempts, operations, self.memories, self.telemetry, self.clock, FreshRuns()
        )
        self.job = self.cluster.create(KEY.name, {"source": {"keys": ["a.jpg"]}})
        self.extra = {"job": "shop/spring", "uid": self.job.uid}


async def test_a_finalizer_that_is_added_clears_its_refusal() -> None:
    bench = Bench()
    memory = bench.memories.of(bench.job)
    memory.refuse_finalizer(Problem(Reason.CLUSTER_REFUSED, "no"), NOW, timedelta(0))
    after = await bench.executor.act(bench.job, (AddFinalizer(),))
    assert after.guarded
    assert memory.finalizer_refused is None


@pytest.mark.parametrize(
    ("error", "raised", "problem", "pause"),
    [
        (
            InvalidObject("Too many"),
            Conflict,
            Problem(Reason.INVALID_SPEC, "Too many", certain=True),
            0,
        ),
        (
            Conflict("changed"),
            Conflict,
            Problem(Reason.CLUSTER_REFUSED, "the finalizer cannot be added: changed"),
            0,
        ),
        (
            Rejected("a webhook"),
            Unavailable,
            Problem(Reason.CLUSTER_REFUSED, "the finalizer cannot be added: a webhook"),
            5,
        ),
        (
            Unavailable("503"),
            Unavailable,
            Problem(Reason.CLUSTER_REFUSED, "the finalizer cannot be added: 503"),
            5,
        ),
        (Gone("it is gone"), Gone, None, 0),
    ],
    ids=["invalid", "conflict", "rejected", "unavailable", "gone"],
)
async def test_a_finalizer_that_is_refused_is_remembered(
    error: JobsError, raised: type[JobsError], problem: Problem | None, pause: int
) -> None:
    bench = Bench()
    bench.cluster.hooks.fail(error, "add_finalizer")
    with pytest.raises(JobsError) as caught:
        await bench.executor.act(bench.job, (AddFinalizer(),))
    assert (type(caught.value), str(caught.value)) == (raised, str(error))
    wanted = problem and Refusal(problem, bench.clock(), later(pause))
    assert bench.memories.of(bench.job).finalizer_refused == wanted


LAUNCHES = (Launch(PREFIX, 0, 1), Launch(PREFIX, 3, 1))


async def test_a_job_that_cannot_be_read_refuses_its_launches() -> None:
    bench = Bench()
    bench.cluster.hooks.fail(Unavailable("503"), "whole")
    await bench.executor.act(bench.job, LAUNCHES)
    refusals = bench.memories.of(bench.job).refusals
    problem = Problem(Reason.START_DEADLINE_EXCEEDED, "the ImageJob cannot be read: 503")
    wanted = Refusal(problem, bench.clock(), later(1))
    assert refusals == {0: wanted, 3: wanted}
    assert bench.cluster.hooks.count("launch") == 0


@pytest.mark.parametrize("error", [Conflict("another one"), Gone("it is gone")])
async def test_a_job_that_is_another_one_by_now_is_not_launched(error: JobsError) -> None:
    bench = Bench()
    bench.cluster.hooks.fail(error, "whole")
    with pytest.raises(type(error)):
        await bench.executor.act(bench.job, LAUNCHES)
    assert bench.memories.of(bench.job).refusals == {}


def test_actions_on_attempts_end_before_they_delay_the_status(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        bench = Bench()
        gate = Gate("stop")
        bench.cluster.hooks.install(gate)
        running = attempt(State.RUNNING)
        assert await bench.executor.act(bench.job, (StopAttempt(running),)) == bench.job
        text = "actions on attempts took too long, continuing in the next reconcile"
        assert lines(caplog.records) == [("WARNING", text, bench.extra)]

    assert ATTEMPTS_SECONDS == 45
    run(play())


async def test_an_event_that_cannot_be_recorded_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.cluster.hooks.fail(Forbidden("events is forbidden"), "announce")
    assert await bench.executor.close(bench.job, (EVENT,)) == bench.job
    assert bench.memories.of(bench.job).recorded == {"NoNode": 1}
    extra = {**bench.extra, "reason": "NoNode", "error": "events is forbidden"}
    assert lines(caplog.records) == [("WARNING", "Event could not be recorded", extra)]


def test_an_event_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        bench = Bench()
        bench.cluster.hooks.install(Gate("announce"))
        assert await bench.executor.close(bench.job, (EVENT,)) == bench.job
        extra = {**bench.extra, "reason": "NoNode", "error": ""}
        assert lines(caplog.records) == [("WARNING", "Event could not be recorded", extra)]

    assert EVENT_TIMEOUT == 5
    run(play())


async def test_the_event_of_an_end_is_not_counted() -> None:
    bench = Bench()
    await bench.executor.close(bench.job, (replace(EVENT, step=0),))
    assert bench.memories.of(bench.job).recorded == {}
    assert [event.reason for event in bench.cluster.events.values()] == ["NoNode"]


@pytest.mark.parametrize("gone", [False, True])
async def test_a_finalizer_that_is_released_before_its_time_is_counted_and_logged(
    gone: bool, caplog: pytest.LogCaptureFixture
) -> None:
    bench = Bench()
    guarded = await bench.executor.act(bench.job, (AddFinalizer(),))
    if gone:
        bench.cluster.hooks.fail(Gone("it is gone"), "remove_finalizer")
    after = await bench.executor.close(guarded, (ReleaseFinalizer(Reason.STORE_UNAVAILABLE),))
    assert (after is None) is gone
    assert after is None or not after.guarded
    assert bench.telemetry.deferrals == [Reason.STORE_UNAVAILABLE]
    extra = {**bench.extra, "reason": "StoreUnavailable"}
    assert lines(caplog.records) == [("WARNING", "finalizer released before staging was empty", extra)]


async def test_a_finalizer_that_is_released_in_its_time_is_neither() -> None:
    bench = Bench()
    guarded = await bench.executor.act(bench.job, (AddFinalizer(),))
    await bench.executor.close(guarded, (ReleaseFinalizer(),))
    assert bench.telemetry.deferrals == []


async def test_a_job_is_deleted_after_its_finalizer_is_released() -> None:
    bench = Bench()
    guarded = await bench.executor.act(bench.job, (AddFinalizer(),))
    await bench.executor.close(guarded, (DeleteJob(), ReleaseFinalizer(), EVENT))
    assert [call for call, _ in bench.cluster.hooks.calls[1:]] == ["announce", "remove_finalizer", "delete"]
    assert bench.cluster.job(KEY) is None


def described(phase: Phase, **more: Any) -> dict[str, Any]:
    return {"phase": phase.value, "run": "1", "number": 1, "code": "", "reason": "", "detail": "", **more}


def ended(**fields: Any) -> Status:
    return msgspec.structs.replace(status(Phase.FAILED), **fields)


READY = Condition("Ready", "False", "NoSpace", "there is no space", NOW, 1)
ERROR = error_status(Failure(Code.STAGING, Reason.SOURCE_NOT_FOUND, "there is no object"))


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (ended(), {}),
        (ended(conditions=(READY,)), {"reason": "NoSpace", "detail": "there is no space"}),
        (
            ended(conditions=(READY,), error=ERROR),
            {"code": "JOB_002", "reason": "SourceNotFound", "detail": "there is no object"},
        ),
        (ended(run=None), {"run": "", "number": 0}),
    ],
    ids=["nothing", "condition", "error", "no-run"],
)
async def test_a_job_that_moves_is_counted_and_logged(
    written: Status, shown: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bench = Bench()
    await bench.executor.write_status(bench.job, observed(bench.job, Status(phase="Running")), written)
    assert [before for before, _ in bench.telemetry.moves] == ["Running"]
    extra = {**bench.extra, **described(Phase.FAILED, **shown)}
    if written.run:
        extra["trace_id"] = trace_id(bench.job.uid, 1).hex()
    assert lines(caplog.records) == [("INFO", "ImageJob shop/spring is Failed", extra)]


async def test_a_job_that_stays_in_its_phase_is_not(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    bench = Bench()
    await bench.executor.write_status(bench.job, observed(bench.job, ended()), ended())
    assert (bench.telemetry.moves, lines(caplog.records)) == ([], [])


LONG = "x" * 300


async def test_a_status_that_is_rejected_is_shortened_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.cluster.hooks.fail(Rejected("Too long"), "write_status", times=1)
    failures = (FailedItem("a.jpg", "IMG_001", "not an image"),)
    after = await bench.executor.write_status(
        bench.job, observed(bench.job, ended()), ended(failures=failures)
    )
    assert after.resource_version != bench.job.resource_version
    extra = {"job": "shop/spring", "error": "Too long"}
    assert lines(caplog.records) == [("ERROR", "status rejected, writing a shorter one", extra)]


async def test_the_deletion_of_a_job_does_not_wait_for_its_status(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    bench.cluster.hooks.fail(Rejected("Too long"), "write_status")
    deleted = replace(bench.job, deleted_at=NOW)
    assert await bench.executor.write_status(deleted, seen(deleted), ended()) is deleted
    extra = {"job": "shop/spring", "error": "Too long"}
    assert lines(caplog.records) == [("ERROR", "status of a deleted ImageJob rejected", extra)]
    assert bench.telemetry.moves == []


def test_a_short_status_has_no_details() -> None:
    failures = (FailedItem("a.jpg", "IMG_001", "not an image"),)
    whole = ended(
        failures=failures,
        error=msgspec.structs.replace(ERROR, message=LONG),
        conditions=(msgspec.structs.replace(READY, message=LONG), READY),
    )
    short = shortened(whole)
    assert short.failures == ()
    assert short.error
    assert (short.error.code, len(short.error.message)) == ("JOB_002", MAX_SHORT_MESSAGE)
    assert [len(condition.message) for condition in short.conditions] == [200, len("there is no space")]
    assert [condition.type for condition in short.conditions] == ["Ready", "Ready"]
    assert short.run == whole.run
    assert shortened(ended()).error is None


async def test_the_events_of_an_attempt_are_read_into_the_memory_of_its_run() -> None:
    bench = Bench()
    waiting = attempt(State.WAITING)
    bench.cluster.remarks[waiting.name] = "no node fits"
    await bench.executor.act(bench.job, (ReadEvents(waiting),))
    assert bench.memories.of(bench.job).remarks[waiting.uid].message == "no node fits"


async def test_an_operation_runs_until_its_job_is_forgotten() -> None:
    bench = Bench()
    bench.executor.ensure_operation(bench.job, Stage(PREFIX))
    assert bench.executor.operations.progress_of(KEY)[0] == Stage(PREFIX)
    bench.executor.forget(KEY)
    assert bench.executor.operations.progress_of(KEY) == (None, None)
