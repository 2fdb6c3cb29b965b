"""The figures of the scale benchmark; a document that cannot be true is found."""

from __future__ import annotations

import copy
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from docgen.plots import interval, plots
from docgen.scaling import bench_scale
from localcluster.controlplane import with_request_limit
from scale.document import IMAGE_JOB_LOADS, PLANES, document, objections
from scale.drive import Load, Times
from scale.figures import figures, medians, quantile, significant
from scale.freshness import Freshness
from scale.measure import IMAGE_JOBS, JOBS, LOADS, PODS, STEADY
from scale.meters import (
    BENCH,
    COMPONENTS,
    MACHINE,
    PROGRAMS,
    Used,
    cpu_seconds,
    machine_seconds,
    metrics_token,
    resident_bytes,
)
from scale.objects import Kind
from scale.table import table

ABOUT = {"date": "d", "machine": "m", "jobs": 4, "shards": 4, "repetitions": 3}
WRITES = Counter({"create pods": 4, "patch imagejobs/status": 8})


def one(load: str, seconds: float) -> dict[str, Any]:
    """The figures of a load of four Pods."""
    image_jobs = load in IMAGE_JOB_LOADS
    used = Used(
        {**dict.fromkeys((*COMPONENTS, *PROGRAMS, BENCH), 0.4), MACHINE: 4.0},
        Counter({"PutObject": 12} if image_jobs else {}),
        WRITES if image_jobs else Counter(),
        WRITES,
    )
    applied = {str(n): float(n) for n in range(4)}
    times = Times(applied, {str(n): n + seconds for n in range(4)})
    lags = {"firstStatus": [0.1, 0.2], "podEnded": [0.3]} if load == STEADY else {}
    return figures(Load(Kind.POD, 4), times, used, [1_000_000, 2_000_000], lags)


@pytest.fixture(scope="module")
def measured() -> dict[str, Any]:
    """The document of three repetitions on both planes."""
    repetitions = [{load: one(load, seconds) for load in LOADS} for seconds in (1.0, 3.0, 5.0)]
    return json.loads(json.dumps(document(ABOUT, dict.fromkeys(PLANES, repetitions))))


def test_the_figures_of_a_load_are_per_pod(measured: dict[str, Any]) -> None:
    found = measured["planes"]["stock"]["loads"][IMAGE_JOBS]
    assert found["seconds"] == 6.0
    assert found["perSecond"] == 0.667
    assert found["range"] == [0.5, 1.0]
    assert (found["p50"], found["p99"]) == (3.0, 3.0)
    assert found["cpuMs"]["operator"] == 100
    assert found["operatorPeakMB"] == 2
    assert found["otherCores"] == 0.2
    assert found["operatorWrites"] == {"create pods": 1, "patch imagejobs/status": 2}
    assert found["storeRequests"] == {"PutObject": 3}


def test_a_true_document_is_true(measured: dict[str, Any]) -> None:
    assert objections(measured) == []


