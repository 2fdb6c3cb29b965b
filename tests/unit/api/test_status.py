"""The status as it is written and read, and the history of runs."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.build import CAUSE, NOW, at_phase, job, later
from imagejob_operator.api.errors import Code, Failure, Reason
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import (
    MAX_HISTORY,
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


def test_suspended_time_extends_the_deadline_and_keeps_the_start() -> None:
    run = RunStatus(id="1", number=1, started_at=NOW, suspended_seconds=90)
    assert (run.started_at, run.counted_from) == (NOW, later(90))
    assert RunStatus(suspended_seconds=90).counted_from is None


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
