"""Parsing of ImageJobs, including those of older and newer operators."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fakes.build import SPEC, UID
from imagejob_operator.api.imagejob import (
    SMALL_SPEC_BYTES,
    ImageJob,
    Key,
    attempt_name,
    parse_job,
    parse_whole_job,
    whole_if_small,
)
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.spec import InvalidSpec, Spec
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


@pytest.mark.parametrize(
    "example", sorted((Path(__file__).parents[3] / "examples").glob("*.yaml")), ids=lambda path: path.stem
)
def test_a_small_spec_is_kept_whole(example: Path) -> None:
    for manifest in yaml.safe_load_all(example.read_text()):
        if manifest["kind"] == "ImageJob":
            made = body(spec=manifest["spec"])
            cached, whole = parse_job(made), parse_whole_job(made)
            assert not isinstance(cached.spec, Spec)
            small = whole_if_small(cached)
            assert small is None or small == whole


@pytest.mark.parametrize(("more", "kept"), [(0, True), (1, False)])
def test_a_spec_is_small_up_to_a_size(more: int, kept: bool) -> None:
    def padded(length: int) -> ImageJob:
        annotations = {"example.com/padding": "x" * length}
        return parse_job(body(spec={**SPEC, "execution": {"podTemplate": {"annotations": annotations}}}))

    length = SMALL_SPEC_BYTES - len(padded(0).small_spec) + more
    assert (whole_if_small(padded(length)) is not None) == kept
    assert padded(length).spec_hash


def test_an_invalid_spec_is_not_kept() -> None:
    assert whole_if_small(parse_job(body(spec={}))) is None


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
