"""What every implementation of Jobs and every launcher must do, one check for each promise of their ports."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Protocol

import msgspec
import pytest

from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.imagejob import ImageJob, Key, attempt_name
from imagejob_operator.api.spec import Spec
from imagejob_operator.api.status import (
    FailedItem,
    ItemCounts,
    RunPlace,
    RunStatus,
    ShardStatus,
    Status,
    error_status,
)
from imagejob_operator.decision.action import RecordEvent
from imagejob_operator.decision.attempt import Attempt, State
from imagejob_operator.ports.imagejobs import Conflict, Gone, Jobs
from imagejob_operator.ports.launcher import Launcher, Refused

STRANGER = "example.com/stranger"
MOMENT = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)

_numbers = itertools.count()


class Bench(Protocol):
    """A cluster, and what users and administrators do in it."""

    jobs: Jobs
    launcher: Launcher
    ends_by: datetime
    patience: float

    async def create(self, name: str) -> ImageJob: ...
    async def look(self, key: Key) -> ImageJob | None: ...
    async def touch(self, job: ImageJob) -> ImageJob: ...
    async def add_stranger(self, job: ImageJob) -> ImageJob: ...
    async def user_deletes(self, job: ImageJob) -> None: ...
    async def events(self, job: ImageJob) -> list[tuple[str, str]]:
        """Type and reason of each."""
        ...

    async def attempts(self, job: ImageJob) -> dict[str, str]:
        """The uid of each, by name."""
        ...

    async def occupy(self, job: ImageJob, shard: int, number: int) -> None: ...
    async def allow_no_pods(self) -> None: ...
    async def forbid_our_pods(self) -> None: ...
    async def say(self, attempt: Attempt, warning: bool, reason: str, message: str) -> None:
        """Something happens to an attempt, and the cluster says so."""
        ...

    async def orders(self, job: ImageJob) -> dict[str, str]:
        """The URL that each attempt was given, by name."""
        ...


Check = Callable[[Bench], Awaitable[None]]
CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    CHECKS[function.__name__] = function
    return function


def running(text: str = "Running") -> Status:
    shards = ShardStatus(2, attempts="0-1=1")
    return Status(
        observed_generation=1,
        phase=text,
        phase_since=MOMENT,
        run=RunStatus(id="1", number=1, epoch=1, started_at=MOMENT, shards=shards),
        items_per_shard=1,
        items=ItemCounts(2),
        progress="0/2",
    )


async def fresh(bench: Bench) -> ImageJob:
    return await bench.create(f"job-{next(_numbers)}")


async def started(bench: Bench) -> ImageJob:
    """A job that runs, read as for a launch."""
    return await bench.jobs.whole(await bench.jobs.write_status(await fresh(bench), running()))


# --- jobs --------------------------------------------------------------------------------------------------


@check
async def a_finalizer_is_put_on_and_taken_off(bench: Bench) -> None:
    job = await fresh(bench)
    guarded = await bench.jobs.add_finalizer(job)
    assert guarded.guarded
    assert guarded.resource_version != job.resource_version
    assert (guarded.uid, guarded.generation) == (job.uid, job.generation)
    free = await bench.jobs.remove_finalizer(guarded)
    assert free is not None
    assert not free.guarded


@check
async def a_finalizer_is_not_put_on_what_has_changed(bench: Bench) -> None:
    job = await fresh(bench)
    await bench.touch(job)
    with pytest.raises(Conflict):
        await bench.jobs.add_finalizer(job)


@check
async def a_stranger_s_finalizer_is_left_alone(bench: Bench) -> None:
    job = await bench.add_stranger(await fresh(bench))
    guarded = await bench.jobs.add_finalizer(job)
    assert (guarded.guarded, guarded.finalizer_count) == (True, 2)
    free = await bench.jobs.remove_finalizer(guarded)
    assert free is not None
    assert (free.guarded, free.finalizer_count) == (False, 1)


@check
async def a_finalizer_is_not_taken_off_what_has_changed(bench: Bench) -> None:
    guarded = await bench.jobs.add_finalizer(await fresh(bench))
    await bench.add_stranger(guarded)
    with pytest.raises(Conflict):
        await bench.jobs.remove_finalizer(guarded)


@check
async def a_finalizer_holds_a_deletion_until_it_is_off(bench: Bench) -> None:
    guarded = await bench.jobs.add_finalizer(await fresh(bench))
    await bench.user_deletes(guarded)
    deleting = await bench.look(guarded.key)
    assert deleting is not None
    assert deleting.deleted_at is not None
    assert await bench.jobs.remove_finalizer(deleting) is None
    assert await bench.look(guarded.key) is None
    assert await bench.jobs.remove_finalizer(deleting) is None, "gone already is done"


@check
async def no_finalizer_is_put_on_what_is_gone(bench: Bench) -> None:
    job = await fresh(bench)
    await bench.user_deletes(job)
    with pytest.raises(Gone):
        await bench.jobs.add_finalizer(job)


@check
async def a_status_is_written_and_read_back(bench: Bench) -> None:
    job = await fresh(bench)
    after = await bench.jobs.write_status(job, running())
    assert after.status == running()
    assert after.generation == job.generation, "a status is no change of the spec"
    assert after.spec == job.spec
    seen = await bench.look(job.key)
    assert seen == after


@check
async def a_status_takes_away_what_it_no_longer_says(bench: Bench) -> None:
    error = error_status(Failure(Code.LAUNCH, Reason.QUOTA_EXCEEDED, "no"))
    failures = (FailedItem("a", "IMG_001", "x"),)
    failed = msgspec.structs.replace(running("Failing"), error=error, failures=failures)
    first = await bench.jobs.write_status(await fresh(bench), failed)
    assert first.status == failed
    second = await bench.jobs.write_status(first, Status(observed_generation=1, phase="Pending"))
    assert second.status == Status(observed_generation=1, phase="Pending")
    assert second.status.run is None


@check
async def a_status_is_not_written_over_a_change(bench: Bench) -> None:
    job = await fresh(bench)
    await bench.touch(job)
    with pytest.raises(Conflict):
        await bench.jobs.write_status(job, running())
    seen = await bench.look(job.key)
    assert seen
    assert seen.status.phase == ""


@check
async def a_status_of_what_is_gone_is_gone(bench: Bench) -> None:
    job = await fresh(bench)
    await bench.user_deletes(job)
    with pytest.raises(Gone):
        await bench.jobs.write_status(job, running())


@check
async def a_status_is_never_written_on_a_successor(bench: Bench) -> None:
    job = await fresh(bench)
    await bench.user_deletes(job)
    successor = await bench.create(job.key.name)
    with pytest.raises((Conflict, Gone)):
        await bench.jobs.write_status(job, running())
    assert (await bench.look(job.key)) == successor


@check
async def an_event_is_written_once_for_a_run_and_reason(bench: Bench) -> None:
    job = await fresh(bench)
    for _ in range(2):
        await bench.jobs.record_event(job, RecordEvent(True, "QuotaExceeded", "exceeded " + "x" * 5000, 1))
    await bench.jobs.record_event(job, RecordEvent(False, "Succeeded", "all done", 2))
    assert sorted(await bench.events(job)) == [("Normal", "Succeeded"), ("Warning", "QuotaExceeded")]


@check
async def an_event_of_a_step_is_counted_and_hides_no_end(bench: Bench) -> None:
    job = await fresh(bench)
    for step in (1, 2, 3):
        event = RecordEvent(True, "StoreUnavailable", f"away {step}", 1, step)
        await bench.jobs.record_event(job, event)
    await bench.jobs.record_event(job, RecordEvent(True, "StoreUnavailable", "JOB_002 away", 1))
    assert await bench.events(job) == [("Warning", "StoreUnavailable")] * 2


@check
async def an_event_about_what_is_gone_holds_up_nothing(bench: Bench) -> None:
    job = await fresh(bench)
    await bench.user_deletes(job)
    await bench.jobs.record_event(job, RecordEvent(False, "Succeeded", "all done", 1))


@check
async def exactly_this_job_is_deleted(bench: Bench) -> None:
    job = await fresh(bench)
    changed = await bench.touch(job)
    with pytest.raises(Conflict):
        await bench.jobs.delete(job)
    await bench.jobs.delete(changed)
    assert await bench.look(job.key) is None
    with pytest.raises(Gone):
        await bench.jobs.delete(changed)


@check
async def the_whole_spec_is_read_of_exactly_this_job(bench: Bench) -> None:
    job = await fresh(bench)
    assert not isinstance(job.spec, Spec), "what is cached has only the head"
    whole = await bench.jobs.whole(job)
    assert isinstance(whole.spec, Spec)
    assert (whole.spec.head, whole.resource_version) == (job.spec, job.resource_version)
    await bench.touch(job)
    assert (await bench.jobs.whole(job)).resource_version == job.resource_version, "only the spec is taken"
    with pytest.raises(Conflict):
        await bench.jobs.whole(replace(job, generation=job.generation + 1))
    with pytest.raises(Gone):
        await bench.jobs.whole(replace(job, uid="that of a predecessor"))
    await bench.user_deletes(job)
    with pytest.raises(Gone):
        await bench.jobs.whole(job)


@check
async def a_namespace_has_its_labels_or_is_gone(bench: Bench) -> None:
    job = await fresh(bench)
    assert "kubernetes.io/metadata.name" in await bench.jobs.namespace_labels(job.key.namespace)
    with pytest.raises(Gone):
        await bench.jobs.namespace_labels("no-such-namespace")


# --- the launcher ------------------------------------------------------------------------------------------


@check
async def an_attempt_is_launched_once(bench: Bench) -> None:
    job = await started(bench)
    first = await bench.launcher.launch(job, 1, 2, bench.ends_by)
    assert first.name == attempt_name(job.key, job.uid, RunPlace(1, 1), 1, 2)
    assert (first.run, first.shard, first.number, first.state) == (1, 1, 2, State.WAITING)
    again = await bench.launcher.launch(job, 1, 2, bench.ends_by)
    assert again.uid == first.uid, "what is there is adopted"
    assert await bench.attempts(job) == {first.name: first.uid}


@check
async def a_rehearsal_leaves_nothing_behind(bench: Bench) -> None:
    job = await started(bench)
    assert await bench.launcher.rehearse(job, bench.ends_by) == ""
    assert await bench.attempts(job) == {}
    assert await bench.orders(job) == {}


@check
async def a_rehearsal_says_what_would_refuse_the_attempt(bench: Bench) -> None:
    job = await started(bench)
    await bench.allow_no_pods()
    with pytest.raises(Refused) as refusal:
        await bench.launcher.rehearse(job, bench.ends_by)
    assert refusal.value.problem.reason is Reason.QUOTA_EXCEEDED
    assert await bench.attempts(job) == {}


@check
async def an_attempt_of_somebody_else_is_not_adopted(bench: Bench) -> None:
    job = await started(bench)
    await bench.occupy(job, 0, 1)
    with pytest.raises(Refused) as refusal:
        await bench.launcher.launch(job, 0, 1, bench.ends_by)
    assert (refusal.value.problem.reason, refusal.value.problem.certain) == (Reason.POD_REJECTED, True)


@check
async def an_order_is_delivered_once(bench: Bench) -> None:
    job = await started(bench)
    attempt = await bench.launcher.launch(job, 0, 1, bench.ends_by)
    for url in ("http://store/first", "http://store/second"):
        await bench.launcher.deliver(attempt, job.key.namespace, url)
    assert await bench.orders(job) == {attempt.name: "http://store/first"}


@check
async def a_remark_is_the_last_warning_about_the_attempt(bench: Bench) -> None:
    job = await started(bench)
    attempt = await bench.launcher.launch(job, 0, 1, bench.ends_by)
    other = await bench.launcher.launch(job, 1, 1, bench.ends_by)
    await bench.say(attempt, True, "FailedCreatePodSandBox", "no runtime of this name")
    await bench.say(attempt, False, "Scheduled", "assigned to a node")
    remark = "FailedCreatePodSandBox: no runtime of this name"
    assert await bench.launcher.remark(attempt, job.key.namespace) == remark
    # Where there is a scheduler, it has something to say of any Pod.
    assert await bench.launcher.remark(other, job.key.namespace) != remark


async def left(bench: Bench, job: ImageJob, wanted: dict[str, str]) -> None:
    """Wait until exactly these attempts are there: where a kubelet has one, it takes its time to end it."""
    async with asyncio.timeout(bench.patience):
        while await bench.attempts(job) != wanted:
            await asyncio.sleep(bench.patience / 100)


@check
async def an_attempt_is_stopped_and_stopped_again(bench: Bench) -> None:
    job = await started(bench)
    attempt = await bench.launcher.launch(job, 0, 1, bench.ends_by)
    for _ in range(2):
        await bench.launcher.stop(attempt, job.key.namespace)
    await left(bench, job, {})


@check
async def stopping_never_hits_a_successor(bench: Bench) -> None:
    job = await started(bench)
    first = await bench.launcher.launch(job, 0, 1, bench.ends_by)
    await bench.launcher.stop(first, job.key.namespace)
    await left(bench, job, {})
    second = await bench.launcher.launch(job, 0, 1, bench.ends_by)
    assert (second.name, second.uid == first.uid) == (first.name, False)
    await bench.launcher.stop(first, job.key.namespace)
    assert await bench.attempts(job) == {second.name: second.uid}


@check
async def a_quota_is_named_and_may_pass(bench: Bench) -> None:
    job = await started(bench)
    await bench.allow_no_pods()
    with pytest.raises(Refused) as refusal:
        await bench.launcher.launch(job, 0, 1, bench.ends_by)
    problem = refusal.value.problem
    assert (problem.reason, problem.certain) == (Reason.QUOTA_EXCEEDED, False)
    assert "exceeded quota" in problem.message
    assert await bench.attempts(job) == {}


@check
async def what_admission_forbids_is_rejected_for_good(bench: Bench) -> None:
    job = await started(bench)
    await bench.forbid_our_pods()
    with pytest.raises(Refused) as refusal:
        await bench.launcher.launch(job, 0, 1, bench.ends_by)
    assert (refusal.value.problem.reason, refusal.value.problem.certain) == (Reason.POD_REJECTED, True)


def tomorrow() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)
