"""The figures of one load, their medians over repetitions, and the document of a run. Pure."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Sequence
from typing import Any

from scale.drive import Load, Times
from scale.meters import MACHINE, Used

Figures = dict[str, Any]
MB = 1e6
LEAST = 0.005
"""Writes and requests per Pod below this are left out: they belong to something else."""


def quantile(values: Sequence[float], part: float) -> float:
    """The smallest value that so large a part of the values does not exceed."""
    return sorted(values)[max(0, math.ceil(part * len(values)) - 1)]


def figures(
    load: Load, times: Times, used: Used, resident: Sequence[int], lags: dict[str, list[float]]
) -> Figures:
    """What one load has cost, per Pod where it depends on their number."""
    latencies = times.latencies()
    cpu = {name: seconds for name, seconds in used.cpu.items() if name != MACHINE}
    made: Figures = {
        "seconds": times.seconds,
        "perSecond": load.pods / times.seconds,
        "p50": quantile(latencies, 0.5),
        "p99": quantile(latencies, 0.99),
        "cpuMs": {name: 1000 * seconds / load.pods for name, seconds in cpu.items()},
        "otherCores": max(0.0, used.cpu[MACHINE] - sum(cpu.values())) / times.seconds,
        "operatorCores": cpu["operator"] / times.seconds,
        "operatorPeakMB": max(resident) / MB,
        "operatorWrites": _per_pod(used.operator_writes, load),
        "allWrites": _per_pod(used.all_writes, load),
        "storeRequests": _per_pod(used.requests, load),
    }
    if any(lags.values()):
        made["freshness"] = {
            what: {"p50": quantile(found, 0.5), "p99": quantile(found, 0.99)} for what, found in lags.items()
        }
    return made


def _per_pod(counted: Counter[str], load: Load) -> dict[str, float]:
    return {name: count / load.pods for name, count in counted.items() if count / load.pods >= LEAST}


def medians(repetitions: Sequence[Figures]) -> Figures:
    """The median of every number; one that a repetition does not have is 0 in it."""
    made: Figures = {}
    for name in dict.fromkeys(name for figures in repetitions for name in figures):
        values = [figures.get(name) for figures in repetitions]
        if any(isinstance(value, dict) for value in values):
            made[name] = medians([value or {} for value in values])
        else:
            made[name] = significant(statistics.median(value or 0 for value in values))
    return made


def significant(value: float) -> float:
    """Three significant digits, and all of those before the point."""
    return value if not value else round(value, max(0, 2 - math.floor(math.log10(abs(value)))))


def ratio(repetitions: Sequence[dict[str, Figures]], one: str, other: str) -> float:
    """The median of the ratios of two rates, each of the same repetition."""
    return significant(statistics.median(r[one]["perSecond"] / r[other]["perSecond"] for r in repetitions))


def range_of(repetitions: Sequence[Figures]) -> list[float]:
    """The lowest and the highest rate."""
    rates = [figures["perSecond"] for figures in repetitions]
    return [significant(min(rates)), significant(max(rates))]
