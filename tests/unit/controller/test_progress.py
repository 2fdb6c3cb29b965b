"""The status shows how many items are done while the Pods work, within a budget, and not of short runs."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from fakes.memory_cluster import Scene, Script
from fakes.scripts import CRASHED, in_turn, reporting, well
from fakes.world import KEY, World
from imagejob_operator.api.imagejob import ImageJob, Key
from imagejob_operator.controller.run_memory import ProgressBudget
from imagejob_operator.decision.attempt import State

KEYS = [f"uploads/{number}.jpg" for number in range(12)]
TWO_PODS = {"source": {"keys": KEYS}, "execution": {"itemsPerPod": 6}}


class Seen(World):
    """A world that notes each status that shows another progress, and when."""

    def __init__(self, script: Script) -> None:
        super().__init__(script, sources=dict.fromkeys(KEYS, b"image"))
        self.shown: list[tuple[float, str]] = []
        begun, deliver = self.clock(), self.cluster.on_job

        def noted(kind: str, job: ImageJob) -> None:
            progress = job.status.progress
            if progress and [text for _, text in self.shown[-1:]] != [progress]:
                self.shown.append(((self.clock() - begun).total_seconds(), progress))
            deliver(kind, job)

        self.cluster.on_job = noted

    def reads(self) -> int:
        return sum("/progress/" in key for call, key in self.store.hooks.calls if call == "get")


async def run(script: Script, **spec: Any) -> Seen:
    world = Seen(script)
    world.create(**{**TWO_PODS, **spec})
    await world.run()
    return world


async def test_the_progress_moves_every_five_seconds() -> None:
    world = await run(reporting(*range(1, 6), every=5))
    assert world.job.status.phase == "Succeeded"
    texts = [text for _, text in world.shown]
    assert texts == ["0/12", "2/12", "4/12", "6/12", "8/12", "10/12", "12/12"]
    moments = [moment for moment, _ in world.shown[1:-1]]
    pauses = [after - before for before, after in itertools.pairwise(moments)]
    assert max(pauses) < 6, world.shown
    assert min(pauses) >= 5, world.shown


async def test_a_short_run_costs_no_read_and_no_write() -> None:
    world = await run(reporting(1, 3, every=1.5))
    assert world.job.status.phase == "Succeeded"
    assert world.reads() == 0
    plain = await run(well(run=4))
    assert world.cluster.hooks.count("write_status") == plain.cluster.hooks.count("write_status")


async def test_a_shard_that_is_repeated_does_not_lower_the_progress() -> None:
    crash = (Scene(5, State.FAILED, CRASHED),)
    world = await run(in_turn(reporting(2, 5, then=crash), reporting(1, 2, 6)))
    assert world.job.status.phase == "Succeeded"
    done = [int(text.partition("/")[0]) for _, text in world.shown]
    assert done == sorted(done)
    assert done[-2:] == [10, 12] or done[-1] == 12


async def test_pods_that_report_nothing_change_nothing() -> None:
    world = await run(well(run=60))
    assert world.job.status.phase == "Succeeded"
    assert [text for _, text in world.shown] == ["0/12", "12/12"]


async def test_the_end_counts_results_and_not_reports() -> None:
    world = await run(reporting(6, 6, 6, then=well(0, 5, failing=KEYS[:1])(0, 1)[1:]))
    items = world.job.status.items
    assert world.error() == "JOB_005/ItemsFailed"
    assert items
    assert (items.succeeded, items.failed) == (11, 1)


def key(namespace: str, number: int = 0) -> Key:
    return Key(namespace, f"job-{number}")


def test_a_job_alone_is_read_every_five_seconds() -> None:
    assert ProgressBudget().period(KEY, 3).total_seconds() == 5


@pytest.mark.parametrize(("jobs", "pods"), [(400, 1), (10, 200)])
def test_all_jobs_together_keep_to_the_budget(jobs: int, pods: int) -> None:
    budget = ProgressBudget(writes=10, reads=50)
    everybody = [key(f"tenant-{number % 4}", number) for number in range(jobs)]
    for one in everybody:
        budget.period(one, pods)
    periods = [budget.period(one, pods).total_seconds() for one in everybody]
    assert sum(1 / period for period in periods) <= 10.001
    assert sum(pods / period for period in periods) <= 50.001


def test_a_namespace_with_many_jobs_delays_the_others_little() -> None:
    budget = ProgressBudget(writes=10, reads=50)
    for number in range(1000):
        budget.period(key("large", number), 1)
    assert budget.period(key("small"), 1).total_seconds() == 5
    assert budget.period(key("large"), 1).total_seconds() == 200


def test_jobs_that_have_ended_take_no_share() -> None:
    budget = ProgressBudget(writes=10, reads=50)
    for number in range(1000):
        budget.period(key("large", number), 1)
        budget.leave(key("large", number))
    assert budget.period(key("large"), 1).total_seconds() == 5
    assert len(budget) == 1
