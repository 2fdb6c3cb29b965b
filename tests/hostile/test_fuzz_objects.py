"""Any admitted object leads to a decision and a Pod, or to an InvalidSpec, without an exception."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fakes.build import POLICY, SPEC, UID
from fakes.clock import START
from hostile import generators_objects as objects
from imagejob_operator.adapters.kubernetes.pod_manifest import PodSettings, pod_manifest
from imagejob_operator.adapters.kubernetes.pod_status import read_attempt
from imagejob_operator.adapters.process.metrics import Metrics
from imagejob_operator.api import imagejob, status
from imagejob_operator.api.imagejob import ImageJob, parse_whole_job, whole_if_small
from imagejob_operator.api.imagestore import InvalidStore, StoreSpec, parse_store
from imagejob_operator.api.imagestore_status import Readiness, StoreReason, store_status
from imagejob_operator.api.spec import InvalidSpec, Spec
from imagejob_operator.api.status import status_body
from imagejob_operator.decision.action import Launch
from imagejob_operator.decision.attempt import Attempt
from imagejob_operator.decision.decide import decide
from imagejob_operator.decision.observation import Admission, Observation
from imagejob_operator.naming.names import LABEL_ATTEMPT, LABEL_EPOCH, LABEL_JOB, LABEL_RUN, LABEL_SHARD


def parsed(spec: Any, found: Any, **metadata: Any) -> ImageJob:
    job = parse_whole_job({"metadata": objects.metadata(**metadata), "spec": spec, "status": found})
    assert isinstance(job.spec, Spec | InvalidSpec)
    return job


def reconciled(job: ImageJob, *attempts: Attempt) -> None:
    """Decide, write the status, launch the Pods."""
    head = replace(job, spec=job.spec.head) if isinstance(job.spec, Spec) else job
    observation = Observation(START, head, POLICY, Admission(True), attempts=attempts)
    decision = decide(observation)
    json.dumps(status_body(decision.status))
    for action in decision.actions:
        if isinstance(action, Launch):
            launched(job, action.shard, action.number)


def launched(job: ImageJob, shard: int = 0, number: int = 1) -> None:
    settings = PodSettings("default", "image")
    pod = pod_manifest(settings, job, shard, number, timedelta(hours=1))
    json.dumps(pod)
    if small := whole_if_small(job):
        assert small == job
        assert pod_manifest(settings, small, shard, number, timedelta(hours=1)) == pod


RUNNING: dict[str, Any] = {"phase": "Running", "run": {"id": "1", "number": 1, "epoch": 1}}


@given(objects.any_specs)
@example(
    {**SPEC, "execution": {"podTemplate": {"resources": {"limits": {"memory": "1e9999999999999999999"}}}}}
)
@example({**SPEC, "execution": {"podTemplate": {"resources": {"limits": {"cpu": "1e1000000"}}}}})
def test_any_spec_ends_in_a_job_or_an_invalid_spec(spec: Any) -> None:
    """A user may create it in any namespace."""
    reconciled(parsed(spec, {}))
    job = parsed(spec, RUNNING)
    reconciled(job)
    if isinstance(job.spec, Spec):
        launched(job)


@given(objects.any_statuses, st.booleans(), st.booleans())
@example({"phase": "Validating", "phaseSince": "9999-12-31T23:59:59Z"}, False, True)
@example({"phase": "Failing", "phaseSince": "0001-01-01T00:00:00Z"}, True, True)
def test_any_status_leads_to_a_decision(found: Any, deleted: bool, guarded: bool) -> None:
    """A user with rights on the status may write it, and so may another version of the operator."""
    metadata: dict[str, Any] = {"finalizers": ["imagejob.dev/staging"] if guarded else []}
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-01T12:00:00Z"
    job = parsed(SPEC, found, **metadata)
    reconciled(job)
    reconciled(parsed({}, found, **metadata))
    metrics = Metrics()
    metrics.watch(lambda: [job], lambda: True)
    list(metrics.registry.collect())


@given(objects.stores, objects.store_statuses)
def test_any_imagestore_is_valid_or_invalid(spec: Any, found: Any) -> None:
    store = parse_store({"metadata": objects.metadata(), "spec": spec, "status": found})
    assert isinstance(store.spec, StoreSpec | InvalidStore)
    store_status(store, Readiness(StoreReason.INVALID_SPEC, str(store.spec)), START)


@given(objects.pod_statuses, st.lists(objects.counts, min_size=4, max_size=4))
def test_any_pod_is_an_attempt_or_ignored(written: Any, counts: list[str]) -> None:
    """A tenant may create Pods with the operator's labels and, with a node's rights, write their status."""
    names = (LABEL_RUN, LABEL_EPOCH, LABEL_SHARD, LABEL_ATTEMPT)
    labels = {LABEL_JOB: "spring", **dict(zip(names, counts, strict=True))}
    owner = {"uid": UID, "controller": True}
    found = read_attempt(
        {"metadata": objects.metadata(labels=labels, ownerReferences=[owner]), "status": written}
    )
    if found:
        shards = {"total": 2, "attempts": "0-1=1"}
        running = {
            **RUNNING,
            "run": {**RUNNING["run"], "shards": shards},
            "itemsPerShard": 1,
            "items": {"total": 2},
        }
        reconciled(parsed(SPEC, running), found[1])


def test_many_of_the_generated_statuses_are_readable() -> None:
    readable = []

    @given(objects.statuses())
    def count(found: Any) -> None:
        readable.append(parsed(SPEC, found).status.phase != "")

    count()
    assert sum(readable) > len(readable) / 6


def test_many_of_the_generated_specs_are_valid() -> None:
    """Otherwise the fuzzer tries the validation only."""
    valid = []

    @given(objects.with_fields(SPEC, objects._JOB["spec"], "spec"))
    def count(spec: Any) -> None:
        valid.append(isinstance(parsed(spec, {}).spec, Spec))

    count()
    assert sum(valid) > len(valid) / 6


def test_a_planted_bug_in_parsing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error of parsing leaves the parser."""
    monkeypatch.setattr(imagejob, "parsed", lambda parse, raw, otherwise: parse(raw))
    with pytest.raises(InvalidSpec):
        test_any_spec_ends_in_a_job_or_an_invalid_spec()


def test_a_planted_bug_in_a_decision_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times in the status are not bounded, so that adding a deadline to one overflows."""
    monkeypatch.setattr(status, "LATEST", datetime.max.replace(tzinfo=UTC))
    monkeypatch.setattr(status, "EARLIEST", datetime.min.replace(tzinfo=UTC))

    @settings(max_examples=1000)
    @given(objects.statuses())
    def planted(found: Any) -> None:
        reconciled(parsed(SPEC, found))

    with pytest.raises(OverflowError):
        planted()
