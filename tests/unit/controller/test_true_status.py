"""The status says what holds: a deletion and what it waits for, what was published, what is staged."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from fakes.build import NOW, SPEC, attempt, job, seen, status
from fakes.clock import START
from fakes.scripts import badly, never_running, well
from fakes.world import KEY, World
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.phase import TERMINAL, Phase
from imagejob_operator.decision.attempt import Problem, State
from imagejob_operator.decision.decide import decide
from imagejob_operator.ports.imagejobs import Rejected
from imagejob_operator.ports.object_store import StoreUnavailable

PHASES = ["Staging", "Launching", "Running", "Publishing"]
AWAY = StoreUnavailable("the store cannot be reached")


async def at(world: World, phase: str) -> None:
    await world.run(until=lambda: world.phase == phase)


def shown(world: World, kind: str = "Ready") -> tuple[str, str]:
    condition = world.job.status.condition(kind)
    assert condition
    return condition.reason, condition.message


@pytest.mark.parametrize("phase", PHASES)
async def test_a_deletion_is_a_phase_that_names_what_it_waits_for_and_until_when(phase: str) -> None:
    world = World()
    world.cluster.stop_seconds = 5
    world.create()
    await at(world, phase)
    world.store.hooks.fail(AWAY)
    world.cluster.user_deletes(KEY)
    deleted = world.clock()
    until = f"{deleted + timedelta(seconds=60):%H:%M:%S} UTC"
    await world.run(until=lambda: world.job.status.phase == "Deleting", within=0)
    reason, text = shown(world)
    assert reason == "Deleting"
    assert "its Pods are being deleted" in text or "the staging is being emptied" in text
    assert text.endswith(f"the finalizer is removed at {until} at the latest")
    await world.run(until=lambda: shown(world)[0] == "StoreUnavailable", within=10)
    _, text = shown(world, "Reconciling")
    assert text.startswith("the staging cannot be emptied: ")
    assert (str(AWAY) in text, until in text) == (True, True)
    writes = world.cluster.hooks.count("write_status")
    await world.run(until=lambda: world.cluster.job(KEY) is None)
    assert world.cluster.hooks.count("write_status") == writes, "nothing else became known"


def test_a_deletion_that_waits_for_pods_says_that_its_store_is_away() -> None:
    o = seen(job(status(Phase.RUNNING), deleted_at=NOW), attempt(State.RUNNING), now=NOW)
    decision = decide(replace(o, store_away="no answer within 2.5 s"))
    ready = decision.status.condition("Ready")
    assert ready
    assert (decision.status.phase, ready.reason) == ("Deleting", "StoreUnavailable")
    assert "no answer within 2.5 s" in ready.message


async def test_a_deletion_goes_on_in_the_next_process() -> None:
    world = World()
    world.cluster.stop_seconds = 5
    world.create()
    await at(world, "Running")
    world.cluster.user_deletes(KEY)
    await at(world, "Deleting")
    await world.restart()
    await world.run(until=lambda: world.cluster.job(KEY) is None, within=30)
    assert world.staged() == []


async def test_a_deletion_does_not_wait_for_a_status_that_is_rejected() -> None:
    world = World()
    world.create()
    await at(world, "Running")
    world.cluster.hooks.fail(Rejected("no"), "write_status")
    world.cluster.user_deletes(KEY)
    await world.run(until=lambda: world.cluster.job(KEY) is None, within=30)
    assert world.staged() == []
    assert world.operator.telemetry.deferrals == []


async def test_a_run_that_ended_just_before_its_deletion_has_its_event() -> None:
    world = World()
    world.create()
    await at(world, "Succeeded")
    world.cluster.user_deletes(KEY)
    await world.run(until=lambda: world.cluster.job(KEY) is None)
    assert [e.reason for e in world.cluster.events.values()] == ["Succeeded"]


async def test_a_deletion_of_a_job_that_has_nothing_to_clean_writes_nothing() -> None:
    world = World()
    world.create()
    await world.run()
    writes = world.cluster.hooks.count("write_status")
    world.cluster.user_deletes(KEY)
    await world.run(until=lambda: world.cluster.job(KEY) is None)
    assert world.cluster.hooks.count("write_status") == writes


async def test_a_failed_run_does_not_show_what_it_did_not_publish() -> None:
    world = World(script=well(failing=["uploads/a.jpg"]))
    world.create()
    await world.run()
    status = world.job.status
    assert status.items
    assert (status.phase, status.progress, status.staging) == ("Failed", "0/2", None)
    assert (status.items.succeeded, status.items.failed) == (1, 1)


async def test_pods_that_cannot_use_the_store_are_retried_after_growing_pauses_and_it_shows() -> None:
    world = World(script=badly(Problem(Reason.STORE_UNREACHABLE, "pod-1 could not use the store: 503")))
    world.create(execution={"itemsPerPod": 50, "retriesPerShard": 3})
    await at(world, "Running")
    await world.run(until=lambda: shown(world)[0] == "StoreUnreachable", within=30)
    assert shown(world)[1] == "pod-1 could not use the store: 503"
    await world.run()
    error = world.job.status.error
    assert error
    assert (error.code, error.reason, error.fault) == ("JOB_005", "StoreUnreachable", "Storage")
    assert world.clock() - START > timedelta(seconds=10 + 20 + 40)


async def test_a_namespace_that_is_admitted_within_the_grace_is_served() -> None:
    world = World(selector={"imagejob.dev/store": "default"})
    world.create()
    second = world.cluster.create("second", SPEC)
    await world.run(until=lambda: world.job.status.phase == "Pending")
    assert shown(world)[0] == "NotPermitted"
    await world.run(until=lambda: world.clock() > START + timedelta(seconds=60))
    asked = world.cluster.hooks.count("namespace")
    assert asked <= 2 * 60 / 5, "the jobs of a namespace ask once for all"
    world.cluster.namespaces["shop"] = {"imagejob.dev/store": "default"}
    await world.run()
    assert world.job.status.phase == "Succeeded"
    await world.run(until=lambda: getattr(world.cluster.job(second.key), "status", None).at in TERMINAL)


async def test_staging_is_in_the_status_while_it_is_not_empty() -> None:
    world = World()
    world.create(execution={"stagingDeadlineSeconds": 30})
    fault = world.store.hooks.fail(AWAY)
    await world.run(until=lambda: world.job.status.phase == "Failed")
    assert world.job.status.staging
    world.store.hooks.remove(fault)
    await world.run()
    assert world.job.status.staging is None


async def test_what_a_job_waits_for_is_a_reason_while_it_lasts() -> None:
    world = World(script=never_running(Problem(Reason.IMAGE_PULL_FAILED, "not found: " + "x" * 500)))
    world.create()
    await world.run(until=lambda: world.clock() > START + timedelta(seconds=30))
    reason, text = shown(world)
    assert (reason, len(text)) == ("ImagePullFailed", 120)
    assert "x" * 500 in shown(world, "Reconciling")[1]
