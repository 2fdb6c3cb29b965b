"""The checks of `make flux` find what a sync or a prune by Flux must not do."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from e2e.audit import Write
from e2e.flux.judgement import answered, applied_again, changes, left, message, readiness, reverted, waited

Object = dict[str, Any]
APPLIED: Object = {
    "metadata": {
        "uid": "a",
        "generation": 1,
        "resourceVersion": "7",
        "finalizers": ["imagejob.dev/staging"],
        "managedFields": [
            {"manager": "kustomize-controller", "fieldsV1": {"f:spec": {"f:source": {}}}},
            {"manager": "kopf", "fieldsV1": {"f:metadata": {"f:finalizers": {}}, "f:status": {}}},
        ],
    },
    "spec": {"limits": {"frames": 100}, "execution": {"parallelism": 1}},
    "status": {"phase": "Running", "run": {"number": 1}},
}
INVENTORY = [{"id": "shop_settings__ConfigMap", "v": "v1"}]


def kustomization(**status: Any) -> Object:
    return {"metadata": {"generation": 2}, "status": status}


def ready(status: str, generation: int = 2) -> Object:
    return {
        "type": "Ready",
        "status": status,
        "reason": "HealthCheckFailed",
        "message": "why",
        "observedGeneration": generation,
    }


def planted(change: Callable[[Object], object]) -> Object:
    made = copy.deepcopy(APPLIED)
    change(made)
    return made


def test_a_sync_that_kept_all_is_right() -> None:
    assert changes(APPLIED, copy.deepcopy(APPLIED)) == []
    assert reverted(APPLIED) == []


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda job: job["metadata"].update(generation=2), "metadata.generation: 1, then 2"),
        (lambda job: job["metadata"].update(resourceVersion="8"), "metadata.resourceVersion: 7, then 8"),
        (lambda job: job["metadata"].update(uid="b"), "metadata.uid: a, then b"),
        (lambda job: job["metadata"].pop("finalizers"), "metadata.finalizers"),
        (lambda job: job["status"]["run"].update(number=2), "status has changed"),
        (lambda job: job["spec"].pop("limits"), "spec has changed"),
    ],
)
def test_a_change_by_a_sync_is_found(change: Callable[[Object], object], word: str) -> None:
    found = changes(APPLIED, planted(change))
    assert len(found) == 1
    assert word in found[0]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda job: job["metadata"].update(finalizers=[]), "the finalizer imagejob.dev/staging is gone"),
        (lambda job: job["metadata"]["managedFields"].pop(0), "applied nothing"),
        (lambda job: job["metadata"]["managedFields"][1].update(manager="kustomize-controller"), "f:status"),
        (lambda job: job["metadata"].update(generation=3), "metadata.generation is 3"),
        (lambda job: job["spec"].pop("execution"), "spec.execution lost its default"),
    ],
)
def test_what_was_reverted_is_found(change: Callable[[Object], object], word: str) -> None:
    assert any(word in found for found in reverted(planted(change)))


def test_the_operator_may_remove_its_finalizer_from_a_job_that_has_ended() -> None:
    ended = {"observedGeneration": 1, "conditions": [{"type": "Finished", "status": "True"}]}
    assert reverted(planted(lambda job: (job["metadata"].pop("finalizers"), job.update(status=ended)))) == []


def test_a_second_write_is_found() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)

    def write(resource: str) -> Write:
        return Write("patch", resource, "shop", "job", 200, "", moment)

    assert applied_again([write("imagejobs"), write("configmaps")]) == []
    assert applied_again([write("imagejobs"), write("imagejobs")]) == ["patch imagejobs shop/job 200"]


def test_a_clean_prune_leaves_nothing() -> None:
    assert left(None, [], kustomization(inventory={"entries": INVENTORY})) == []


def test_a_finalizer_that_is_never_released_is_found() -> None:
    job = planted(lambda job: job["metadata"].update(deletionTimestamp="2026-01-01T00:00:00Z"))
    assert left(job, [], kustomization()) == [
        "the ImageJob exists: deleted, finalizers ['imagejob.dev/staging']"
    ]


def test_a_job_that_was_not_pruned_is_found() -> None:
    entries = [*INVENTORY, {"id": "shop_job_imagejob.dev_ImageJob", "v": "v1alpha1"}]
    assert left(APPLIED, ["staging object a"], kustomization(inventory={"entries": entries})) == [
        "the ImageJob exists: not deleted, finalizers ['imagejob.dev/staging']",
        "staging object a",
        "inventory entry shop_job_imagejob.dev_ImageJob",
    ]


def test_a_condition_of_an_earlier_generation_does_not_count() -> None:
    assert readiness(kustomization(conditions=[ready("True")])) == ("True", "HealthCheckFailed")
    assert readiness(kustomization(conditions=[ready("True", generation=1)])) == ("Unknown", "")
    assert readiness(kustomization()) == ("Unknown", "")
    assert message(kustomization(conditions=[ready("False")])) == "why"


def test_a_run_waited_from_the_creation_of_its_job() -> None:
    job = {
        "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"},
        "status": {"run": {"startedAt": "2026-01-01T00:00:31Z"}},
    }
    assert waited(job) == 31


def test_a_sync_that_goes_on_has_not_ended() -> None:
    going_on = {"type": "Reconciling", "status": "True", "reason": "Progressing"}
    failed = {**going_on, "reason": "ProgressingWithRetry"}
    assert answered(kustomization(lastHandledReconcileAt="1", conditions=[]), "1")
    assert not answered(kustomization(lastHandledReconcileAt="1", conditions=[going_on]), "1")
    assert answered(kustomization(lastHandledReconcileAt="1", conditions=[failed]), "1")
    assert not answered(kustomization(lastHandledReconcileAt="0"), "1")
    assert not answered({"metadata": {"generation": 1}}, "1")
