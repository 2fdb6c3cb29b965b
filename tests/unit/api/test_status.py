"""Conditions follow from phase and error alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.build import NOW, job, later, status
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import (
    MAX_HISTORY,
    Condition,
    FailedItem,
    ItemCounts,
    OutputCounts,
    PastRun,
    RunStatus,
    Status,
    duration_text,
    error_status,
    parse_status,
    status_body,
    with_history,
)
from imagejob_operator.decision.status_update import with_conditions

CAUSE = error_status(Failure(Code.LAUNCH, Reason.QUOTA_EXCEEDED, "exceeded quota"))
CANCEL = error_status(Failure(Code.CANCELLED, Reason.SUPERSEDED, "another run"))

TABLE = """
phase      | Ready                 | Reconciling | Stalled | Finished | Succeeded
Pending    | False/Progressing     | True        | -       | False    | Unknown
Validating | False/Progressing     | True        | -       | False    | Unknown
Staging    | False/Progressing     | True        | -       | False    | Unknown
Launching  | False/Progressing     | True        | -       | False    | Unknown
Running    | False/Progressing     | True        | -       | False    | Unknown
Publishing | False/Progressing     | True        | -       | False    | Unknown
Suspended  | False/Suspended       | -           | -       | False    | Unknown
Failing    | False/QuotaExceeded   | True        | -       | False    | Unknown
Cancelling | False/Superseded      | True        | -       | False    | Unknown
Succeeded  | True/Succeeded        | -           | -       | True     | True
Failed     | False/QuotaExceeded   | -           | True    | True     | False
Cancelled  | False/Superseded      | -           | True    | True     | False
Deleting   | False/Deleting        | True        | -       | False    | Unknown
"""
ROWS = [[cell.strip() for cell in line.split("|")] for line in TABLE.strip().splitlines()]
MILESTONES = {
    Phase.PENDING: "",
    Phase.VALIDATING: "Accepted",
    Phase.STAGING: "Accepted",
    Phase.LAUNCHING: "Accepted Staged",
    Phase.RUNNING: "Accepted Staged Launched",
    Phase.PUBLISHING: "Accepted Staged Launched Processed",
    Phase.SUCCEEDED: "Accepted Staged Launched Processed",
}


def at_phase(phase: Phase) -> Status:
    error = {Phase.FAILING: CAUSE, Phase.FAILED: CAUSE, Phase.CANCELLING: CANCEL, Phase.CANCELLED: CANCEL}
    made = msgspec.structs.replace(status(phase), phase=phase.value, error=error.get(phase))
    return with_conditions(made, Status(), NOW)


def test_the_table_has_all_phases() -> None:
    assert {row[0] for row in ROWS[1:]} == {phase.value for phase in Phase}


@pytest.mark.parametrize("row", ROWS[1:], ids=lambda row: row[0])
def test_conditions_of_a_phase(row: list[str]) -> None:
    made = at_phase(Phase(row[0]))
    for kind, cell in zip(ROWS[0][1:], row[1:], strict=True):
        found = made.condition(kind)
        value, _, reason = cell.partition("/")
        assert (found.status if found else "-") == value, kind
        assert not reason or (found and found.reason == reason), kind


def test_the_outcome_is_the_reason_of_success() -> None:
    run = RunStatus(id="1", number=1, epoch=1, outcome="SucceededWithFailures")
    partial = msgspec.structs.replace(
        status(Phase.SUCCEEDED), run=run, items=ItemCounts(total=3, succeeded=2, failed=1)
    )
    made = with_conditions(partial, Status(), NOW)
    shown = {c.type: (c.status, c.reason, c.message[:20]) for c in made.conditions}
    for kind in ("Ready", "Succeeded"):
        assert shown[kind] == ("True", "SucceededWithFailures", "1 of 3 items failed,")
    assert shown["Finished"] == ("True", "Succeeded", "")


def test_a_validation_reaches_only_accepted() -> None:
    before = with_conditions(status(Phase.VALIDATING), Status(), NOW)
    run = RunStatus(id="1", number=1, epoch=1, outcome="Validated")
    done = msgspec.structs.replace(status(Phase.SUCCEEDED), run=run, items=ItemCounts(total=3))
    made = with_conditions(done, before, later(5))
    assert {c.type for c in made.conditions if c.status == "True"} == {
        "Ready",
        "Finished",
        "Succeeded",
        "Accepted",
    }
    shown = made.condition("Succeeded")
    assert shown
    assert (shown.reason, "in 3 items" in shown.message) == ("Validated", True)


@pytest.mark.parametrize("phase", MILESTONES, ids=str)
def test_milestones_are_true_from_their_phase_on(phase: Phase) -> None:
    made = at_phase(phase)
    kinds = ("Accepted", "Staged", "Launched", "Processed")
    true = [k for k in kinds if (c := made.condition(k)) and c.status == "True"]
    assert " ".join(true) == MILESTONES[phase]


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (Code.CREATION, Reason.INVALID_SPEC, "Accepted"),
        (Code.STAGING, Reason.SOURCE_NOT_FOUND, "Staged"),
        (Code.LAUNCH, Reason.QUOTA_EXCEEDED, "Launched"),
        (Code.PROCESSING, Reason.ITEMS_FAILED, "Processed"),
    ],
    ids=lambda value: str(value),
)
def test_a_code_makes_its_milestone_false_with_the_cause(code: Code, reason: Reason, kind: str) -> None:
    failed = msgspec.structs.replace(status(Phase.FAILING), error=error_status(Failure(code, reason, "why")))
    found = with_conditions(failed, Status(), NOW).condition(kind)
    assert found is not None
    assert (found.status, found.reason, found.message) == ("False", reason.value, "why")


def test_processed_turns_false_when_the_results_are_rejected() -> None:
    before = at_phase(Phase.PUBLISHING)
    cause = error_status(Failure(Code.PROCESSING, Reason.ITEMS_FAILED, "2 of 2 items failed"))
    after = with_conditions(msgspec.structs.replace(before, phase="Failing", error=cause), before, later(5))
    found = after.condition("Processed")
    assert found is not None
    assert (found.status, found.reason) == ("False", "ItemsFailed")


def test_a_milestone_once_reached_stays_true_while_the_run_fails() -> None:
    before = at_phase(Phase.RUNNING)
    failing = msgspec.structs.replace(before, phase="Failing", error=CAUSE)
    after = with_conditions(failing, before, later(5))
    assert after.condition("Launched") == before.condition("Launched")


@pytest.mark.parametrize(
    "place", [{"number": 2}, {"epoch": 0, "id": ""}], ids=["next-number", "before-the-next-one"]
)
def test_milestones_of_another_run_are_forgotten(place: dict[str, Any]) -> None:
    before = at_phase(Phase.SUCCEEDED)
    assert before.run
    fresh = Status(phase="Pending", run=msgspec.structs.replace(before.run, **place))
    assert with_conditions(fresh, before, later(5)).condition("Staged") is None


def test_a_suspended_run_reaches_only_accepted() -> None:
    before = at_phase(Phase.PUBLISHING)
    suspended = msgspec.structs.replace(before, phase="Suspended")
    after = with_conditions(suspended, before, later(5))
    assert {c.type for c in after.conditions if c.status == "True"} == {"Accepted"}
    cleaned = with_conditions(suspended, after, later(9), cleaned=True)
    shown = cleaned.condition("StagingCleaned")
    assert shown
    assert shown.status == "True"


def test_cleaned_does_not_apply_to_the_next_epoch() -> None:
    suspended = msgspec.structs.replace(at_phase(Phase.STAGING), phase="Suspended")
    before = with_conditions(suspended, suspended, later(5), cleaned=True)
    assert before.run
    again = msgspec.structs.replace(before, phase="Staging", run=msgspec.structs.replace(before.run, epoch=2))
    assert with_conditions(again, before, later(9)).condition("StagingCleaned") is None


def test_suspended_time_extends_the_deadline_and_keeps_the_start() -> None:
    run = RunStatus(id="1", number=1, started_at=NOW, suspended_seconds=90)
    assert (run.started_at, run.counted_from) == (NOW, later(90))
    assert RunStatus(suspended_seconds=90).counted_from is None


def test_times_change_only_with_the_status_of_a_condition() -> None:
    before = at_phase(Phase.STAGING)
    moved = with_conditions(msgspec.structs.replace(before, phase="Launching"), before, later(5))
    assert [c.type for c in moved.conditions if c.last_transition_time != NOW] == ["Staged"]
    assert {"Ready", "Reconciling", "Finished", "Accepted"} < {c.type for c in moved.conditions}
    reconciling = moved.condition("Reconciling")
    assert reconciling
    assert reconciling.reason == "Launching", "the reason follows without a new time"


def test_types_are_unique_and_generations_are_the_observed_one() -> None:
    for phase in Phase:
        made = at_phase(phase)
        kinds = [c.type for c in made.conditions]
        assert len(set(kinds)) == len(kinds)
        assert {c.observed_generation for c in made.conditions} == {made.observed_generation}


@pytest.mark.parametrize(
    ("phase", "cleaned", "wanted"),
    [
        (Phase.RUNNING, None, "-"),
        (Phase.FAILING, None, "False/InProgress"),
        (Phase.SUSPENDED, None, "False/InProgress"),
        (Phase.DELETING, None, "False/InProgress"),
        (Phase.SUSPENDED, True, "True/Cleaned"),
        (Phase.FAILED, True, "True/Cleaned"),
        (
            Phase.FAILED,
            False,
            "False/Deferred: the staged objects have not been deleted yet; the operator is retrying",
        ),
        (Phase.FAILED, "the store is away", "False/Deferred: the store is away"),
        (Phase.SUCCEEDED, True, "True/Cleaned"),
    ],
    ids=str,
)
def test_cleaning_is_a_condition(phase: Phase, cleaned: bool | str | None, wanted: str) -> None:
    made = msgspec.structs.replace(status(phase), phase=phase.value, error=CAUSE)
    found = with_conditions(made, Status(), NOW, cleaned=cleaned).condition("StagingCleaned")
    shown = f"{found.status}/{found.reason}: {found.message}" if found else "-"
    assert shown.removesuffix(": ") == wanted


@pytest.mark.parametrize("shown", ["True", "False"])
def test_a_finished_cleaning_keeps_its_condition(shown: str) -> None:
    reason = "Cleaned" if shown == "True" else "Deferred"
    kept = Condition("StagingCleaned", shown, reason, "", NOW, 1)
    before = msgspec.structs.replace(at_phase(Phase.FAILED), conditions=(kept,))
    assert with_conditions(before, before, later(9)).condition("StagingCleaned") == kept


def test_notes_are_shown_while_the_run_is_active_and_bounded() -> None:
    made = with_conditions(status(Phase.STAGING), Status(), NOW, note="the store\nis away " + "x" * 5000)
    ready = made.condition("Ready")
    assert ready
    assert ready.message.startswith("the store is away")
    assert len(ready.message) == 120, "kubectl get shows it"
    reconciling = made.condition("Reconciling")
    assert reconciling
    assert (reconciling.reason, len(reconciling.message)) == ("Staging", 1024)


def test_a_retried_failure_is_a_reason() -> None:
    away = Failure(Code.STAGING, Reason.STORE_UNAVAILABLE, "the store cannot be reached")
    made = with_conditions(status(Phase.STAGING), Status(), NOW, note=away)
    found = {c.type: (c.status, c.reason, c.message) for c in made.conditions if c.message}
    assert found == {
        "Ready": ("False", "StoreUnavailable", away.message),
        "Reconciling": ("True", "StoreUnavailable", away.message),
    }


@pytest.mark.parametrize("phase", [Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED], ids=str)
def test_a_deletion_does_not_change_how_the_run_has_ended(phase: Phase) -> None:
    before = at_phase(phase)
    deleting = msgspec.structs.replace(before, phase="Deleting")
    after = with_conditions(deleting, before, later(5), note="its Pods are being deleted")
    for kind in ("Finished", "Succeeded"):
        assert after.condition(kind) == before.condition(kind)
    shown = {c.type: (c.status, c.reason, c.message) for c in after.conditions}
    assert shown["Ready"] == ("False", "Deleting", "its Pods are being deleted")
    assert shown["Reconciling"] == ("True", "Deleting", "its Pods are being deleted")
    assert "Stalled" not in shown


@given(st.sampled_from(Phase), st.text(max_size=30))
def test_what_is_written_is_read_back(phase: Phase, text: str) -> None:
    made = msgspec.structs.replace(at_phase(phase), report=text, progress=text)
    assert parse_status(status_body(made)) == made


def test_the_body_is_plain_json_as_the_api_server_sends_it_back() -> None:
    body = status_body(at_phase(Phase.RUNNING))
    assert isinstance(body["conditions"], list), "a tuple would differ from what comes back"
    assert body["phaseSince"] == "2026-01-01T12:00:00Z"


def test_the_largest_status_is_small() -> None:
    failures = (FailedItem("x" * 512, "IMG_001", "x" * 300),) * 10
    long = error_status(Failure(Code.LAUNCH, Reason.QUOTA_EXCEEDED, "x" * 5000))
    past = PastRun(
        "x" * 63, 10**9, "Succeeded", "JOB_005", "x" * 64, NOW, NOW, ItemCounts(), OutputCounts(), "x" * 512
    )
    made = msgspec.structs.replace(
        at_phase(Phase.FAILED), failures=failures, error=long, history=(past,) * MAX_HISTORY
    )
    made = with_conditions(made, Status(), NOW)
    assert len(msgspec.json.encode(status_body(made))) < 32 * 1024


def test_the_history_holds_the_last_five_runs_newest_first() -> None:
    made = Status()
    for number in range(1, 8):
        run = RunStatus(id=f"r{number}", number=number, started_at=NOW, finished_at=later(number))
        made = msgspec.structs.replace(made, run=run, phase="Failed", error=CAUSE, report=f"{number}.json")
        made = with_history(Status(phase="Pending", run=RunStatus(number=number)), made)
    assert [past.number for past in made.history] == [7, 6, 5, 4, 3]
    newest = made.history[0]
    assert (newest.id, newest.phase, newest.code, newest.reason) == (
        "r7",
        "Failed",
        "JOB_003",
        "QuotaExceeded",
    )
    assert (newest.started_at, newest.finished_at, newest.report) == (NOW, later(7), "7.json")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0s"), (0, "0s"), (59.9, "59s"), (63, "1m3s"), (3600, "1h0m0s"), (90061, "25h1m1s")],
)
def test_spans(seconds: float, text: str) -> None:
    assert duration_text(timedelta(seconds=seconds)) == text


def test_a_restored_job_whose_original_was_being_deleted_starts_again() -> None:
    before = at_phase(Phase.DELETING)
    assert job(before, deleted_at=NOW).status.at is Phase.DELETING
    restored = job(before).status
    assert (restored.at, restored.run and restored.run.number) == (Phase.PENDING, 1)
