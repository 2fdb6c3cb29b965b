"""Conditions follow from phase, error, note and cleaning."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from fakes.build import CAUSE, NOW, at_phase, later, status
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import (
    Condition,
    ErrorStatus,
    ItemCounts,
    RunStatus,
    Status,
    error_status,
)
from imagejob_operator.decision.attempt import Problem
from imagejob_operator.decision.status_update import Note, with_conditions

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


# --- whole conditions --------------------------------------------------------------------------------------

SUMMARY = ("Ready", "Reconciling", "Stalled", "Finished", "Succeeded")
Row = tuple[str, str, str, str]


def rows(made: Status, *kinds: str) -> list[Row]:
    return [(c.type, c.status, c.reason, c.message) for c in made.conditions if c.type in kinds]


def summary(phase: Phase, note: Note = "", error: ErrorStatus | None = None, **fields: Any) -> list[Row]:
    made = msgspec.structs.replace(status(phase), phase=phase.value, error=error, **fields)
    return rows(with_conditions(made, Status(), NOW, note), *SUMMARY)


LONG = "x" * 200
SHORT = "x" * 119 + "…"
PULLS = Problem(Reason.IMAGE_PULL_FAILED, LONG)


@pytest.mark.parametrize(
    ("note", "error", "reason", "reconciling", "text"),
    [
        ("", None, "Progressing", "Running", ""),
        ("it waits", None, "Progressing", "Running", "it waits"),
        (PULLS, None, "ImagePullFailed", "ImagePullFailed", LONG),
        ("", CAUSE, "QuotaExceeded", "Running", "exceeded quota"),
        ("it waits", CAUSE, "QuotaExceeded", "Running", "it waits"),
        (PULLS, CAUSE, "ImagePullFailed", "ImagePullFailed", LONG),
    ],
)
def test_the_summary_of_an_active_run(
    note: Note, error: ErrorStatus | None, reason: str, reconciling: str, text: str
) -> None:
    assert summary(Phase.RUNNING, note, error) == [
        ("Ready", "False", reason, SHORT if text == LONG else text),
        ("Reconciling", "True", reconciling, text),
        ("Finished", "False", "Running", ""),
        ("Succeeded", "Unknown", "Running", ""),
    ]


def test_the_summary_of_a_suspended_run_has_all_of_its_note() -> None:
    assert summary(Phase.SUSPENDED, LONG) == [
        ("Ready", "False", "Suspended", LONG),
        ("Finished", "False", "Suspended", ""),
        ("Succeeded", "Unknown", "Suspended", ""),
    ]


@pytest.mark.parametrize(
    ("run", "note", "reason", "ready", "text"),
    [
        (RunStatus(), "", "Succeeded", "", ""),
        (RunStatus(), "a Pod is left", "Succeeded", "a Pod is left", ""),
        (None, "", "Succeeded", "", ""),
        (
            RunStatus(outcome="SucceededWithFailures"),
            "a Pod is left",
            "SucceededWithFailures",
            "1 of 3 items failed, which spec.failurePolicy allows; the report lists them; a Pod is left",
            "1 of 3 items failed, which spec.failurePolicy allows; the report lists them",
        ),
    ],
)
def test_the_summary_of_a_success(
    run: RunStatus | None, note: str, reason: str, ready: str, text: str
) -> None:
    assert summary(Phase.SUCCEEDED, note, run=run, items=ItemCounts(3, 2, 1)) == [
        ("Ready", "True", reason, ready),
        ("Finished", "True", "Succeeded", ""),
        ("Succeeded", "True", reason, text),
    ]


@pytest.mark.parametrize(
    ("note", "error", "reason", "ready", "text"),
    [
        ("", CAUSE, "QuotaExceeded", "JOB_003: exceeded quota", "JOB_003: exceeded quota"),
        (
            "a Pod is left",
            CAUSE,
            "QuotaExceeded",
            "JOB_003: exceeded quota; a Pod is left",
            "JOB_003: exceeded quota",
        ),
        (LONG, None, "Failed", SHORT, ""),
    ],
)
def test_the_summary_of_a_failure(
    note: str, error: ErrorStatus | None, reason: str, ready: str, text: str
) -> None:
    assert summary(Phase.FAILED, note, error) == [
        ("Ready", "False", reason, ready),
        ("Stalled", "True", reason, text),
        ("Finished", "True", "Failed", ""),
        ("Succeeded", "False", reason, text),
    ]


AWAY = Failure(Code.STAGING, Reason.STORE_UNAVAILABLE, "503")


@pytest.mark.parametrize(
    ("note", "reason", "text"), [("emptied", "Deleting", "emptied"), (AWAY, "StoreUnavailable", "503")]
)
@pytest.mark.parametrize("before", [None, Phase.RUNNING], ids=str)
def test_the_summary_of_a_deletion(before: Phase | None, note: Note, reason: str, text: str) -> None:
    known = at_phase(before) if before else Status()
    deleting = msgspec.structs.replace(status(Phase.RUNNING), phase="Deleting")
    assert rows(with_conditions(deleting, known, NOW, note), *SUMMARY) == [
        ("Ready", "False", reason, text),
        ("Reconciling", "True", reason, text),
        ("Finished", "False", "Deleting", ""),
        ("Succeeded", "Unknown", "Deleting", ""),
    ]


def test_the_cleaning_of_a_run_that_was_being_cleaned_goes_on() -> None:
    before = at_phase(Phase.FAILING)
    assert rows(before, "StagingCleaned") == [("StagingCleaned", "False", "InProgress", "")]
    failed = msgspec.structs.replace(before, phase="Failed")
    assert rows(with_conditions(failed, before, later(5)), "StagingCleaned") == []
    failing = with_conditions(before, before, later(5))
    assert rows(failing, "StagingCleaned") == [("StagingCleaned", "False", "InProgress", "")]


def test_a_deferred_cleaning_keeps_its_message() -> None:
    before = with_conditions(at_phase(Phase.FAILED), Status(), NOW, cleaned="the store is away")
    after = with_conditions(before, before, later(5))
    assert rows(after, "StagingCleaned") == [("StagingCleaned", "False", "Deferred", "the store is away")]


@pytest.mark.parametrize("phase", [Phase.SUSPENDED, Phase.DELETING])
def test_without_staging_nothing_is_cleaned(phase: Phase) -> None:
    made = msgspec.structs.replace(status(phase), staging=None)
    assert rows(with_conditions(made, Status(), NOW), "StagingCleaned") == []


@pytest.mark.parametrize(("cleaned", "left"), [(True, False), ("the store is away", True), (None, True)])
def test_the_staging_is_in_the_status_until_it_is_empty(cleaned: bool | str | None, left: bool) -> None:
    made = with_conditions(status(Phase.FAILED), Status(), NOW, cleaned=cleaned)
    assert made.staging == (status(Phase.FAILED).staging if left else None)


def test_a_remark_stays_until_another_one() -> None:
    first = with_conditions(status(Phase.RUNNING), Status(), NOW, remarks={"Staged": "two\nlists"})
    assert rows(first, "Staged") == [("Staged", "True", "Staged", "two lists")]
    same = with_conditions(first, first, later(5), remarks={"Staged": ""})
    assert rows(same, "Staged") == [("Staged", "True", "Staged", "two lists")]
    other = with_conditions(first, first, later(5), remarks={"Staged": "one"})
    assert rows(other, "Staged") == [("Staged", "True", "Staged", "one")]


def test_an_overwritten_output_is_remembered() -> None:
    first = with_conditions(at_phase(Phase.SUCCEEDED), Status(), NOW, remarks={"Overwrote": "'a.webp'"})
    wanted = [("Overwrote", "True", "OtherImageJob", "'a.webp'")]
    assert rows(first, "Overwrote") == wanted
    assert rows(with_conditions(first, first, later(5)), "Overwrote") == wanted
    assert rows(at_phase(Phase.SUCCEEDED), "Overwrote") == []


def test_what_a_milestone_showed_while_it_was_false_is_forgotten() -> None:
    before = at_phase(Phase.FAILING)
    assert rows(before, "Launched") == [("Launched", "False", "QuotaExceeded", "exceeded quota")]
    running = with_conditions(status(Phase.RUNNING), before, later(5))
    assert rows(running, "Launched") == [("Launched", "True", "Launched", "")]
