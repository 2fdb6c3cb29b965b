"""Whole runs on the fakes: what the user asked for, what went wrong, and what was left behind."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fakes.memory_cluster import idle
from fakes.scripts import (
    CRASHED,
    DISRUPTED,
    NEVER_RAN,
    badly,
    by_shard,
    in_turn,
    never_running,
    well,
    with_garbage,
)
from fakes.world import KEY, World
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.phase import COMPENSATING, Phase
from imagejob_operator.decision.attempt import Problem, State
from imagejob_operator.documents.report import read_report
from imagejob_operator.naming.prefixes import report_key
from imagejob_operator.ports.imagejobs import Conflict, InvalidObject, Rejected, Unavailable
from imagejob_operator.ports.object_store import BucketMissing, StoreDenied, StoreUnavailable

HAPPY = ["Staging", "Launching", "Running", "Succeeded"]
"""The phases that are written: publishing takes less than a second."""
AWAY = StoreUnavailable("the store cannot be reached")


def report(world: World) -> dict[str, object]:
    found: dict[str, object] = json.loads(world.store.objects[world.job.status.report].data)
    return found


async def test_a_job_goes_all_the_way() -> None:
    world = World()
    world.create()
    await world.run()
    status = world.job.status
    assert world.phases == HAPPY
    assert status.error is None
    assert world.staged() == []
    assert world.store.keys("shop/catalog/") == [
        "shop/catalog/uploads/a-web.webp",
        "shop/catalog/uploads/b-web.webp",
    ]
    assert world.cluster.attempts() == [], "Pods of a run that succeeded go"
    assert (status.progress, status.items and status.items.succeeded) == ("2/2", 2)
    assert status.outputs
    assert (status.outputs.objects, status.outputs.bytes) == (2, len(b"aaawebbbweb"))
    cleaned = status.condition("StagingCleaned")
    assert cleaned
    assert cleaned.status == "True"
    assert [e.reason for e in world.cluster.events.values()] == ["Succeeded"]


async def test_outputs_carry_their_type_and_their_run() -> None:
    world = World()
    world.create()
    await world.run()
    run = world.job.status.run
    assert run
    blob = world.store.objects["shop/catalog/uploads/a-web.webp"]
    assert blob.headers.content_type == "image/webp"
    metadata = blob.headers.metadata
    assert sorted(metadata) == ["imagejob-content", "imagejob-image", "imagejob-job", "imagejob-run"]
    assert metadata["imagejob-run"] == run.uid
    output = report(world)["items"][0]["outputs"][0]
    assert metadata["imagejob-content"] == output["content"]
    assert metadata["imagejob-image"] == f"1x1/6/{output['sha256']}"
    assert output["etag"] == blob.etag
    assert report(world)["outcome"] == "Succeeded"


@pytest.mark.parametrize(("run", "most"), [(0.5, 9), (3, 10)])
async def test_writes_of_a_job_of_one_shard(run: float, most: int) -> None:
    world = World(script=well(run=run))
    world.create(execution={"itemsPerPod": 50})
    await world.run()
    reads = ("namespace", "whole")
    writes = [verb for verb, _ in world.cluster.hooks.calls if verb not in reads]
    assert writes == [
        "add_finalizer",
        "write_status",
        "write_status",
        "launch",
        "deliver",
        *["write_status"] * (most - 8),
        "stop",
        "announce",
        "remove_finalizer",
    ]


def publishing_for(seconds: float) -> World:
    """The copies of the outputs take so long."""
    world = World(script=well(run=0.2))

    async def copied(operation: str, about: str, done: bool) -> None:
        if operation == "copy" and "catalog" in about and not done:
            world.clock.advance(seconds)

    world.store.hooks.install(copied)
    world.create(execution={"itemsPerPod": 50})
    return world


async def test_a_phase_that_lasts_longer_than_a_second_is_written() -> None:
    world = World(script=well(run=1.5))
    world.create(execution={"itemsPerPod": 50})
    begun = world.clock()
    await world.run(until=lambda: world.job.status.phase == "Running")
    assert 1 <= (world.clock() - begun).total_seconds() <= 3
    world = publishing_for(0.1)
    await world.run()
    assert world.phases == ["Staging", "Launching", "Succeeded"]


async def test_phases_that_were_not_written_are_counted() -> None:
    world = publishing_for(0.1)
    await world.run()
    assert [(b, a) for b, a in world.operator.telemetry.moves] == [
        ("", "Staging"),
        ("Staging", "Launching"),
        ("Launching", "Running"),
        ("Running", "Publishing"),
        ("Publishing", "Succeeded"),
    ]


async def published_by(world: World) -> None:
    """The run is published, and its status does not even say that it is publishing."""
    await world.run(until=lambda: any(key.startswith(".imagejob/") for key in world.store.objects))
    await world.run(until=lambda: not world.operator.running_operations())
    assert world.job.status.phase == "Launching"


@pytest.mark.parametrize("error", [Conflict("changed"), Unavailable("away")])
async def test_a_status_that_cannot_be_written_does_not_repeat_the_publishing(error: Exception) -> None:
    world = publishing_for(0.1)
    await published_by(world)
    world.cluster.hooks.fail(error, "write_status", times=2)
    calls = len(world.store.hooks.calls)
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert world.store.hooks.calls[calls:] == []
    assert [after for _, after in world.operator.telemetry.moves].count("Publishing") == 1
    assert len(world.operator.reconciler.statuses) == 0


async def test_a_run_that_was_published_unseen_has_succeeded_also_without_its_pods() -> None:
    world = publishing_for(0.1)
    await published_by(world)
    for _, attempt in world.cluster.attempts():
        world.cluster.take_away(KEY.namespace, attempt.name)
    await world.restart()
    await world.run(within=10)
    assert world.phases == ["Staging", "Launching", "Succeeded"]
    status = world.job.status
    assert status.items
    assert (status.items.succeeded, status.outputs and status.outputs.objects) == (2, 2)
    assert world.cluster.hooks.count("launch") == 1
    assert world.staged() == []


@pytest.mark.parametrize(
    ("world", "spec", "most"),
    [
        (World, {}, 40),
        # Two for each reading of the progress, every five seconds.
        (lambda: World(script=well(run=3000)), {}, 1250),
        (lambda: World(script=never_running(Problem(Reason.UNSCHEDULABLE, "0/3 nodes"))), {}, 60),
        (lambda: World(script=idle), {"execution": {"startDeadlineSeconds": 3000}}, 60),
    ],
    ids=["happy", "runs-for-long", "waits-for-a-node", "waits-for-long"],
)
async def test_waiting_costs_little(world: Callable[[], World], spec: dict[str, Any], most: int) -> None:
    made = world()
    made.create(**spec)
    await made.run()
    assert len(made.operator.telemetry.reconciles) <= most
    assert made.cluster.hooks.count("write_status") <= 8


async def test_nothing_more_happens_after_the_end() -> None:
    world = World()
    world.create()
    await world.run()
    calls = len(world.cluster.hooks.calls)
    world.cluster.touch(KEY)
    await world.run(until=lambda: not world.operator.queue.ready)
    assert len(world.cluster.hooks.calls) == calls


async def test_parallelism_is_kept() -> None:
    world = World(sources={f"uploads/{i}.jpg": b"x" for i in range(9)})
    most = 0

    def look() -> bool:
        nonlocal most
        most = max(most, sum(a.live for _, a in world.cluster.attempts()))
        return world.ended()

    world.create(
        source={"keys": [f"uploads/{i}.jpg" for i in range(9)]},
        execution={"itemsPerPod": 1, "parallelism": 3},
    )
    await world.run(until=look)
    assert most == 3
    assert world.job.status.phase == "Succeeded"


# --- failures come to their exact code, and leave nothing behind -------------------------------------------


async def failed_run(world: World) -> str:
    await world.run()
    assert world.job.status.phase in ("Failed", "Cancelled")
    assert world.staged() == []
    assert not any(a.live for _, a in world.cluster.attempts())
    if world.job.status.report:
        assert report(world)["outcome"] == world.job.status.phase
    warnings = [e for e in world.cluster.events.values() if e.warning]
    assert len(warnings) == (1 if world.job.status.phase == "Failed" else 0)
    return world.error()


async def test_a_missing_source_fails_before_anything_is_launched() -> None:
    world = World(sources={"uploads/a.jpg": b"a"})
    world.create()
    assert await failed_run(world) == "JOB_002/SourceNotFound"
    error = world.job.status.error
    assert error
    assert "uploads/b.png" in error.message
    assert world.cluster.hooks.count("launch") == 0


async def test_a_store_that_comes_back_is_waited_for() -> None:
    world = World()
    world.create()
    fault = world.store.hooks.fail(AWAY)
    begun = world.clock()
    await world.run(until=lambda: (world.clock() - begun).seconds > 100)
    ready = world.job.status.condition("Ready")
    assert ready
    assert "cannot be reached" in ready.message, "it is shown while it lasts"
    world.store.hooks.remove(fault)
    await world.run()
    assert world.job.status.phase == "Succeeded"


async def test_a_store_that_stays_away_fails_the_staging_at_its_deadline() -> None:
    world = World()
    world.create(execution={"stagingDeadlineSeconds": 90})
    world.store.hooks.fail(AWAY)
    waited = await world.run(until=lambda: world.job.status.phase == "Failing")
    assert waited == 90
    assert world.error() == "JOB_002/StoreUnavailable"
    assert await world.run(until=lambda: world.job.status.phase == "Failed") <= 60
    cleaned = world.job.status.condition("StagingCleaned")
    assert cleaned
    assert (cleaned.status, cleaned.reason) == ("False", "Deferred")
    assert world.job.guarded, "the finalizer stays while staging may hold something"


async def test_deferred_cleaning_is_made_up_for_when_the_store_is_back() -> None:
    world = World()
    world.create(execution={"stagingDeadlineSeconds": 90})
    fault = world.store.hooks.fail(AWAY)
    await world.run(until=lambda: world.job.status.phase == "Failed")
    world.store.hooks.remove(fault)
    assert await world.run() <= 600
    cleaned = world.job.status.condition("StagingCleaned")
    assert cleaned
    assert cleaned.status == "True"


@pytest.mark.parametrize("outcome", ["Failed", "Cancelled"])
async def test_a_deferred_report_is_written_before_its_staging_is_cleaned(outcome: str) -> None:
    world = World(script=well(failing=["uploads/a.jpg"]))
    world.create()
    if outcome == "Cancelled":
        await world.run(until=lambda: world.job.status.phase == "Running")
        world.cluster.edit(KEY, cancelRunID="1")
    await world.run(until=lambda: world.job.status.at in COMPENSATING)
    fault = world.store.hooks.fail(AWAY)
    await world.run(until=lambda: world.job.status.phase == outcome)
    assert world.job.status.report == "", "it is not known whether it exists"
    world.store.hooks.remove(fault)
    await world.run()
    report = read_report(world.store.objects[world.job.status.report].data)
    assert report.outcome == outcome
    assert [item.source for item in report.items] == ["uploads/a.jpg", "uploads/b.png"]
    assert world.staged() == []


async def test_a_quota_is_waited_for_until_the_start_deadline() -> None:
    world = World()
    world.create(execution={"startDeadlineSeconds": 120})
    world.cluster.refusals = {s: Problem(Reason.QUOTA_EXCEEDED, "exceeded quota: pods") for s in range(9)}
    assert await failed_run(world) == "JOB_003/QuotaExceeded"
    error = world.job.status.error
    assert error
    assert "exceeded quota: pods" in error.message
    assert "2m0s of 2m0s start deadline" in error.message
    assert world.cluster.hooks.count("launch") < 40, "a refused launch is not repeated in a hurry"


async def test_a_quota_that_is_raised_in_time_is_no_failure() -> None:
    world = World()
    world.create()
    world.cluster.refusals = {0: Problem(Reason.QUOTA_EXCEEDED, "exceeded quota")}
    await world.run(until=lambda: world.cluster.hooks.count("launch") > 3)
    world.cluster.refusals = {}
    await world.run()
    assert world.job.status.phase == "Succeeded"


async def test_a_refused_order_is_not_delivered_in_a_hurry_and_fails_at_the_start_deadline() -> None:
    world = World()
    world.create(execution={"startDeadlineSeconds": 120, "itemsPerPod": 50})
    world.cluster.refused_orders = Problem(Reason.QUOTA_EXCEEDED, "exceeded quota: secrets")
    assert (await failed_run(world)).startswith("JOB_003/")
    assert world.cluster.hooks.count("deliver") < 40


async def test_failed_items_fail_the_run() -> None:
    world = World(script=well(failing=["uploads/a.jpg"]))
    world.create()
    assert await failed_run(world) == "JOB_005/ItemsFailed"
    assert [f.item for f in world.job.status.failures] == ["uploads/a.jpg"]
    assert world.store.keys("shop/catalog/") == [], "nothing is visible of a run that failed"
    items = report(world)["items"]
    assert isinstance(items, list)
    assert [bool(item.get("error")) for item in items] == [True, False]


async def test_tolerated_failures_do_not() -> None:
    world = World(script=well(failing=["uploads/a.jpg"]))
    world.create(failurePolicy={"maxFailedItems": "50%"})
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert world.job.status.items
    assert world.job.status.items.failed == 1
    assert world.job.status.run
    assert world.job.status.run.outcome == "SucceededWithFailures"
    assert [(e.warning, e.reason) for e in world.cluster.events.values()] == [
        (False, "SucceededWithFailures")
    ]
    assert world.store.keys("shop/catalog/") == ["shop/catalog/uploads/b-web.webp"]


async def test_a_crashing_shard_is_tried_again_as_often_as_was_asked() -> None:
    world = World(script=badly(CRASHED))
    world.create(execution={"retriesPerShard": 2, "itemsPerPod": 50})
    assert await failed_run(world) == "JOB_005/Crashed"
    assert world.cluster.hooks.count("launch") == 3
    assert len(world.cluster.attempts()) == 1, "the last failed Pod stays for its logs"


async def test_a_shard_rests_before_it_is_tried_again_and_longer_each_time() -> None:
    world = World(script=badly(CRASHED))
    moments: list[float] = []

    async def note(operation: str, about: str, done: bool) -> None:
        if operation == "launch" and not done:
            moments.append(world.clock().timestamp())

    world.cluster.hooks.install(note)
    world.create(execution={"retriesPerShard": 3, "itemsPerPod": 50})
    assert await failed_run(world) == "JOB_005/Crashed"
    ran = 2
    assert [round(b - a - ran) for a, b in itertools.pairwise(moments)] == [1, 2, 4]


async def test_a_container_that_cannot_be_started_is_a_failure_to_launch() -> None:
    world = World(script=badly(NEVER_RAN, ran=False))
    world.create(execution={"retriesPerShard": 1, "itemsPerPod": 50})
    assert await failed_run(world) == "JOB_003/ConfigError"
    assert world.cluster.hooks.count("launch") == 2


async def test_once_a_pod_has_run_it_is_a_failure_to_process() -> None:
    world = World(script=by_shard({0: well()}, badly(NEVER_RAN, ran=False)))
    world.create(execution={"retriesPerShard": 0, "itemsPerPod": 1, "parallelism": 1})
    assert await failed_run(world) == "JOB_005/Crashed"


async def test_what_the_cluster_says_of_a_silent_pod_is_the_evidence() -> None:
    world = World(script=idle)
    world.create(execution={"startDeadlineSeconds": 100, "itemsPerPod": 50})
    await world.run(until=lambda: bool(world.cluster.attempts()))
    name = world.cluster.attempts()[0][1].name
    world.cluster.remarks[name] = "FailedCreatePodSandBox: no runtime of this name"
    assert await failed_run(world) == "JOB_003/StartDeadlineExceeded"
    assert world.job.status.error
    assert world.job.status.error.message.startswith("FailedCreatePodSandBox: no runtime of this name (pod ")
    assert world.cluster.hooks.count("remark") == 4, "at 10, 20, 40 and 80 s"


async def test_a_retry_may_succeed() -> None:
    world = World(script=in_turn(badly(CRASHED), well()))
    world.create()
    await world.run()
    assert world.job.status.phase == "Succeeded"


async def test_disruptions_are_not_counted() -> None:
    world = World(script=in_turn(*[badly(DISRUPTED)] * 5, well()))
    world.create(execution={"retriesPerShard": 0, "itemsPerPod": 50})
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert world.job.status.run
    assert world.job.status.run.shards
    assert world.job.status.run.shards.attempts == "0=1+5"


async def test_a_lost_shard_may_be_tolerated() -> None:
    world = World(script=by_shard({0: badly(CRASHED)}, well()))
    world.create(execution={"itemsPerPod": 1, "retriesPerShard": 0}, failurePolicy={"maxFailedItems": 1})
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert world.store.keys("shop/catalog/") == ["shop/catalog/uploads/b-web.webp"]


async def test_a_lost_shard_stays_lost_when_its_last_pod_is_deleted() -> None:
    world = World(script=by_shard({0: badly(CRASHED)}, well(run=50)))
    world.create(execution={"itemsPerPod": 1, "retriesPerShard": 0}, failurePolicy={"maxFailedItems": 1})
    await world.run(until=lambda: "x" in attempts_of(world))
    lost = next(a.name for _, a in world.cluster.attempts() if a.shard == 0)
    world.cluster.take_away("shop", lost)
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert attempts_of(world) == "0=1x,1=1"
    assert world.cluster.hooks.count("launch") == 2


def attempts_of(world: World) -> str:
    run = world.job.status.run
    return run.shards.attempts if run and run.shards else ""


async def test_a_pod_that_is_gone_is_a_disruption() -> None:
    world = World(script=well(run=50))
    world.create(execution={"itemsPerPod": 50, "retriesPerShard": 0})
    await world.run(until=lambda: world.job.status.phase == "Running")
    name = world.cluster.attempts()[0][1].name
    world.cluster.take_away("shop", name)
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert attempts_of(world) == "0=1+1"
    assert world.cluster.hooks.count("launch") == 2


async def test_a_crash_counts_even_if_its_pod_is_gone_before_anybody_looked() -> None:
    world = World(script=badly(CRASHED, run=50))
    world.create(execution={"itemsPerPod": 50, "retriesPerShard": 0})
    await world.run(until=lambda: world.job.status.phase == "Running")
    world.clock.advance(60)
    world.cluster.play()
    world.cluster.take_away("shop", world.cluster.attempts()[0][1].name)
    assert await failed_run(world) == "JOB_005/Crashed"
    assert world.cluster.hooks.count("launch") == 1


async def test_a_pod_that_is_gone_after_its_work_is_not() -> None:
    world = World()
    world.create(execution={"itemsPerPod": 50})
    await world.run(until=lambda: any(a.state is State.RUNNING for _, a in world.cluster.attempts()))
    quiet, world.cluster.on_attempt = world.cluster.on_attempt, lambda *seen: None
    world.clock.advance(10)
    world.cluster.play()  # it ends, unseen
    world.cluster.on_attempt = quiet
    world.cluster.take_away("shop", world.cluster.attempts()[0][1].name)
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert world.cluster.hooks.count("launch") == 1


async def test_pods_that_are_killed_again_and_again_fail_their_shard_after_a_backoff() -> None:
    world = World(script=idle)
    world.create(execution={"itemsPerPod": 50, "activeDeadlineSeconds": 600})

    def kill() -> bool:
        for _, attempt in world.cluster.attempts():
            world.cluster.take_away("shop", attempt.name)
        return world.ended()

    begun = world.clock()
    await world.run(until=kill)
    assert world.error() == "JOB_005/NodeLost"
    assert world.cluster.hooks.count("launch") == 11
    assert (world.clock() - begun).total_seconds() > 60


async def test_a_result_that_is_garbage_is_judged_and_not_stumbled_over() -> None:
    world = World(script=lambda shard, number: (replace(well()(0, 1)[1], work=with_garbage),))
    world.create(execution={"itemsPerPod": 50})
    await at(world, "Launching")
    quiet, world.cluster.on_attempt = world.cluster.on_attempt, lambda *seen: None
    await world.run(until=lambda: any("/results/" in key for key in world.staged()))
    world.cluster.on_attempt = quiet
    for _, attempt in world.cluster.attempts():
        world.cluster.take_away("shop", attempt.name)
    assert await failed_run(world) == "JOB_005/ResultsInvalid"


async def test_a_store_that_fails_while_results_are_read_is_retried_within_the_window() -> None:
    world = World()
    world.create(execution={"stagingDeadlineSeconds": 60})
    world.store.hooks.fail(StoreUnavailable("away"), "list", about="/out/")
    await at(world, "Publishing")
    begun = world.clock()
    await at(world, "Failing")
    assert world.error() == "JOB_007/StoreUnavailable"
    assert 60 <= (world.clock() - begun).total_seconds() < 90
    assert world.store.keys("shop/catalog/") == []


# --- the commit --------------------------------------------------------------------------------------------


async def test_a_report_whose_answer_was_lost_is_a_success() -> None:
    world = World()
    world.create()
    world.store.hooks.fail(AWAY, "put_if_absent", times=1, lost_answer=True)
    await world.run()
    assert world.job.status.phase == "Succeeded"


async def test_a_committed_run_is_a_success_even_if_the_deadline_has_passed_since() -> None:
    world = World()
    world.create(execution={"activeDeadlineSeconds": 60})
    await world.run(until=lambda: any(key.startswith(".imagejob/") for key in world.store.objects))
    assert world.phase == "Publishing"
    world.clock.advance(1000)  # the operator was away
    await world.restart()
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert world.staged() == []


async def test_a_deadline_before_the_commit_is_a_failure() -> None:
    world = World()
    world.create(execution={"activeDeadlineSeconds": 60})
    await world.run(until=lambda: world.phase == "Publishing")
    world.clock.advance(1000)
    assert await failed_run(world) == "JOB_006/DeadlineExceeded"


async def test_something_else_at_the_reports_key_is_never_a_success() -> None:
    world = World()
    job = world.create()
    await world.run(until=lambda: world.job.status.phase == "Staging")
    run = world.job.status.run
    assert run
    world.store.set(report_key("shop", "spring", job.uid, 1, run.uid), b"not a report")
    await world.run()
    assert world.error() == "JOB_007/DestinationDenied"


async def test_a_destination_that_is_denied_is_named() -> None:
    world = World()
    world.create()
    world.store.hooks.fail(StoreDenied("AccessDenied: no"), "copy", about="shop/catalog/")
    assert await failed_run(world) == "JOB_007/DestinationDenied"
    error = world.job.status.error
    assert error
    assert "catalog/uploads/a-web.webp" in error.message or "catalog/uploads/b-web.webp" in error.message


# --- deletion, restart, cancellation in each phase ---------------------------------------------------------

PHASES = ["Staging", "Launching", "Running", "Publishing"]


async def at(world: World, phase: str) -> None:
    await world.run(until=lambda: world.phase == phase)


@pytest.mark.parametrize("phase", [*PHASES, "Succeeded"])
async def test_a_delete_finishes_and_leaves_nothing(phase: str) -> None:
    world = World()
    world.cluster.stop_seconds = 5
    world.create()
    await at(world, phase)
    world.cluster.user_deletes(KEY)
    assert await world.run(until=lambda: world.cluster.job(KEY) is None, within=60) <= 60
    assert world.staged() == []


async def test_what_was_deleted_while_no_operator_ran_is_still_cleaned() -> None:
    world = World()
    world.create()
    await world.run(until=lambda: world.job.status.phase == "Running")
    world.cluster.user_deletes(KEY)
    world.clock.advance(600)
    await world.restart()
    await world.run(until=lambda: world.cluster.job(KEY) is None, within=11)
    assert world.staged() == []
    assert world.operator.telemetry.deferrals == []


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (AWAY, Reason.STORE_UNAVAILABLE),
        (BucketMissing("NoSuchBucket"), Reason.BUCKET_NOT_FOUND),
        (StoreDenied("InvalidAccessKeyId"), Reason.ACCESS_DENIED),
    ],
    ids=["down", "bucket", "keys"],
)
async def test_a_delete_finishes_within_the_budget_whatever_the_store_says(
    phase: str, error: Exception, reason: Reason
) -> None:
    world = World()
    world.create()
    await at(world, phase)
    world.store.hooks.fail(error)
    world.cluster.user_deletes(KEY)
    assert await world.run(until=lambda: world.cluster.job(KEY) is None) == 60
    assert world.operator.telemetry.deferrals == [reason]
    assert "CleaningDeferred" in {e.reason for e in world.cluster.events.values()}


async def test_a_delete_before_the_first_turn_is_let_be() -> None:
    world = World()
    world.create()
    world.cluster.user_deletes(KEY)
    await world.run(until=lambda: world.cluster.job(KEY) is None)


async def test_a_stranger_s_finalizer_does_not_keep_ours() -> None:
    world = World()
    world.create()
    await at(world, "Running")
    world.cluster.add_stranger(KEY)
    world.cluster.user_deletes(KEY)
    await world.run(until=lambda: not world.job.guarded)
    assert world.staged() == []


async def test_a_job_of_the_same_name_is_another_one() -> None:
    world = World()
    first = world.create()
    await at(world, "Running")
    world.cluster.user_deletes(KEY)
    await world.run(until=lambda: world.cluster.job(KEY) is None)
    second = world.create()
    await world.run()
    assert world.job.uid == second.uid != first.uid
    assert world.job.status.phase == "Succeeded"


@pytest.mark.parametrize("phase", ["Pending", *PHASES, "Failing", "Succeeded"])
async def test_an_operator_that_is_started_again_goes_on(phase: str) -> None:
    world = World(script=well(failing=["uploads/a.jpg"])) if phase == "Failing" else World()
    world.create()
    if phase != "Pending":
        await at(world, phase)
    await world.restart()
    await world.run()
    assert world.job.status.phase == ("Failed" if phase == "Failing" else "Succeeded")
    assert world.staged() == []
    assert world.job.status.run
    assert world.job.status.run.number == 1


@pytest.mark.parametrize("phase", PHASES)
async def test_a_new_run_takes_over(phase: str) -> None:
    world = World()
    world.create()
    await at(world, phase)
    world.cluster.edit(KEY, run={"id": "2"}, destination={"prefix": "second/"})
    await world.run(until=lambda: world.job.status.phase == "Succeeded" and not world.job.guarded)
    run = world.job.status.run
    assert run
    assert (run.id, run.number) == ("2", 2)
    assert "Superseded" in {e.reason for e in world.cluster.events.values()}
    assert world.store.keys("shop/catalog/") == []
    assert len(world.store.keys("shop/second/")) == 2
    assert world.staged() == []


async def test_a_run_superseded_by_a_spec_with_collisions_is_still_cleaned() -> None:
    world = World()
    world.create()
    await at(world, "Running")
    world.cluster.edit(KEY, run={"id": "2"}, destination={"keyTemplate": "same"})
    await world.run(until=lambda: world.job.status.phase == "Failed" and not world.job.guarded)
    assert world.error() == "JOB_001/KeyCollision"
    assert world.staged() == []


async def test_a_finished_job_runs_again_with_a_new_id_and_only_then() -> None:
    world = World()
    world.create()
    await world.run()
    world.cluster.edit(KEY, retention={"ttlSecondsAfterFinished": 5000})
    await world.run(until=lambda: not world.operator.queue.ready)
    assert world.job.status.phase == "Succeeded"
    world.cluster.edit(KEY, run={"id": "again"})
    await world.run(until=lambda: world.job.status.phase == "Staging")
    await world.run()
    assert world.job.status.run
    assert world.job.status.run.number == 2


async def test_the_last_five_runs_are_remembered() -> None:
    world = World(script=well(failing=["uploads/a.jpg"]))
    world.create()
    await world.run()
    for number in range(2, 9):
        world.cluster.edit(KEY, run={"id": f"r{number}"})
        await world.run(until=lambda number=number: number_of(world) == number and world.ended())  # type: ignore[misc]
    history = world.job.status.history
    assert [past.id for past in history] == ["r7", "r6", "r5", "r4", "r3"]
    assert {(past.phase, past.code, past.reason) for past in history} == {
        ("Failed", "JOB_005", "ItemsFailed")
    }
    assert all(past.report in world.store.objects for past in history)
    assert [past.items and past.items.failed for past in history] == [1] * 5


def number_of(world: World) -> int:
    run = world.job.status.run
    return run.number if run else 0


async def test_a_corrected_spec_runs() -> None:
    world = World()
    world.create(renditions=[])
    await world.run()
    assert world.error() == "JOB_001/InvalidSpec"
    world.cluster.edit(KEY, **{"renditions": [{"name": "web", "output": {"format": "WebP"}}]})
    await world.run(until=lambda: world.job.status.phase == "Succeeded")


async def test_a_refused_finalizer_is_reported_to_the_job() -> None:
    world = World()
    world.create()
    world.cluster.hooks.fail(InvalidObject("spec.renditions: Too many: 33"), "add_finalizer")
    await world.run(until=lambda: world.job.status.phase == "Failed")
    assert world.error() == "JOB_001/InvalidSpec"
    assert world.job.status.error
    assert "Too many: 33" in world.job.status.error.message
    assert world.staged() == []


async def test_a_collision_found_in_the_listing_takes_the_acceptance_back() -> None:
    world = World()
    world.create(destination={"keyTemplate": "one"})
    await world.run()
    accepted = world.job.status.condition("Accepted")
    assert accepted
    assert (accepted.status, accepted.reason) == ("False", "KeyCollision")


# --- writes that do not go through -------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ["Pending", *PHASES])
async def test_a_conflict_is_a_later_turn(phase: str) -> None:
    world = World()
    world.create()
    if phase != "Pending":
        await at(world, phase)
    world.cluster.touch(KEY)
    world.cluster.hooks.fail(Conflict("changed"), "write_status", times=2)
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert world.operator.telemetry.reconciles.count("conflict") == 2


async def test_a_refused_status_is_reported_in_short() -> None:
    world = World()
    world.create()
    world.cluster.hooks.fail(Rejected("status.failures: Too long"), "write_status", times=1)
    await world.run()
    assert world.job.status.phase == "Succeeded"


async def test_a_status_that_stays_refused_is_our_fault_and_no_verdict() -> None:
    world = World()
    world.create()
    fault = world.cluster.hooks.fail(Rejected("no"), "write_status")
    await world.run(until=lambda: world.operator.telemetry.reconciles.count("error") >= 3)
    assert world.job.status.phase == ""
    world.cluster.hooks.remove(fault)
    await world.run()
    assert world.job.status.phase == "Succeeded"


@pytest.mark.parametrize(
    "operation", ["namespace", "add_finalizer", "write_status", "announce", "stop", "remove_finalizer"]
)
@pytest.mark.parametrize("lost_answer", [False, True], ids=["refused", "answer-lost"])
async def test_an_api_server_that_is_away_for_a_while_delays_and_nothing_more(
    operation: str, lost_answer: bool
) -> None:
    world = World()
    world.create()
    world.cluster.hooks.fail(Unavailable("503", retry_after=7), operation, times=3, lost_answer=lost_answer)
    await world.run()
    assert world.job.status.phase == "Succeeded"
    assert world.staged() == []


async def test_a_job_that_vanished_unseen_is_forgotten() -> None:
    world = World()
    world.create()
    await at(world, "Running")
    world.cluster.on_job = lambda kind, job: None  # the watch missed it
    world.cluster.vanish(KEY)
    await world.run(until=lambda: world.operator.cache.job(KEY) is None)


# --- the retention -----------------------------------------------------------------------------------------


async def test_after_its_retention_a_job_is_compacted() -> None:
    world = World(script=well(failing=["uploads/a.jpg"]))
    world.create(retention={"ttlSecondsAfterFinished": 100})
    await world.run()
    assert world.job.status.failures
    assert await world.run(until=lambda: not world.job.status.failures) <= 101
    assert world.job.status.phase == "Failed"
    assert world.job.status.staging is None
    assert world.job.status.report
    assert world.cluster.attempts() == []


async def test_a_deferred_cleaning_does_not_delay_retention() -> None:
    world = World()
    world.create(
        execution={"stagingDeadlineSeconds": 30},
        retention={"ttlSecondsAfterFinished": 100, "policy": "Delete"},
    )
    world.store.hooks.fail(AWAY)
    await world.run(until=lambda: world.job.status.phase == "Failed")
    waited = await world.run(until=lambda: world.cluster.job(KEY) is None)
    assert waited <= 100 + 60 + 10, "the retention, then the cleaning budget of a deletion"


async def test_after_its_retention_a_job_is_deleted() -> None:
    world = World()
    world.create(retention={"ttlSecondsAfterFinished": 100, "policy": "Delete"})
    waited = await world.run(until=lambda: world.cluster.job(KEY) is None)
    assert 100 <= waited <= 110


async def test_a_retention_of_nothing_deletes_without_a_conflict() -> None:
    world = World()
    world.create(retention={"ttlSecondsAfterFinished": 0, "policy": "Delete"})
    await world.run(until=lambda: world.cluster.job(KEY) is None)
    assert world.staged() == []
    assert "conflict" not in world.operator.telemetry.reconciles


@pytest.mark.parametrize(("keep", "left"), [("Always", 3), ("OnFailure", 1), ("Never", 0)])
async def test_pods_are_kept_as_the_retention_says(keep: str, left: int) -> None:
    world = World(script=badly(CRASHED))
    world.create(execution={"itemsPerPod": 50}, retention={"pods": keep})
    await world.run()
    assert len(world.cluster.attempts()) == left


@pytest.mark.parametrize("phase", [Phase.RUNNING], ids=str)
async def test_a_pod_that_never_starts_fails_its_run(phase: Phase) -> None:
    world = World(script=never_running(Problem(Reason.IMAGE_PULL_FAILED, "not found")))
    world.create()
    assert await failed_run(world) == "JOB_003/ImagePullFailed"
