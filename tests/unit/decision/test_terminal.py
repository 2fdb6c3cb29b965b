"""How a run ends: its status, its Event, what is left to clean, and when it is checked again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import pytest

from fakes.build import (
    CANCEL,
    CAUSE,
    KEY,
    NOW,
    POLICY,
    PREFIX,
    RUN_UID,
    UID,
    attempt,
    job,
    later,
    seen,
    spec,
    status,
)
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import (
    Condition,
    ErrorStatus,
    ItemCounts,
    OutputCounts,
    RunStatus,
    ShardStatus,
    Status,
    error_status,
)
from imagejob_operator.decision.action import RecordEvent, ReleaseFinalizer, StopAttempt
from imagejob_operator.decision.attempt import Problem, Refusal, State
from imagejob_operator.decision.decide import decide
from imagejob_operator.decision.observation import Decision
from imagejob_operator.decision.operation import Broken, Clean, Cleaned, Progress
from imagejob_operator.decision.phases.terminal import end_event, finish_run
from imagejob_operator.naming.prefixes import report_key

REPORT = report_key(KEY.namespace, KEY.name, UID, 1, RUN_UID)
FAILURE = Failure(Code.LAUNCH, Reason.QUOTA_EXCEEDED, "exceeded quota")
FAILED = RecordEvent(True, "QuotaExceeded", "JOB_003 exceeded quota", 1)


@pytest.mark.parametrize(
    ("guarded", "cleaned", "events"),
    [
        (True, True, ()),
        (True, None, (FAILED,)),
        (True, "away", (FAILED,)),
        (False, True, (FAILED,)),
        (False, None, (FAILED,)),
    ],
)
def test_a_run_that_fails_records_its_event_unless_its_finalizer_is_released_next(
    guarded: bool, cleaned: bool | str | None, events: tuple[RecordEvent, ...]
) -> None:
    failing = status(Phase.FAILING)
    running = attempt(State.RUNNING)
    o = seen(job(failing, guarded=guarded), running, now=later(9))
    found = finish_run(o, failing, Phase.FAILED, FAILURE, cleaned)
    assert found.actions == events, "Pods are removed when the end is written"
    made = found.status
    assert (made.at, made.error) == (Phase.FAILED, error_status(FAILURE))
    assert made.run
    assert (made.run.finished_at, made.run.duration) == (later(9), "9s")
    assert StopAttempt(running) in decide(replace(o, job=replace(o.job, status=made))).actions


@pytest.mark.parametrize(
    ("items", "outcome", "found"),
    [
        (None, "", ""),
        (ItemCounts(2, 2), "", ""),
        (ItemCounts(2, 1, 1), "", "SucceededWithFailures"),
        (ItemCounts(2, 1, 1), "Validated", "Validated"),
    ],
)
def test_the_outcome_of_a_success(items: ItemCounts | None, outcome: str, found: str) -> None:
    current = status(Phase.PUBLISHING)
    run = msgspec.structs.replace(current.run, outcome=outcome) if current.run else None
    current = msgspec.structs.replace(current, items=items, run=run, error=CAUSE)
    made = finish_run(seen(job(current)), current, Phase.SUCCEEDED, overwrote="'a.webp'").status
    assert made.run
    assert (made.run.outcome, made.error) == (found, None)
    overwrote = made.condition("Overwrote")
    assert overwrote
    assert overwrote.message == "'a.webp'"


def test_failed_items_are_no_outcome_of_a_failure() -> None:
    current = msgspec.structs.replace(status(Phase.FAILING), items=ItemCounts(2, 1, 1))
    made = finish_run(seen(job(current)), current, Phase.FAILED, FAILURE).status
    assert made.run
    assert made.run.outcome == ""


# --- the Event of the end ----------------------------------------------------------------------------------


def ended(phase: Phase = Phase.FAILED, finished: datetime | None = NOW, **fields: Any) -> Status:
    current = msgspec.structs.replace(status(phase), error=CAUSE, report=REPORT, staging=None)
    run = msgspec.structs.replace(current.run, finished_at=finished) if current.run else None
    return msgspec.structs.replace(current, **{"run": run, **fields})


PUBLISHED = RecordEvent(False, "Succeeded", "0 items, 0 outputs, 0 bytes published", 1)


@pytest.mark.parametrize(
    ("current", "events"),
    [
        (ended(), (FAILED,)),
        (ended(Phase.SUCCEEDED, error=None, items=None), (PUBLISHED,)),
        (ended(error=CANCEL), (RecordEvent(False, "Superseded", "JOB_008 another run", 1),)),
        (ended(finished=None), ()),
        (ended(run=None), ()),
    ],
)
def test_the_event_of_the_end(current: Status, events: tuple[RecordEvent, ...]) -> None:
    assert end_event(seen(job(current), now=later(3599))) == events
    assert end_event(seen(job(current), now=later(3600))) == ()
    assert end_event(seen(job(current, guarded=False), now=NOW)) == ()


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (
            "SucceededWithFailures",
            "3 items, 2 outputs, 1 byte published; 1 item skipped, with outputs that are up to date; 1 of 3 "
            "items failed, which spec.failurePolicy allows; the report lists them",
        ),
        (
            "Validated",
            "1 of 3 sources cannot be staged, which spec.failurePolicy allows; the report lists them; no "
            "object was staged and no Pod was created",
        ),
    ],
)
def test_the_event_of_a_success_with_an_outcome(outcome: str, text: str) -> None:
    current = ended(Phase.SUCCEEDED, error=None, items=ItemCounts(3, 1, 1, 1), outputs=OutputCounts(2, 1))
    run = msgspec.structs.replace(current.run, outcome=outcome) if current.run else None
    current = msgspec.structs.replace(current, run=run)
    assert end_event(seen(job(current))) == (RecordEvent(False, outcome, text, 1),)


# --- after the end -----------------------------------------------------------------------------------------

CLEAN = Clean((PREFIX,))
AWAY = Failure(Code.STAGING, Reason.STORE_UNAVAILABLE, "503")
TEXT = "the staged objects could not be deleted within the time allowed for the cleanup: 503"
LASTING = spec(retention={"ttlSecondsAfterFinished": 9999})


def uncleaned(phase: Phase = Phase.FAILED, report: str = REPORT, error: ErrorStatus | None = CAUSE) -> Status:
    deferred = Condition("StagingCleaned", "False", "Deferred", "away", NOW, 1)
    current = ended(phase, error=error)
    return msgspec.structs.replace(
        current, report=report, staging=status(Phase.RUNNING).staging, conditions=(deferred,)
    )


def cleaning(found: Decision) -> tuple[str, str]:
    condition = found.status.condition("StagingCleaned")
    assert condition
    return condition.reason, condition.message


@pytest.mark.parametrize(
    ("progress", "requeue", "shown"),
    [
        (None, 300, ("Deferred", "away")),
        (Broken(AWAY, later(7)), 7, ("Deferred", TEXT)),
        (Broken(AWAY, NOW), 300, ("Deferred", TEXT)),
    ],
)
def test_a_deferred_cleaning_is_tried_again(
    progress: Progress | None, requeue: float, shown: tuple[str, str]
) -> None:
    found = decide(seen(job(uncleaned(), LASTING), operation=CLEAN, progress=progress))
    assert (found.operation, found.requeue_at, cleaning(found)) == (CLEAN, later(requeue), shown)
    assert found.actions == (), "the finalizer stays"


@pytest.mark.parametrize(
    ("phase", "report", "wanted"),
    [(Phase.FAILED, "", REPORT), (Phase.FAILED, REPORT, ""), (Phase.SUCCEEDED, "", "")],
)
def test_a_deferred_cleaning_writes_the_report_that_is_missing(
    phase: Phase, report: str, wanted: str
) -> None:
    current = uncleaned(phase, report, None if phase is Phase.SUCCEEDED else CAUSE)
    operation = Clean((PREFIX,), wanted, POLICY.staging_folder if wanted else "")
    assert decide(seen(job(current, LASTING))).operation == operation
    found = decide(seen(job(current, LASTING), operation=operation, progress=Cleaned()))
    assert (found.status.report, found.status.staging) == (report or wanted, None)
    assert (cleaning(found), found.operation) == (("Cleaned", ""), None)


@pytest.mark.parametrize(("seconds", "moments"), [(0, 99), (98, 99), (99, None)])
def test_a_run_is_checked_again_when_its_retention_ends(seconds: float, moments: float | None) -> None:
    wanted = spec(retention={"ttlSecondsAfterFinished": 99})
    found = decide(seen(job(ended(), wanted, guarded=False), now=later(seconds)))
    assert found.requeue_at == (None if moments is None else later(moments))
    assert found.actions == ()


def test_without_the_time_of_its_end_the_retention_starts_now() -> None:
    wanted = spec(retention={"ttlSecondsAfterFinished": 99})
    found = decide(seen(job(ended(finished=None), wanted, guarded=False), now=later(5)))
    assert found.requeue_at == later(104)


def test_a_pod_whose_deletion_was_refused_is_tried_again() -> None:
    refusal = Refusal(Problem(Reason.POD_REJECTED, "denied"), NOW, later(9))
    left = replace(attempt(State.RUNNING), stop_refused=refusal)
    assert decide(seen(job(ended(), LASTING, guarded=False), left)).requeue_at == later(9)


def test_the_finalizer_is_released_before_the_pods_are_stopped() -> None:
    left = attempt(State.RUNNING)
    found = decide(seen(job(ended(), LASTING), left))
    assert found.actions == (FAILED, ReleaseFinalizer(), StopAttempt(left))


def test_staging_that_is_not_empty_stays_in_the_status_after_the_retention() -> None:
    wanted = spec(retention={"ttlSecondsAfterFinished": 0, "policy": "Compact"})
    current = uncleaned()
    run = msgspec.structs.replace(current.run, shards=ShardStatus(1, attempts="0=2")) if current.run else None
    current = msgspec.structs.replace(current, run=run)
    found = decide(seen(job(current, wanted), attempt(State.FAILED)))
    assert found.status.staging == current.staging
    assert found.status.run
    assert found.status.run.shards == ShardStatus(1)
    assert found.actions == (StopAttempt(attempt(State.FAILED)),)


def test_a_run_without_shards_is_compacted_too() -> None:
    wanted = spec(retention={"ttlSecondsAfterFinished": 0, "policy": "Compact"})
    current = ended()
    run = msgspec.structs.replace(current.run, shards=None) if current.run else None
    found = decide(seen(job(msgspec.structs.replace(current, run=run), wanted, guarded=False)))
    assert found.status.run == run


# --- the next run ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("guarded", [True, False])
def test_the_next_run_starts_after_the_finalizer_is_released(guarded: bool) -> None:
    current, left = ended(), attempt(State.FAILED)
    found = decide(seen(job(current, spec(run={"id": "2"}), guarded=guarded), left))
    if guarded:
        assert (found.status.at, found.actions) == (Phase.FAILED, (FAILED, ReleaseFinalizer()))
        return
    assert (found.status.at, found.status.run) == (Phase.PENDING, RunStatus(number=1))
    assert [past.number for past in found.status.history] == [1]
    assert found.actions == (StopAttempt(left),)


def test_the_next_run_does_not_wait_for_the_cleaning_of_the_last() -> None:
    found = decide(seen(job(uncleaned(), spec(run={"id": "2"}))))
    assert (found.status.at, found.actions) == (Phase.PENDING, (FAILED,))
