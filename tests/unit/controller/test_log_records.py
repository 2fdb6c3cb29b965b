"""Level, message and fields of the records that the loops of the operator log."""

from __future__ import annotations

import asyncio
import logging

import pytest

from fakes.build import KEY, job
from fakes.clock import ManualClock
from fakes.hooks import Gate
from fakes.jumping_loop import run
from fakes.log_lines import lines
from fakes.memory_lease import LeaseLine, MemoryLease
from fakes.world import World
from imagejob_operator.api.imagejob import ImageJob
from imagejob_operator.controller.leader_election import LeaderElector, LeaseLost
from imagejob_operator.controller.operation_runner import OperationRunner
from imagejob_operator.controller.workqueue import WorkQueue
from imagejob_operator.decision.operation import Operation, Progress, Stage
from imagejob_operator.documents.run_trace import trace_id
from imagejob_operator.log_context import current_object
from imagejob_operator.ports.imagejobs import Forbidden, JobsError, Rejected, Unavailable
from imagejob_operator.ports.object_store import StoreUnavailable

JOB = {"job": "shop/spring"}
AWAY = StoreUnavailable("no answer")


@pytest.fixture(autouse=True)
def _every_record(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)


# --- reconciles --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "level", "message", "pause"),
    [
        (Unavailable("503"), "WARNING", "API call failed, retrying", 2),
        (Unavailable("503", retry_after=7), "WARNING", "API call failed, retrying", 7),
        (Forbidden("503"), "WARNING", "API call failed, retrying", 2),
        (Rejected("503"), "ERROR", "API call rejected", 60),
    ],
)
async def test_a_reconcile_whose_call_fails(
    error: JobsError, level: str, message: str, pause: float, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    world.create()
    await world.run(until=lambda: world.job.status.phase == "Staging")
    world.operator.queue.forget(KEY)
    world.cluster.edit(KEY, suspend=True)
    world.operator.queue.ready.clear()
    world.cluster.hooks.fail(error, "write_status")
    caplog.clear()
    await world.operator.reconciler.reconcile(KEY)
    assert lines(caplog.records)[-1] == (level, message, {**JOB, "error": "503"})
    assert (world.operator.queue.due[KEY] - world.clock()).total_seconds() == pause
    assert world.operator.telemetry.reconciles[-1] == "error"
    await world.operator.operations.stop()


async def test_a_reconcile_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    queue = WorkQueue(workers=1, random=lambda: 0.0)

    async def fails(key: object) -> None:
        raise RuntimeError("a bug")

    queue.start(fails)
    queue.add(KEY)
    while not caplog.records:
        await asyncio.sleep(0)
    await queue.stop()
    text = "reconcile failed unexpectedly, retrying"
    assert lines(caplog.records) == [("ERROR", text, {"key": "shop/spring"})]
    assert "a bug" in caplog.text


def test_a_reconcile_that_takes_too_long(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        queue = WorkQueue("imagestores", workers=1, random=lambda: 0.0)

        async def hangs(key: object) -> None:
            await asyncio.Event().wait()

        queue.start(hangs)
        queue.add(KEY)
        await asyncio.sleep(101)
        await queue.stop()

    run(play())
    extra = {"queue": "imagestores", "key": "shop/spring"}
    assert lines(caplog.records) == [("WARNING", "reconcile took longer than 100 s, retrying", extra)]


async def test_a_worker_that_is_cancelled_by_accident(caplog: pytest.LogCaptureFixture) -> None:
    queue = WorkQueue("jobs", workers=1, random=lambda: 0.0)

    async def cancels(key: object) -> None:
        task = asyncio.current_task()
        assert task
        task.cancel()
        await asyncio.sleep(0)

    queue.start(cancels)
    queue.add(KEY)
    while not caplog.records:
        await asyncio.sleep(0)
    assert queue.problems() == []
    await queue.stop()
    text = "worker cancelled unexpectedly, continuing"
    assert lines(caplog.records) == [("WARNING", text, {"queue": "jobs"})]


# --- operations --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [AWAY, RuntimeError("no answer")])
async def test_an_operation_that_fails(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    async def fails(of: ImageJob, operation: Operation) -> Progress:
        raise error

    woken: list[object] = []
    operations = OperationRunner(fails, woken.append, ManualClock(), lambda: 0.0)
    operations.ensure(job(), Stage("p/"))
    while not woken:
        await asyncio.sleep(0)
    internal = "internal error of the operator, see its log: RuntimeError: no answer"
    why = "no answer" if error is AWAY else internal
    retrying = ("WARNING", "operation failed, retrying", {**JOB, "operation": "Stage", "error": why})
    unexpected = ("ERROR", "operation failed unexpectedly", JOB)
    wanted = [retrying] if error is AWAY else [unexpected, retrying]
    assert lines(caplog.records) == wanted


# --- the lease ---------------------------------------------------------------------------------------------


def test_the_lease_is_acquired_renewed_and_released(caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        loop = asyncio.get_running_loop()
        line = LeaseLine(MemoryLease())
        elector = LeaderElector(line, "me", loop.time)
        line.hooks.fail(Unavailable("503"), "read", times=1)
        await elector.acquire()
        fault = line.hooks.fail(Unavailable("504"))
        with pytest.raises(LeaseLost) as lost:
            await elector.renew()
        assert str(lost.value) == "the lease was not renewed before the deadline: 504"
        line.hooks.remove(fault)
        await elector.acquire()
        line.hooks.install(Gate("write"))
        await elector.release()
        await elector.release()

    run(play())
    refused = ("WARNING", "leader election: cannot renew the lease", {"error": "504"})
    became = ("INFO", "leader election: became leader", {"identity": "me"})
    found = lines(caplog.records)
    assert found[:2] == [
        ("WARNING", "leader election: cannot acquire the lease", {"error": "503"}),
        became,
    ]
    assert set(map(str, found[2:-2])) == {str(refused)}
    assert found[-2] == became
    text = "leader election: cannot release the lease, it will expire"
    assert found[-1] == ("WARNING", text, {"error": "TimeoutError"})


# --- every line --------------------------------------------------------------------------------------------


async def test_lines_of_an_operation_name_its_run_also_of_one_that_its_reconcile_started() -> None:
    world = World()
    seen: list[dict[str, str | int]] = []

    async def note(operation: str, about: str, done: bool) -> None:
        if operation == "copy":
            seen.append(dict(current_object.get()))

    world.store.hooks.install(note)
    world.create()
    await world.run()
    status = world.job.status
    assert status.run
    assert seen
    named = {"uid": world.job.uid, "run": status.run.id, "number": 1}
    trace = {"trace_id": trace_id(world.job.uid, 1).hex()}
    assert all(fields == {**JOB, **named, **trace} for fields in seen)
