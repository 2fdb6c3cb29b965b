"""The start of a run, and the end of one that has not started."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from fakes.build import NOW, PREFIX, UID, attempt, job, later, seen, spec, status
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.imagestore_status import Readiness, StoreReason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import (
    Condition,
    ItemCounts,
    RunStatus,
    StagingStatus,
    StagingStore,
    Status,
)
from imagejob_operator.decision.action import AddFinalizer, RecordEvent, StopAttempt
from imagejob_operator.decision.attempt import Problem, Refusal, State
from imagejob_operator.decision.decide import decide
from imagejob_operator.decision.observation import Admission, Decision, Observation, StoreView, StoreViews
from imagejob_operator.decision.operation import Clean
from imagejob_operator.naming.names import RUN_UID_LENGTH

ADMITTED = Admission(True)
READY = Readiness(StoreReason.READY, "")
BEFORE = Status(phase="Pending", phase_since=NOW, run=RunStatus(number=6))


def pending(wanted: dict[str, Any] | None = None, current: Status = BEFORE, **more: Any) -> Observation:
    of = job(current, wanted or spec(run={"id": "7"}), guarded=False)
    now = later(3) + timedelta(milliseconds=900)
    return seen(of, now=now, **{"admission": ADMITTED, **more})


def run_of(decision: Decision) -> RunStatus:
    assert decision.status.run
    return decision.status.run


STORED = StoreView("media", "u", READY, "s3://media/")


@pytest.mark.parametrize(
    ("stores", "store"),
    [(StoreViews(), None), (StoreViews(source=STORED), StagingStore("media", "u", "s3://media/"))],
    ids=["own", "image-store"],
)
def test_a_run_starts_in_its_first_epoch(stores: StoreViews, store: StagingStore | None) -> None:
    found = decide(pending(stores=stores))
    run = run_of(found)
    assert run == RunStatus("7", 7, run.uid, 1, started_at=later(3), store=store)
    assert len(run.uid) == RUN_UID_LENGTH
    folder = found.status.staging.prefix if found.status.staging else ""
    assert folder.endswith(f"/shop/{UID}/7-1-{run.uid}/")
    assert (found.status.at, found.actions) == (Phase.STAGING, (AddFinalizer(),))


def test_a_validation_starts_without_staging_and_finalizer() -> None:
    found = decide(pending(spec(run={"id": "7", "mode": "Validate"})))
    run = run_of(found)
    assert run == RunStatus("7", 7, run.uid, 1, started_at=later(3))
    assert (found.status.at, found.status.staging, found.actions) == (Phase.VALIDATING, None, ())


def test_the_first_run_has_number_1() -> None:
    assert run_of(decide(pending(current=Status()))).number == 1
    assert run_of(decide(pending(spec(cancelRunID="1"), Status()))).number == 1


PENDING = pending()


@pytest.mark.parametrize(
    "other",
    [
        replace(PENDING, job=replace(PENDING.job, uid="another")),
        pending(spec(run={"id": "8"})),
        pending(current=msgspec.structs.replace(BEFORE, run=RunStatus(number=7))),
        replace(PENDING, now=later(4)),
        replace(PENDING, job=replace(PENDING.job, spec_hash="another")),
        replace(PENDING, stores=StoreViews(source=STORED)),
        replace(PENDING, stores=StoreViews(destination=STORED)),
    ],
    ids=["job", "run", "number", "time", "spec", "source", "destination"],
)
def test_the_uid_of_a_run_depends_on_all_that_makes_it_this_run(other: Observation) -> None:
    uids = [run_of(decide(one)).uid for one in (PENDING, pending(), other)]
    assert uids[0] == uids[1] != uids[2]


@pytest.mark.parametrize("other", [replace(STORED, uid="v"), replace(STORED, location="s3://other/")])
def test_the_uid_of_a_run_depends_on_the_place_of_its_staging(other: StoreView) -> None:
    first, second = (pending(stores=StoreViews(source=store)) for store in (STORED, other))
    assert run_of(decide(first)).uid != run_of(decide(second)).uid


def test_a_run_that_is_cancelled_before_it_starts() -> None:
    found = decide(pending(spec(run={"id": "7"}, cancelRunID="7")))
    run = RunStatus("7", 7, started_at=later(3), finished_at=later(3), duration="0s")
    assert (found.status.at, run_of(found), found.status.staging) == (Phase.CANCELLED, run, None)
    text = "JOB_008 spec.cancelRunID is '7', the id of this run"
    assert found.actions == (RecordEvent(False, "Cancelled", text, 7),)


def test_an_invalid_spec_ends_a_run_without_an_id() -> None:
    found = decide(pending({"source": {}}))
    run = RunStatus("", 7, started_at=later(3), finished_at=later(3), duration="0s")
    assert (found.status.at, run_of(found)) == (Phase.FAILED, run)
    assert found.status.error
    assert (found.status.error.code, found.status.error.reason) == ("JOB_001", "InvalidSpec")


@pytest.mark.parametrize(("age", "requeue"), [(0, 5), (298, 300), (None, 8.9)])
def test_a_store_that_is_not_ready_is_checked_again_until_the_grace_ends(
    age: float | None, requeue: float
) -> None:
    current = msgspec.structs.replace(BEFORE, phase_since=None if age is None else NOW)
    o = pending(current=current, admission=None)
    found = decide(o if age is None else replace(o, now=later(age)))
    assert (found.status.at, found.requeue_at) == (Phase.PENDING, later(requeue))


def test_a_store_of_its_own_needs_no_admission() -> None:
    own = spec(storeRef={"name": "media"})
    found = decide(pending(own, admission=None, stores=StoreViews(source=STORED)))
    assert found.status.at is Phase.STAGING


SUSPENDED = "spec.suspend is true; set it to false to resume the run"


@pytest.mark.parametrize(
    ("wanted", "phase"),
    [
        (spec(suspend=True), Phase.SUSPENDED),
        (spec(suspend=True, cancelRunID="2"), Phase.SUSPENDED),
        (spec(suspend=True, cancelRunID="1"), Phase.PENDING),
        (spec(suspend=False), Phase.PENDING),
        ({"source": {}, "suspend": True}, Phase.PENDING),
    ],
    ids=["suspended", "another-cancelled", "cancelled", "resumed", "invalid"],
)
def test_a_run_that_was_suspended_before_it_started(wanted: dict[str, Any], phase: Phase) -> None:
    current = Status(phase="Suspended", phase_since=NOW)
    found = decide(seen(job(current, wanted, guarded=False), now=later(1)))
    ready = found.status.condition("Ready")
    assert ready
    suspended = phase is Phase.SUSPENDED
    assert (found.status.at, ready.message) == (phase, SUSPENDED if suspended else "")
    assert found.requeue_at == (later(301) if suspended else None)
    assert found.actions == ()


def test_a_new_job_that_is_suspended_has_no_run() -> None:
    found = decide(pending(spec(suspend=True), Status()))
    assert (found.status.at, found.status.run, found.requeue_at) == (Phase.SUSPENDED, None, None)
    ready = found.status.condition("Ready")
    assert ready
    assert ready.message == SUSPENDED


# --- suspending a run that has started ---------------------------------------------------------------------


def test_a_suspended_run_leaves_its_queue() -> None:
    current = status(Phase.LAUNCHING)
    run = msgspec.structs.replace(current.run, queued_since=NOW) if current.run else None
    current = msgspec.structs.replace(current, run=run, items=ItemCounts(2))
    found = run_of(decide(seen(job(current, spec(suspend=True)), now=later(9))))
    assert (found.queued_since, found.queued_seconds, found.released_at) == (None, 9, later(9))


@pytest.mark.parametrize(
    ("suspend", "phase", "reason", "epoch"),
    [(True, Phase.SUSPENDED, "Deferred", 1), (False, Phase.STAGING, "", 2)],
)
def test_staging_that_cannot_be_emptied_does_not_keep_a_run_suspended(
    suspend: bool, phase: Phase, reason: str, epoch: int
) -> None:
    of = job(status(Phase.SUSPENDED), spec(suspend=suspend))
    found = decide(seen(of, now=later(60), operation=Clean((PREFIX,)), operation_since=NOW)).status
    cleaned = found.condition("StagingCleaned")
    assert (found.at, cleaned.reason if cleaned else "") == (phase, reason)
    assert found.run
    assert found.staging
    assert found.run.epoch == epoch
    assert found.staging == StagingStatus(PREFIX.replace("/1-1-", f"/1-{epoch}-"))


@pytest.mark.parametrize(("pause", "requeue"), [(9, 9), (999, 300)])
def test_a_suspended_run_whose_pod_was_not_deleted_is_checked_again(pause: int, requeue: int) -> None:
    refusal = Refusal(Problem(Reason.POD_REJECTED, "denied"), NOW, later(pause))
    left = replace(attempt(State.RUNNING), stop_refused=refusal)
    current = msgspec.structs.replace(
        status(Phase.SUSPENDED),
        conditions=(Condition("StagingCleaned", "True", "Cleaned", "", NOW, 1),),
        staging=None,
    )
    found = decide(seen(job(current, spec(suspend=True)), left, attempt(State.RUNNING, shard=1)))
    assert found.requeue_at == later(requeue)
    assert found.actions == (StopAttempt(attempt(State.RUNNING, shard=1)),)
