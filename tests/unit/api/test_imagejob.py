"""Parsing of ImageJobs, including those of older and newer operators."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.build import SPEC, UID
from imagejob_operator.api.imagejob import Key, attempt_name, parse_job
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import InvalidSpec
from imagejob_operator.api.status import RunPlace


def body(**fields: Any) -> dict[str, Any]:
    metadata = {"name": "spring", "namespace": "shop", "uid": UID, "resourceVersion": "1"}
    return {"metadata": metadata, "spec": SPEC, **fields}


def test_a_new_job_is_pending() -> None:
    job = parse_job(body(status={"observedGeneration": -1}))
    assert job.status.at is Phase.PENDING
    assert job.status.observed_generation == -1
    assert not job.guarded


def test_an_invalid_spec_is_a_value() -> None:
    job = parse_job(body(spec={}))
    assert isinstance(job.spec, InvalidSpec)
    assert "source" in str(job.spec)


def test_unknown_status_fields_are_ignored() -> None:
    job = parse_job(body(status={"phase": "Staging", "comesLater": {"a": 1}, "history": []}))
    assert job.status.at is Phase.STAGING


@pytest.mark.parametrize(
    "status",
    [
        {"phase": "NotYetInvented", "run": {"id": "1", "number": 4, "epoch": 1}},
        {"phase": 7, "run": {"id": "1", "number": 4, "epoch": 1}},
        {"phase": "Staging", "run": {"id": "1", "number": 4, "startedAt": "no time"}},
    ],
    ids=["unknown-phase", "wrong-type", "wrong-time"],
)
def test_an_unreadable_status_keeps_only_the_run_number(status: dict[str, Any]) -> None:
    job = parse_job(body(status=status))
    assert job.status.at is Phase.PENDING
    assert job.status.run is not None
    assert job.status.run.number == 4


@pytest.mark.parametrize("status", [{"run": "no"}, {"run": {"number": "no"}}, {"run": {"number": -1}}])
def test_a_status_without_run_number_is_empty(status: dict[str, Any]) -> None:
    job = parse_job(body(status={**status, "phase": "NotYetInvented"}))
    assert job.status.at is Phase.PENDING
    assert job.status.run is None


names = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,50}[a-z0-9])?", fullmatch=True)


@given(names, st.uuids().map(str), st.integers(1, 99999), st.integers(0, 999), st.integers(1, 99))
def test_names_of_attempts_fit_a_label_and_a_host_name(
    name: str, uid: str, run: int, shard: int, number: int
) -> None:
    made = attempt_name(Key("shop", name), uid, RunPlace(run, 1), shard, number)
    assert len(made) <= 63
    assert made == made.strip("-")
    assert made != attempt_name(Key("shop", name), uid, RunPlace(run + 1, 1), shard, number)
    assert made != attempt_name(Key("shop", name), uid, RunPlace(run, 2), shard, number)
    assert made != attempt_name(Key("shop", name), uid, RunPlace(run, 1, "another"), shard, number)
