"""The figures of the capacity benchmark; figures that cannot be true are found."""

from __future__ import annotations

import asyncio
import copy
import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, cast

import pytest

from capacity import creation, timeline
from capacity.creation import until_phases
from capacity.document import BARS, PARTS, objections, part_of_document
from capacity.items import copying
from capacity.objects import active_job, bare_pod, ended_job, large_job, photo_job, queued_job, suspended_job
from capacity.place import Program
from capacity.timeline import Timeline
from docgen.capacity import bench_capacity
from fakes.build import job
from imagejob_contract.order import ORDER_URL_VARIABLE
from imagejob_operator.adapters.kubernetes.session import KubeHTTP
from imagejob_operator.api.imagejob import whole_spec
from scale.drive import LoadFailed
from scale.objects import Kind

LAGS = {"firstStatusP99": 0.1, "podEndedP99": 0.9}
LATENCIES = {"p50": 1.0, "p90": 1.5, "p99": 2.0, "max": 3.0, **LAGS}
RESTART = {"readySeconds": 5.0, "probeSeconds": 6.0, "peakMiB": 150.0}
TRUE: dict[str, dict[str, Any]] = {
    "live": {
        **{"live": 10, "active": 2, "suspended": 4, "ended": 4, "creationSeconds": 9.0, "creationCores": 0.5},
        **{"idleMiB": 80.0, "creationPeakMiB": 160.0, "settledPeakMiB": 150.0, "settledCores": 0.1},
        **{"restarts": [RESTART], "restartPeakMiB": 150.0, "readySeconds": 5.0, "probeSeconds": 6.0},
    },
    "items": {
        **{"items": 100, "idleMiB": 80.0, "peakMiB": 120.0, "growthMiB": 40.0, "stagingSeconds": 10.0},
        **{"stagingPerSecond": 10.0, "barePerSecond": 20.0, "bareBeforePerSecond": 19.0},
        **{"bareAfterPerSecond": 21.0, "stagingRatio": 0.5, "copies": 101, "lookUps": 100},
        **{"lookUpSeconds": 4.0, "copyPerSecond": 18.0, "copyRatio": 0.9},
        **{"operatorCores": 0.6, "storeCores": 0.9},
    },
    "neighbours": {
        **{"probes": 20, "queued": 50, "alone": LATENCIES, "beside": {**LATENCIES, "p99": 2.5}},
        **{"delaySeconds": 0.5, "leftBefore": 50, "leftAfter": 30, "failed": 0, "queuePerSecond": 1.0},
    },
    "latency": {
        **{"pairs": 20, "imageJobSeconds": 3.0, "podSeconds": 2.25, "differenceSeconds": 0.75},
        **{"differences": [0.5, 1.0], "podContainerSeconds": 2.0, "differenceToContainer": 1.0},
        **{"untilPodCreated": 0.25, "untilContainerEnded": 2.5, "afterContainer": 0.5},
    },
    "pressure": {
        **{"jobs": 20, "succeeded": 20, "lost": 0, "seconds": 9.0, "perSecond": 2.2, "p50": 5.0, "p99": 9.0},
        **{"apiRequests": 200, "apiRefused": 20, "storeRequests": 400, "storeRefused": 40},
    },
}
ABOUT = {"date": "d", "machine": "m", "otherCores": 0.1}


@pytest.mark.parametrize("part", PARTS)
def test_true_figures_are_true(part: str) -> None:
    assert objections(part, TRUE[part]) == []


