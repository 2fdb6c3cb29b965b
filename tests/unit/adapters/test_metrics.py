"""What the operator counts, as somebody reads it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from msgspec.structs import replace as replace_status

from fakes.build import attempt, job, status
from imagejob_operator.adapters.process.metric_collectors import MAX_NAMESPACES, OTHER_NAMESPACES
from imagejob_operator.adapters.process.metrics import Metrics
from imagejob_operator.api.errors import Reason
from imagejob_operator.api.imagejob import ImageJob, Key
from imagejob_operator.api.phase import Phase
from imagejob_operator.api.status import ItemCounts
from imagejob_operator.decision.attempt import State
from imagejob_operator.decision.phases.cleaning import DEFERRALS


@pytest.mark.parametrize("reason", DEFERRALS)
def test_deferred_cleanings_are_counted_by_reason_from_zero(reason: Reason) -> None:
    metrics = Metrics()
    name, labels = "imagejob_cleaning_deferred_total", {"reason": reason.value, "store": "default"}
    assert metrics.registry.get_sample_value(name, labels) == 0
    metrics.deferred(job(status(Phase.RUNNING)), reason)
    assert metrics.registry.get_sample_value(name, labels) == 1


def of(namespace: str, phase: Phase) -> ImageJob:
    found = job(status(phase))
    return replace(found, key=Key(namespace, found.key.name))


def test_ended_runs_are_counted_by_namespace() -> None:
    metrics = Metrics()
    for name in ("shop", "shop", "press"):
        metrics.moved(status(Phase.PUBLISHING), of(name, Phase.SUCCEEDED))
    found = series(metrics, "imagejob_finished_total")
    assert {labels["job_namespace"]: value for labels, value in found} == {"shop": 2, "press": 1}


def test_the_number_of_namespaces_with_series_of_their_own_is_bounded() -> None:
    """Whatever number of namespaces there are, the rest of them share one series."""
    metrics, jobs = Metrics(), [of(f"tenant-{n}", Phase.RUNNING) for n in range(3 * MAX_NAMESPACES)]
    metrics.watch(lambda: jobs, lambda: True)
    for one in jobs:
        metrics.moved(status(Phase.PUBLISHING), of(one.key.namespace, Phase.SUCCEEDED))
    finished = {
        labels["job_namespace"]: value for labels, value in series(metrics, "imagejob_finished_total")
    }
    assert len(finished) == MAX_NAMESPACES + 1
    assert finished[OTHER_NAMESPACES] == 2 * MAX_NAMESPACES
    oldest = series(metrics, "imagejob_oldest_unfinished_seconds")
    assert {labels["job_namespace"] for labels, _ in oldest} == finished.keys()


def test_the_age_is_there_without_a_job() -> None:
    metrics = Metrics()
    metrics.watch(list, lambda: True)
    assert series(metrics, "imagejob_oldest_unfinished_seconds") == [({"job_namespace": ""}, 0)]


def test_jobs_without_an_operator_are_counted() -> None:
    metrics = Metrics()
    metrics.watch_unserved(lambda: 3)
    assert series(metrics, "imagejob_unserved_jobs") == [({}, 3)]


def series(metrics: Metrics, name: str) -> list[tuple[dict[str, str], float]]:
    samples = (sample for family in metrics.registry.collect() for sample in family.samples)
    return [(sample.labels, sample.value) for sample in samples if sample.name == name]


def test_items_are_counted_once_a_run_has_ended() -> None:
    metrics, counts = Metrics(), ItemCounts(total=9, succeeded=4, failed=3, skipped=2)
    ended = replace(
        job(status(Phase.SUCCEEDED)), status=replace_status(status(Phase.SUCCEEDED), items=counts)
    )
    running = replace(ended, status=replace_status(status(Phase.RUNNING), items=counts))
    metrics.moved(status(Phase.LAUNCHING), running)
    assert sum(value for _, value in series(metrics, "imagejob_items_total")) == 0
    metrics.moved(status(Phase.PUBLISHING), ended)
    found = {labels["result"]: value for labels, value in series(metrics, "imagejob_items_total")}
    assert found == {"succeeded": 4, "failed": 3, "skipped": 2}


def test_the_start_of_a_pod_is_observed_when_it_is_known() -> None:
    metrics = Metrics()
    waits, runs, ended = (attempt(state) for state in (State.WAITING, State.RUNNING, State.SUCCEEDED))
    ended = replace(ended, started_at=ended.created_at + timedelta(seconds=3))
    for before, after in pairwise((waits, runs, ended, ended)):
        metrics.attempt_changed(before, after)
    assert metrics.registry.get_sample_value("imagejob_pod_start_seconds_count") == 1
    assert metrics.registry.get_sample_value("imagejob_pod_start_seconds_sum") == 3
