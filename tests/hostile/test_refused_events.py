"""Events and Pods that the API server refuses forever hold up neither an end nor a deletion."""

from __future__ import annotations

import pytest

from fakes.memory_cluster import idle
from fakes.scripts import CRASHED, badly, well
from fakes.world import KEY, World
from imagejob_operator.adapters.kubernetes.answers import ApiError, translate
from imagejob_operator.api.phase import TERMINAL
from imagejob_operator.api.status import Condition
from imagejob_operator.ports.object_store import StoreUnavailable

BUSY = translate(ApiError(429, "TooManyRequests", "limit reached on type Namespace", 1.0))
REFUSALS = {
    "policy": ApiError(403, "Forbidden", 'admission webhook "keep.example.com" denied the request: no'),
    "conflict": ApiError(409, "Conflict", "Operation cannot be fulfilled on pods"),
    "broken": ApiError(500, "InternalError", "etcdserver: request timed out"),
}
each_refusal = pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS.keys())


async def test_events_that_are_refused_for_ever_do_not_hold_up_the_end() -> None:
    """The etcd of Events is down, or an EventRateLimit is reached: the run ends in the status."""
    world = World()
    world.create()
    world.cluster.hooks.fail(BUSY, "announce")
    await world.run()
    assert world.job.status.phase == "Succeeded"


async def test_events_that_are_refused_for_ever_do_not_hold_up_a_deletion() -> None:
    """The store is down as well, so that an Event is due before the finalizer is released."""
    world = World(script=well(run=1000))
    world.create()
    await world.run(until=lambda: world.job.status.phase == "Running")
    world.cluster.hooks.fail(BUSY, "announce")
    world.store.hooks.fail(StoreUnavailable("down"))
    world.cluster.user_deletes(KEY)
    assert await world.run(until=lambda: world.cluster.job(KEY) is None) <= 61


@each_refusal
async def test_pods_that_may_not_be_deleted_do_not_hold_up_a_success(refusal: ApiError) -> None:
    """A policy protects Pods: the run ends with its outcome, and its condition names the Pod."""
    world = World()
    world.create()
    world.cluster.hooks.fail(translate(refusal), "stop")
    await world.run(until=lambda: world.job.status.at in TERMINAL, within=600)
    assert world.job.status.phase == "Succeeded"
    name = world.cluster.attempts()[0][1].name

    def ready() -> Condition:
        found = world.job.status.condition("Ready")
        assert found
        return found

    await world.run(until=lambda: name in ready().message, within=600)
    assert ready().status == "True"
    assert refusal.message in ready().message
    assert world.staged() == []


@each_refusal
async def test_pods_that_may_not_be_deleted_do_not_hold_up_a_failure(refusal: ApiError) -> None:
    """The code is that of the first cause, not of what was refused afterwards."""
    world = World(script=badly(CRASHED))
    world.create(retention={"pods": "Never"})
    world.cluster.hooks.fail(translate(refusal), "stop")
    await world.run(within=6000)
    assert world.error() == "JOB_005/Crashed"


@each_refusal
async def test_a_live_pod_that_may_not_be_deleted_does_not_hold_up_a_cancelled_run(refusal: ApiError) -> None:
    """It may run on until its own deadline; the run is cancelled within the cleaning budget."""
    world = World(script=well(run=100_000))
    world.create()
    await world.run(until=lambda: world.job.status.phase == "Running")
    world.cluster.hooks.fail(translate(refusal), "stop")
    world.cluster.edit(KEY, cancelRunID="1")
    assert await world.run(until=lambda: world.job.status.phase == "Cancelled") <= 61
    await world.run()
    ready = world.job.status.condition("Ready")
    assert ready
    assert "could not be deleted" in ready.message
    assert world.staged() == []


@each_refusal
async def test_a_live_pod_that_may_not_be_deleted_does_not_hold_up_a_deletion(refusal: ApiError) -> None:
    """The ownerReference deletes it when the job is gone."""
    world = World(script=well(run=100_000))
    world.create()
    await world.run(until=lambda: world.job.status.phase == "Running")
    world.cluster.hooks.fail(translate(refusal), "stop")
    world.cluster.user_deletes(KEY)
    assert await world.run(until=lambda: world.cluster.job(KEY) is None) <= 61
    assert world.staged() == []


@each_refusal
async def test_a_live_pod_that_may_not_be_deleted_does_not_hold_up_the_next_run(refusal: ApiError) -> None:
    """A new run has other Pods; the old ones are not asked for without end."""
    world = World(script=idle)
    world.create(execution={"startDeadlineSeconds": 60})
    await world.run(until=lambda: bool(world.cluster.attempts()))
    world.cluster.hooks.fail(translate(refusal), "stop")
    world.cluster.script = well()
    world.cluster.edit(KEY, run={"id": "2"})
    await world.run(until=lambda: world.job.status.phase == "Succeeded", within=1000)


async def test_a_pod_that_may_not_be_deleted_is_not_asked_for_in_a_hurry() -> None:
    """An ended job with such a Pod must not keep the operator busy."""
    world = World(script=well(run=100_000))
    world.create()
    await world.run(until=lambda: world.job.status.phase == "Running")
    fault = world.cluster.hooks.fail(translate(REFUSALS["policy"]), "stop")
    world.cluster.edit(KEY, cancelRunID="1")
    await world.run(until=lambda: world.job.status.phase == "Cancelled")
    begun, calls = world.clock(), world.cluster.hooks.count("stop")
    await world.run(until=lambda: (world.clock() - begun).total_seconds() > 3600)
    assert 5 <= world.cluster.hooks.count("stop") - calls <= 40
    world.cluster.hooks.remove(fault)
    await world.run(until=lambda: not world.cluster.attempts(), within=600)
    await world.run(until=lambda: "could not be deleted" not in str(world.job.status.conditions), within=600)


async def test_a_finalizer_that_is_not_released_does_not_keep_pods_alive() -> None:
    """Pods of an ended run are stopped although the API server refuses to take the finalizer off."""
    world = World(script=well(run=100_000))
    world.create()
    await world.run(until=lambda: world.job.status.phase == "Running")
    world.cluster.edit(KEY, cancelRunID="1")
    stop = world.cluster.hooks.fail(translate(REFUSALS["broken"]), "stop")
    world.cluster.hooks.fail(translate(REFUSALS["policy"]), "remove_finalizer")
    await world.run(until=lambda: world.job.status.phase == "Cancelled")
    world.cluster.hooks.remove(stop)
    await world.run(until=lambda: not world.cluster.attempts(), within=3600)


async def test_an_event_is_recorded_after_the_status_and_once() -> None:
    """Nothing is announced that is not in the status."""
    world = World()
    seen: list[str] = []

    async def note(operation: str, about: str, done: bool) -> None:
        if operation == "announce" and not done:
            seen.append(world.job.status.phase)

    world.cluster.hooks.install(note)
    world.create()
    await world.run()
    assert seen == ["Succeeded"]


async def test_an_event_is_recorded_after_a_crash_behind_the_status() -> None:
    """The operator dies after the status was written: the next one records the Event, and only one."""
    world = World()
    world.create()
    await world.run(until=lambda: world.job.status.phase == "Succeeded")
    await world.restart()
    await world.run()
    assert [event.reason for event in world.cluster.events.values()] == ["Succeeded"]
    assert world.cluster.hooks.count("announce") == 1
