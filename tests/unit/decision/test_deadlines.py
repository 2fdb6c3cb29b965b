"""A deadline names the last error, also while the operation is just being tried again."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from fakes.build import NOW, PREFIX, job, later, seen, spec, status
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import parse_spec
from imagejob_operator.api.status import Status
from imagejob_operator.decision.decide import decide
from imagejob_operator.decision.operation import Broken, Progress, Stage, Staged, Working
from imagejob_operator.decision.phases.deadlines import latest_failure, retry_deadline, run_operation
from imagejob_operator.decision.status_update import STORE_AWAY, Note, with_conditions

AWAY = Failure(Code.STAGING, Reason.STORE_UNAVAILABLE, "the store cannot be reached")
DENIED = Failure(Code.STAGING, Reason.ACCESS_DENIED, "403")
SILENT = Failure(Code.STAGING, Reason.STORE_UNAVAILABLE, f"{STORE_AWAY}: no answer")


@pytest.mark.parametrize("progress", [Broken(AWAY, later(10)), Working(AWAY)])
def test_staging_deadline_with_a_store_that_is_away(progress: Progress) -> None:
    hurried = job(status(Phase.STAGING), spec(execution={"stagingDeadlineSeconds": 5}))
    decision = decide(seen(hurried, now=later(5), operation=Stage(PREFIX), progress=progress))
    error = decision.status.error
    assert error is not None
    assert (error.code, error.reason) == ("JOB_002", "StoreUnavailable")
    limit = "spec.execution.stagingDeadlineSeconds (5 s)"
    assert error.message == f"the store cannot be reached (stopped retrying after {limit})"


def test_staging_deadline_without_any_error() -> None:
    hurried = job(status(Phase.STAGING), spec(execution={"stagingDeadlineSeconds": 5}))
    decision = decide(seen(hurried, now=later(5), operation=Stage(PREFIX), progress=Working()))
    error = decision.status.error
    assert error is not None
    assert (error.code, error.reason) == ("JOB_002", "StagingDeadlineExceeded")


def test_a_retry_does_not_change_the_message() -> None:
    waiting = job(status(Phase.STAGING))
    resting = decide(seen(waiting, now=later(1), operation=Stage(PREFIX), progress=Broken(AWAY, later(2))))
    again = decide(seen(waiting, now=later(1), operation=Stage(PREFIX), progress=Working(AWAY)))
    assert again.status == resting.status


UNREACHABLE = Failure(Code.STAGING, Reason.SOURCE_UNREACHABLE, "https://a.example/a.jpg returned HTTP 503")
LAST = Stage(PREFIX, last_try=True)
URLS = spec(source={"urls": [{"url": "https://a.example/a.jpg"}]}, execution={"stagingDeadlineSeconds": 5})


@pytest.mark.parametrize(
    ("progress", "operation"),
    [
        (None, LAST),
        (Working(), LAST),
        (Broken(UNREACHABLE, later(6)), LAST),
        (Working(UNREACHABLE), LAST),
        (Working(AWAY), LAST),
        (Broken(AWAY, later(6)), LAST),
        (Broken(UNREACHABLE), None),
    ],
)
def test_at_the_deadline_sources_on_web_servers_have_a_last_try(
    progress: Progress | None, operation: Stage | None
) -> None:
    before = Stage(PREFIX) if progress else None
    decision = decide(
        seen(job(status(Phase.STAGING), URLS), now=later(5), operation=before, progress=progress)
    )
    assert decision.operation == operation
    assert decision.status.phase == ("Staging" if operation else "Failing")


def test_an_operator_that_was_down_at_the_deadline_tries_once_more() -> None:
    for failure in (UNREACHABLE, AWAY):
        decision = decide(seen(job(tried_before(Phase.STAGING, failure), URLS), now=later(1000)))
        assert (decision.operation, decision.status.phase) == (LAST, "Staging")


@pytest.mark.parametrize(
    ("seconds", "progress", "reason"),
    [
        (579, Broken(AWAY, later(589)), ""),
        (580, Broken(AWAY, later(590)), "StoreUnavailable"),
        (579, Working(AWAY), ""),
        (580, Working(AWAY), "StoreUnavailable"),
        (580, Working(), "StagingDeadlineExceeded"),
        (500, Broken(DENIED), "AccessDenied"),
    ],
)
def test_the_last_try_ends(seconds: float, progress: Progress, reason: str) -> None:
    of = job(status(Phase.STAGING), URLS)
    o = seen(of, now=later(seconds), operation=LAST, progress=progress)
    decision = decide(replace(o, operation_since=later(400)))
    assert (decision.status.error.reason if decision.status.error else "") == reason
    assert decision.operation == (None if reason else LAST)


@pytest.mark.parametrize("operation", [Stage(PREFIX), LAST])
def test_what_was_staged_at_the_deadline_counts(operation: Stage) -> None:
    of = job(status(Phase.STAGING), URLS)
    decision = decide(seen(of, now=later(5), operation=operation, progress=Staged(2, 2, 10)))
    assert decision.status.phase == "Launching"


def tried_before(phase: Phase, why: Failure) -> Status:
    """As an operator that is dead by now has left it."""
    current = status(phase, since=NOW)
    return with_conditions(current, current, NOW, note=why)


@pytest.mark.parametrize("progress", [None, Working(), Broken(AWAY, later(10)), Working(AWAY)])
def test_the_last_error_is_shown_until_the_run_ends(progress: Progress | None) -> None:
    waiting = job(tried_before(Phase.STAGING, AWAY))
    decision = decide(seen(waiting, now=later(1), operation=Stage(PREFIX), progress=progress))
    shown = decision.status.condition("Reconciling")
    assert shown is not None
    assert (shown.status, shown.reason, shown.message) == ("True", "StoreUnavailable", AWAY.message)


def test_staging_deadline_of_an_operator_that_has_not_tried_itself() -> None:
    hurried = job(tried_before(Phase.STAGING, AWAY), spec(execution={"stagingDeadlineSeconds": 5}))
    error = decide(seen(hurried, now=later(5), operation=Stage(PREFIX), progress=Working())).status.error
    assert error is not None
    assert (error.code, error.reason) == ("JOB_002", "StoreUnavailable")
    assert error.message.startswith("the store cannot be reached (stopped retrying after")


def test_active_deadline_of_an_operator_that_has_not_tried_itself() -> None:
    away = Failure(Code.PUBLISH, Reason.STORE_UNAVAILABLE, "the store cannot be reached")
    hurried = job(tried_before(Phase.PUBLISHING, away), spec(execution={"activeDeadlineSeconds": 5}))
    error = decide(seen(hurried, now=later(5))).status.error
    assert error is not None
    assert (error.code, error.reason) == ("JOB_006", "DeadlineExceeded")
    assert error.message.endswith("; last problem: the store cannot be reached")


def test_active_deadline_names_what_the_run_waited_for() -> None:
    text = "the order of the Pod cannot be written: AccessDenied"
    current = with_conditions(status(Phase.LAUNCHING), status(Phase.LAUNCHING), NOW, note=text)
    hurried = job(current, spec(execution={"activeDeadlineSeconds": 5}))
    error = decide(seen(hurried, now=later(5))).status.error
    assert error is not None
    assert error.code == "JOB_006"
    assert error.message.endswith(f"; last problem: {text}")


def test_a_reason_that_no_staging_fails_with_is_no_evidence() -> None:
    other = Failure(Code.LAUNCH, Reason.QUOTA_EXCEEDED, "exceeded quota")
    hurried = job(tried_before(Phase.STAGING, other), spec(execution={"stagingDeadlineSeconds": 5}))
    error = decide(seen(hurried, now=later(5), operation=Stage(PREFIX), progress=Working())).status.error
    assert error is not None
    assert error.reason == "StagingDeadlineExceeded"


@pytest.mark.parametrize(
    ("phase", "note", "store_away", "progress", "found"),
    [
        (Phase.STAGING, "", "", None, None),
        (Phase.STAGING, AWAY, "", None, AWAY),
        (Phase.VALIDATING, AWAY, "", None, AWAY),
        (Phase.PUBLISHING, AWAY, "", None, replace(AWAY, code=Code.PUBLISH)),
        (Phase.STAGING, AWAY, "", Broken(DENIED), DENIED),
        (Phase.STAGING, AWAY, "", Working(), AWAY),
        (Phase.STAGING, SILENT, "no answer", None, SILENT),
        (Phase.STAGING, SILENT, "", None, None),
        (Phase.STAGING, SILENT, "", Working(DENIED), DENIED),
        (Phase.STAGING, Failure(Code.PUBLISH, Reason.OVERWRITE_REFUSED, "a.jpg"), "", None, None),
    ],
)
def test_why_an_operation_failed_last(
    phase: Phase, note: Note, store_away: str, progress: Progress | None, found: Failure | None
) -> None:
    current = status(phase)
    o = seen(job(with_conditions(current, current, NOW, note=note)), store_away=store_away)
    assert latest_failure(o, progress) == found


def test_a_run_without_conditions_has_not_failed_before() -> None:
    assert latest_failure(seen(job(status(Phase.STAGING))), None) is None


@pytest.mark.parametrize(
    ("until", "progress", "requeue"),
    [(9, None, 9), (999, None, 300), (999, Broken(AWAY, later(5)), 5), (999, Broken(AWAY, NOW), 300)],
)
def test_when_an_operation_is_checked_again(until: float, progress: Progress | None, requeue: float) -> None:
    o = seen(job(status(Phase.STAGING)), operation=Stage(PREFIX), progress=progress)
    found = run_operation(o, Stage(PREFIX), later(until))
    assert (found.operation, found.requeue_at) == (Stage(PREFIX), later(requeue))


def test_the_retries_end_after_the_start_of_the_phase() -> None:
    wanted = parse_spec(spec(execution={"stagingDeadlineSeconds": 5})).head
    assert retry_deadline(seen(job(status(Phase.STAGING)), now=later(3)), wanted) == later(5)
    without = msgspec.structs.replace(status(Phase.STAGING), phase_since=None)
    assert retry_deadline(seen(job(without), now=later(3)), wanted) == later(8)
