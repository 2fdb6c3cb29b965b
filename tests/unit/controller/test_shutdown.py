"""A process that gets SIGTERM ends in time, and releases the Lease if another may begin."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from fakes.build import PREFIX, job, status
from fakes.clock import START
from fakes.jumping_loop import run
from fakes.log_lines import lines
from imagejob_operator.api.imagejob import ImageJob, Key
from imagejob_operator.api.phase import Phase
from imagejob_operator.controller.leader_election import CALL_TIMEOUT
from imagejob_operator.controller.operation_runner import OperationRunner
from imagejob_operator.controller.shutdown import DRAIN_TIMEOUT, drain
from imagejob_operator.controller.workqueue import Queues, WorkQueue
from imagejob_operator.decision.operation import Operation, Progress, Stage
from imagejob_operator.garbage.schedule import GarbageSchedule
from imagejob_operator.ports.stores import OWN_STORE, StoreWithStaging

DEPLOYMENT = Path(__file__).parents[3] / "manifests" / "base" / "deployment.yaml"
OF_KOPF = 25.0
"""After these seconds Kopf ends the process (`ultimate_exiting_timeout`)."""
FOR_EVER = 1e6


async def landing(seconds: float) -> None:
    """A call in a thread: a task that is cancelled meanwhile waits until the call has ended."""
    call = asyncio.ensure_future(asyncio.sleep(seconds))
    try:
        await asyncio.shield(call)
    except asyncio.CancelledError:
        await asyncio.wait({call})
        raise


class Busy:
    """A process in the middle of a reconcile, a sweep and an operation, with calls that take so long."""

    def __init__(self, reconcile: float, sweep: float, operation: float) -> None:
        self.loop = asyncio.get_running_loop()

        async def work(of: ImageJob, what: Operation) -> Progress:
            await landing(operation)
            raise AssertionError("it was not cancelled")

        async def one_reconcile(key: Key) -> None:
            await landing(reconcile)

        async def one_sweep() -> None:
            await landing(sweep)

        self.queues = Queues(WorkQueue(workers=2))
        self.queue = self.queues.jobs
        self.operations = OperationRunner(work, self.queue.add, lambda: START)
        nothing: Any = None
        stores = {"": StoreWithStaging(OWN_STORE, "", nothing)}
        collector: Any = SimpleNamespace(sweep=one_sweep)
        self.garbage_schedule = GarbageSchedule(lambda: stores, lambda *_: collector, nothing, 900)
        self.queue.start(one_reconcile)
        self.garbage_schedule.start()
        self.operations.ensure(job(status(Phase.STAGING)), Stage(PREFIX))
        self.queue.add(Key("shop", "spring"))

    async def ends(self) -> tuple[bool, float]:
        """Whether all has landed, and after how many seconds."""
        await asyncio.sleep(1)
        begun = self.loop.time()
        landed = await drain(self.queues, self.garbage_schedule, self.operations)
        return landed, self.loop.time() - begun


def ends(reconcile: float = 0.0, sweep: float = 0.0, operation: float = 0.0) -> tuple[bool, float]:
    async def scenario() -> tuple[bool, float]:
        return await Busy(reconcile, sweep, operation).ends()

    return run(scenario())


def test_what_is_idle_ends_at_once() -> None:
    landed, seconds = ends()
    assert landed
    assert seconds < 1


def test_last_writes_are_waited_for_side_by_side() -> None:
    landed, seconds = ends(sweep=11, operation=12)
    assert landed
    assert seconds == pytest.approx(11, abs=1)


@pytest.mark.parametrize("what", ["reconcile", "sweep", "operation"])
def test_one_that_hangs_is_not_waited_for_longer_than_there_is_time(
    what: str, caplog: pytest.LogCaptureFixture
) -> None:
    landed, seconds = ends(**{what: FOR_EVER})
    assert not landed, "no other may begin before the lease has expired"
    assert seconds == DRAIN_TIMEOUT
    text = "shutdown: the last write has not completed; the lease is not released and will expire"
    assert lines(caplog.records)[-1] == ("WARNING", text, {})


def test_there_is_time_enough_to_release_the_lease() -> None:
    objects = yaml.safe_load_all(DEPLOYMENT.read_text())
    pod = next(one for one in objects if one["kind"] == "Deployment")["spec"]["template"]["spec"]
    assert DRAIN_TIMEOUT + CALL_TIMEOUT < OF_KOPF < pod["terminationGracePeriodSeconds"]