PLANTED: dict[str, tuple[str, Callable[[dict[str, Any]], Any], str]] = {
    "counts": ("live", lambda f: f.update(ended=3), "not as many as their parts"),
    "live-peak": ("live", lambda f: f.update(creationPeakMiB=70.0), "peak of memory is below"),
    "no-cpu": ("live", lambda f: f.update(settledCores=0.0), "no CPU"),
    "no-restart": ("live", lambda f: f.update(restarts=[]), "a restart took no time"),
    "no-memory": ("live", lambda f: f["restarts"][0].update(peakMiB=0.0), "has no memory"),
    "items-peak": ("items", lambda f: f.update(peakMiB=70.0), "peak of memory is below"),
    "few-copies": ("items", lambda f: f.update(copies=99), "fewer copies than there are items"),
    "no-rate": ("items", lambda f: f.update(stagingPerSecond=0.0), "a rate is zero"),
    "slow-copies": ("items", lambda f: f.update(copyPerSecond=9.0), "slower than the staging"),
    "unlike-loops": ("items", lambda f: f.update(bareAfterPerSecond=40.0), "differ by more than half"),
    "p50-above-p99": ("neighbours", lambda f: f["alone"].update(p50=9.0), "p50 is above p99"),
    "empty-queue": ("neighbours", lambda f: f.update(leftAfter=0), "the queue was empty"),
    "still-queue": ("neighbours", lambda f: f.update(queuePerSecond=0.0), "the queue did not move"),
    "failed-queue": ("neighbours", lambda f: f.update(failed=1), "failed"),
    "no-duration": ("latency", lambda f: f.update(untilPodCreated=0.0), "a duration is zero"),
    "early-end": ("latency", lambda f: f.update(untilContainerEnded=0.2), "before its Pod was created"),
    "late-container": ("latency", lambda f: f.update(podContainerSeconds=3.0), "before its container ended"),
    "median": ("latency", lambda f: f.update(differenceSeconds=2.0), "outside of its range"),
    "no-429": ("pressure", lambda f: f.update(apiRefused=0), "the API server refused nothing"),
    "no-store-429": ("pressure", lambda f: f.update(storeRefused=0), "the store refused nothing"),
    "many": ("pressure", lambda f: f.update(succeeded=21), "more ImageJobs succeeded"),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_figures_that_cannot_be_true_are_found(planted: str) -> None:
    part, change, words = PLANTED[planted]
    figures = copy.deepcopy(TRUE[part])
    change(figures)
    assert any(words in wrong for wrong in objections(part, figures))


@pytest.mark.parametrize(
    ("part", "figure", "missed"),
    [
        ("live", "readySeconds", 20.0),
        ("items", "stagingRatio", 0.849),
        ("latency", "differenceSeconds", 1.01),
        ("pressure", "lost", 1),
    ],
)
def test_a_bar_that_is_missed_is_on_the_page(part: str, figure: str, missed: float) -> None:
    (bar,) = (bar for bar in BARS if bar.figure == figure)
    for value, met in ((TRUE[part][figure], bar.met_by(TRUE[part])), (missed, False)):
        measured = {name: part_of_document(ABOUT, name, TRUE[name]) for name in PARTS}
        measured[part] = part_of_document(ABOUT, part, {**TRUE[part], figure: value})
        row = f"| {bar.what} | {value:g} | {bar.words} {bar.limit:g} | {'yes' if met else '**no**'} |"
        assert row in bench_capacity({"parts": measured})


def test_a_part_that_is_missing_is_on_the_page() -> None:
    measured = {name: part_of_document(ABOUT, name, TRUE[name]) for name in PARTS}
    assert "Not measured yet" not in bench_capacity({"parts": measured})
    del measured["items"]
    assert "Not measured yet: items.\n" in bench_capacity({"parts": measured})


def test_a_document_has_three_significant_digits() -> None:
    figures = {**TRUE["latency"], "differenceSeconds": 0.75123, "differences": [0.51234, 1234.5]}
    kept = part_of_document(ABOUT, "latency", figures)["figures"]
    assert (kept["differenceSeconds"], kept["differences"], kept["pairs"]) == (0.751, [0.512, 1234.0], 20)


def test_the_copies_begin_when_all_sources_are_looked_up() -> None:
    counts = [(0, 0), (50, 1), (100, 1), (100, 51), (100, 101), (100, 101)]
    samples = [
        (float(second), Counter({"HeadObject": looked_up, "CopyObject": 7 + copied}))
        for second, (looked_up, copied) in enumerate(counts)
    ]
    figures = copying(samples, bare=50.0)
    assert (figures["copies"], figures["lookUps"], figures["lookUpSeconds"]) == (101, 100, 2.0)
    assert figures["copyPerSecond"] == pytest.approx(50.0, rel=0.01)
    assert figures["copyRatio"] == pytest.approx(1.0, rel=0.01)


@pytest.mark.parametrize("made", [active_job, suspended_job, ended_job, queued_job, large_job, photo_job])
def test_the_specs_are_valid(made: Callable[[str], dict[str, Any]]) -> None:
    assert whole_spec(job(wanted=made("a")["spec"]))


def test_a_bare_pod_is_like_that_of_an_imagejob() -> None:
    secret = {"name": ORDER_URL_VARIABLE, "valueFrom": {"secretKeyRef": {}}}
    container = {"name": "processor", "env": [secret, {"name": "IMAGEJOB_ENGINE", "value": "Simd"}]}
    like = {"spec": {"nodeName": "node0", "restartPolicy": "Never", "containers": [container]}}
    (made,) = (bare_pod("bare", like, "http://order")["spec"],)
    assert made["restartPolicy"] == "Never"
    assert "nodeName" not in made
    assert made["containers"][0]["env"] == [
        {"name": ORDER_URL_VARIABLE, "value": "http://order"},
        {"name": "IMAGEJOB_ENGINE", "value": "Simd"},
    ]
    assert like["spec"]["nodeName"] == "node0"


def test_the_peak_of_a_process_can_be_forgotten() -> None:
    program = Program.__new__(Program)
    program._name, program._pid = "operator", os.getpid()
    resident = program.resident_bytes()
    block = bytearray(b"x" * 64 * 2**20)
    assert program.peak_bytes() > resident + len(block) / 2
    del block
    program.forget_peak()
    assert program.peak_bytes() < resident + 32 * 2**20
    program._pid = 2**22 + 1
    with pytest.raises(LoadFailed, match="the process of the operator has ended"):
        program.cpu_seconds()


def named(name: str, phase: str, finished: bool = False) -> dict[str, Any]:
    conditions = [{"type": "Finished", "status": str(finished)}]
    return {"metadata": {"name": name}, "status": {"phase": phase, "conditions": conditions}}


class Feed:
    """What a watch delivers, from a list."""

    def __init__(self, *seen: dict[str, Any]) -> None:
        self._seen = seen

    async def __call__(self, *_: object) -> Any:
        for found in self._seen:
            yield False, found
        await asyncio.Event().wait()


HTTP = cast("KubeHTTP", None)


async def test_phases_are_counted_by_what_was_seen_last(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = [named("a", "Pending"), named("b", "Suspended"), named("a", "Running"), named("a", "Running")]
    monkeypatch.setattr(creation, "follow", Feed(*seen))
    await until_phases(HTTP, "live", Counter({"Running": 1, "Suspended": 1}), 5)
    with pytest.raises(LoadFailed, match=r"{'Suspended': 1, 'Running': 1}, expected {'Running': 2}"):
        await until_phases(HTTP, "live", Counter({"Running": 2}), 0.01)
    monkeypatch.setattr(creation, "follow", Feed(named("a", "Failed")))
    with pytest.raises(LoadFailed, match="a is Failed"):
        await until_phases(HTTP, "live", Counter({"Running": 1}), 5)


async def test_a_timeline_has_the_first_time_of_each_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Timeline()
    waiting = asyncio.create_task(seen.until_succeeded(Kind.IMAGE_JOB, "a", 5))
    for at, phase in enumerate(("Staging", "Staging", "Succeeded")):
        await seen.see(Kind.IMAGE_JOB, False, named("a", phase, phase == "Succeeded"), float(at))
    assert await waiting == 2.0
    assert seen.phases[Kind.IMAGE_JOB, "a", "Staging"] == 0.0
    await seen.see(Kind.IMAGE_JOB, True, named("a", "Succeeded"), 9.0)
    assert seen.objects == {}
    pod = named("p", "Running")
    pod["status"]["containerStatuses"] = [{"state": {"terminated": {"exitCode": 0}}}]
    await seen.see(Kind.POD, False, named("p", "Running"), 1.0)
    await seen.see(Kind.POD, False, pod, 2.0)
    assert seen.container_ended == {"p": 2.0}
    await seen.see(Kind.IMAGE_JOB, False, named("b", "Failed", finished=True), 9.0)
    with pytest.raises(LoadFailed, match="ImageJob b is Failed"):
        await seen.until_succeeded(Kind.IMAGE_JOB, "b", 5)
    with pytest.raises(LoadFailed, match="the end of ImageJob c: not within 0 s"):
        await seen.until_succeeded(Kind.IMAGE_JOB, "c", 0.01)


async def test_a_followed_namespace_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timeline, "follow", Feed(named("a", "Running")))
    async with timeline.followed(HTTP, "shop") as seen:
        await seen.until(lambda: len(seen.objects) == 2, "an ImageJob and a Pod", 5)
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0)