def stock(changed: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = changed["planes"]["stock"]["loads"]
    return found


PLANTED: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no-plane": (lambda d: d["planes"].pop("tuned"), "no tuned control plane"),
    "no-load": (lambda d: stock(d).pop(JOBS), "stock: no load Jobs, burst"),
    "no-ratio": (lambda d: d["planes"]["stock"]["ratios"].clear(), "stock: no ratio"),
    "p50-above-p99": (lambda d: stock(d)[JOBS].update(p50=99.0), "p50 is above p99"),
    "rate": (lambda d: stock(d)[JOBS].update(perSecond=9.0), "outside of its range"),
    "no-cpu": (lambda d: stock(d)[JOBS]["cpuMs"].update(etcd=0), "used no CPU"),
    "operator-idle": (lambda d: stock(d)[IMAGE_JOBS]["operatorWrites"].clear(), "writes of the operator"),
    "operator-busy": (lambda d: stock(d)[PODS]["operatorWrites"].update(x=1), "writes of the operator"),
    "no-store": (lambda d: stock(d)[IMAGE_JOBS]["storeRequests"].clear(), "requests to the store"),
    "few-writes": (lambda d: stock(d)[IMAGE_JOBS]["allWrites"].clear(), "fewer writes in all"),
    "no-freshness": (lambda d: stock(d)[STEADY].pop("freshness"), "no freshness"),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_document_that_cannot_be_true_is_found(measured: dict[str, Any], planted: str) -> None:
    change, words = PLANTED[planted]
    changed = copy.deepcopy(measured)
    change(changed)
    assert any(words in objection for objection in objections(changed))


def test_the_page_and_the_table_have_every_load(measured: dict[str, Any]) -> None:
    page, shown = bench_scale(measured), "\n".join(table(measured))
    for load in LOADS:
        assert f"| {load} | 0.667 | 0.5 to 1 |" in page
        assert load in shown


@pytest.mark.parametrize(("writes", "met"), [(8, "yes"), (8.1, "**no**")])
def test_the_page_says_which_bars_are_met(measured: dict[str, Any], writes: float, met: str) -> None:
    changed = copy.deepcopy(measured)
    stock(changed)[STEADY]["operatorWrites"] = {"create pods": 1, "patch imagejobs/status": writes - 1}
    page = bench_scale(changed)
    assert f"| writes of the operator per ImageJob, steady | stock | {writes:g} | at most 8 | {met} |" in page


def test_the_plots_depend_on_the_figures(measured: dict[str, Any]) -> None:
    changed = copy.deepcopy(measured)
    stock(changed)[JOBS]["perSecond"] = 0.5
    before, after = plots(measured), plots(changed)
    assert all(png.startswith(b"\x89PNG") for png in before.values())
    assert {name for name, png in before.items() if png != after[name]} == {"bench-scale-rate.png"}


@pytest.mark.parametrize(("most", "wanted"), [(30.2, 10), (362, 100), (1, 0.2), (5, 1), (0.6, 0.2)])
def test_the_lines_of_a_scale_are_at_round_numbers(most: float, wanted: float) -> None:
    assert interval(most) == pytest.approx(wanted)


def test_the_numbers() -> None:
    assert [quantile([3, 1, 2, 4], part) for part in (0, 0.5, 0.99, 1)] == [1, 2, 4, 4]
    assert [significant(value) for value in (0, 0.012345, 1.2345, 123.45, 12345.6)] == [
        *(0, 0.0123, 1.23, 123, 12346)
    ]
    assert medians([{"a": 1.0}, {"a": 2.0, "b": {"c": 1.0}}, {"a": 9.0, "b": {"c": 3.0}}]) == {
        "a": 2.0,
        "b": {"c": 1.0},
    }


def job(phase: str) -> dict[str, Any]:
    return {"metadata": {"name": "a"}, "status": {"phase": phase} if phase else {}}


def test_freshness_is_from_the_change_to_the_status_that_shows_it() -> None:
    freshness = Freshness()
    pod = {"metadata": {"ownerReferences": [{"name": "a"}]}, "status": {"phase": "Succeeded"}}
    running = {**pod, "status": {"phase": "Running"}}
    seen = [
        *((Kind.IMAGE_JOB, job(""), 1.0), (Kind.IMAGE_JOB, job("Staging"), 1.5), (Kind.POD, running, 2.0)),
        *(
            (Kind.POD, pod, 3.0),
            (Kind.IMAGE_JOB, job("Running"), 3.5),
            (Kind.IMAGE_JOB, job("Succeeded"), 5.0),
        ),
    ]
    for kind, found, at in seen:
        freshness.observe(kind, found, at)
    assert freshness.lags() == {"firstStatus": [0.5], "podEnded": [2.0]}


def finished(kind: str) -> dict[str, Any]:
    return {"status": {"phase": "Failed", "conditions": [{"type": kind, "status": "True"}]}}


def test_the_outcome_of_an_object_is_known_by_its_kind() -> None:
    assert [kind.outcome({}) for kind in Kind] == ["", "", ""]
    assert Kind.IMAGE_JOB.outcome(finished("Finished")) == "Failed"
    assert Kind.JOB.outcome(finished("Complete")) == "Succeeded"
    assert Kind.JOB.outcome(finished("Failed")) == "Failed"
    assert Kind.POD.outcome({"status": {"phase": "Running"}}) == ""


def test_the_meters_read_a_process() -> None:
    own = int(Path("/proc/self").readlink().name)
    assert 0 < cpu_seconds(own) < machine_seconds()
    assert resident_bytes(own) > 1_000_000
    assert metrics_token("key", "secret").count(".") == 2


def test_a_limit_of_requests_replaces_the_one_before() -> None:
    limited = with_request_limit(["kube-scheduler", "--kube-api-qps=9", "--v=1"], 500)
    assert limited == ["kube-scheduler", "--v=1", "--kube-api-qps=500", "--kube-api-burst=500"]
    assert with_request_limit(limited, None) == ["kube-scheduler", "--v=1"]
