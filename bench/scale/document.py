"""The document of a run, and what is wrong with one. Pure."""

from __future__ import annotations

from typing import Any

from scale.figures import Figures, medians, range_of, ratio
from scale.measure import IMAGE_JOBS, JOBS, LOADS, MANY_PODS, ONE_JOB, PODS, STEADY, STEADY_PART

PLANES: dict[str, int | None] = {"stock": None, "tuned": 500}
"""Requests per second that controllers and scheduler may send; None: their defaults."""
RATIOS = ((IMAGE_JOBS, JOBS), (IMAGE_JOBS, PODS), (MANY_PODS, ONE_JOB))
IMAGE_JOB_LOADS = (IMAGE_JOBS, MANY_PODS, STEADY)

Repetitions = list[dict[str, Figures]]


def document(about: dict[str, Any], found: dict[str, Repetitions]) -> dict[str, Any]:
    """Medians, ranges and ratios of all planes, each with its repetitions."""
    planes = {name: {"requestsPerSecond": PLANES[name], **_plane(each)} for name, each in found.items()}
    return {**about, "steadyPart": STEADY_PART, "planes": planes}


def _plane(repetitions: Repetitions) -> dict[str, Any]:
    loads = {
        load: {
            **medians([each[load] for each in repetitions]),
            "range": range_of([each[load] for each in repetitions]),
        }
        for load in LOADS
    }
    ratios = {f"{one} / {other}": ratio(repetitions, one, other) for one, other in RATIOS}
    return {"loads": loads, "ratios": ratios}


def objections(measured: dict[str, Any]) -> list[str]:
    """What a document lacks, and figures that cannot be true."""
    found = [f"no {plane} control plane" for plane in PLANES if plane not in measured["planes"]]
    for plane, each in measured["planes"].items():
        found += [f"{plane}: no load {load}" for load in LOADS if load not in each["loads"]]
        found += [
            f"{plane}: no ratio {one} / {other}"
            for one, other in RATIOS
            if f"{one} / {other}" not in each["ratios"]
        ]
        for load, figures in each["loads"].items():
            found += [f"{plane}, {load}: {wrong}" for wrong in _wrong(load, figures)]
    return found


def _wrong(load: str, figures: Figures) -> list[str]:
    low, high = figures["range"]
    needs_operator = load in IMAGE_JOB_LOADS
    checks = {
        "p50 is above p99": figures["p50"] <= figures["p99"],
        "the rate is outside of its range": 0 < low <= figures["perSecond"] <= high,
        "a component used no CPU": all(figures["cpuMs"][name] > 0 for name in ("kube-apiserver", "etcd")),
        "writes of the operator": bool(figures["operatorWrites"]) == needs_operator,
        # The operator checks its store now and then, whatever the load is.
        "requests to the store": (_total(figures, "storeRequests") >= 1) == needs_operator,
        "fewer writes in all than by the operator": _total(figures, "allWrites")
        >= _total(figures, "operatorWrites"),
        "no freshness": (load != STEADY) or set(figures.get("freshness", ())) == {"firstStatus", "podEnded"},
    }
    return [wrong for wrong, holds in checks.items() if not holds]


def _total(figures: Figures, name: str) -> float:
    return float(sum(figures[name].values()))
