"""The figures of a part with its bars, and figures that cannot be true. Pure."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scale.figures import Figures, significant

PARTS = ("live", "items", "neighbours", "latency", "pressure")


@dataclass(frozen=True)
class Bar:
    """What a figure should be."""

    part: str
    figure: str
    what: str
    words: str
    limit: float

    def met_by(self, figures: Figures) -> bool:
        """Whether the figure is as it should be."""
        return bool(_COMPARISONS[self.words](figures[self.figure], self.limit))


_COMPARISONS: dict[str, Callable[[float, float], object]] = {
    "at most": operator.le,
    "less than": operator.lt,
    "at least": operator.ge,
}

BARS = (
    Bar("live", "creationPeakMiB", "operator: memory while the ImageJobs are created, MiB", "at most", 256),
    Bar("live", "settledPeakMiB", "operator: memory in the minute after that, MiB", "at most", 256),
    Bar("live", "restartPeakMiB", "operator: memory after a restart, MiB", "at most", 256),
    Bar("live", "settledCores", "operator: CPU in the minute after the creation, cores", "at most", 1),
    Bar("live", "readySeconds", "restart of the operator until it is Ready, s", "less than", 20),
    Bar("items", "growthMiB", "operator: more memory while the items are staged, MiB", "less than", 64),
    Bar("items", "stagingRatio", "rate of staging / rate of bare copies", "at least", 0.85),
    Bar(
        "neighbours", "delaySeconds", "p99 of the probes beside the queue, minus p99 alone, s", "less than", 2
    ),
    Bar("latency", "differenceSeconds", "ImageJob minus bare Pod, median of the pairs, s", "at most", 1),
    Bar("pressure", "lost", "ImageJobs that have not succeeded", "at most", 0),
)


def part_of_document(about: dict[str, Any], part: str, figures: Figures) -> dict[str, Any]:
    """A part as it is kept: when it was measured, its figures, and its bars."""
    figures = rounded(figures)
    bars = [
        {
            "what": bar.what,
            "measured": figures[bar.figure],
            "bar": f"{bar.words} {bar.limit:g}",
            "met": bar.met_by(figures),
        }
        for bar in BARS
        if bar.part == part
    ]
    return {**about, "figures": figures, "bars": bars}


def rounded(value: Any) -> Any:
    """Every number with three significant digits, and all of those before the point."""
    if isinstance(value, dict):
        return {name: rounded(each) for name, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return significant(value) if isinstance(value, float) else value


def objections(part: str, figures: Figures) -> list[str]:
    """Figures of a part that cannot be true."""
    return [f"{part}: {wrong}" for wrong, holds in _CHECKS[part](figures).items() if not holds]


def _live(f: Figures) -> dict[str, bool]:
    restarts = f["restarts"]
    return {
        "the ImageJobs are not as many as their parts": f["active"] + f["suspended"] + f["ended"]
        == f["live"],
        "the peak of memory is below the memory before": f["idleMiB"] <= f["creationPeakMiB"],
        "the operator used no CPU": min(f["creationCores"], f["settledCores"]) > 0,
        "a restart took no time": bool(restarts)
        and all(min(each["readySeconds"], each["probeSeconds"]) > 0 for each in restarts),
        "a restarted operator has no memory": bool(restarts)
        and all(each["peakMiB"] > 1 for each in restarts),
    }


def _items(f: Figures) -> dict[str, bool]:
    return {
        "the peak of memory is below the memory before": f["idleMiB"] <= f["peakMiB"],
        "the store made fewer copies than there are items": f["copies"] >= f["items"],
        "a rate is zero": min(f["stagingPerSecond"], f["bareBeforePerSecond"], f["bareAfterPerSecond"]) > 0,
        "the copies alone are slower than the staging": f["copyPerSecond"] >= f["stagingPerSecond"],
        "the loops before and after differ by more than half": _near(
            f["bareBeforePerSecond"], f["bareAfterPerSecond"]
        ),
    }


def _near(one: float, other: float) -> bool:
    return max(one, other) <= 1.5 * min(one, other)


def _neighbours(f: Figures) -> dict[str, bool]:
    return {
        "p50 is above p99": all(0 < f[each]["p50"] <= f[each]["p99"] for each in ("alone", "beside")),
        "the queue was empty before the last probe": f["leftAfter"] > 0,
        "the queue did not move": f["queuePerSecond"] > 0,
        "ImageJobs of the queue failed": f["failed"] == 0,
    }


def _latency(f: Figures) -> dict[str, bool]:
    low, high = f["differences"]
    return {
        "a duration is zero": min(f["podContainerSeconds"], f["untilPodCreated"]) > 0,
        "a container ended before its Pod was created": f["untilPodCreated"] < f["untilContainerEnded"],
        "a Pod succeeded before its container ended": f["podContainerSeconds"] <= f["podSeconds"],
        "the median is outside of its range": low <= f["differenceSeconds"] <= high,
    }


def _pressure(f: Figures) -> dict[str, bool]:
    return {
        "the API server refused nothing": 0 < f["apiRefused"] < f["apiRequests"],
        "the store refused nothing": 0 < f["storeRefused"] < f["storeRequests"],
        "more ImageJobs succeeded than there are": f["succeeded"] + f["lost"] == f["jobs"],
    }


_CHECKS: dict[str, Callable[[Figures], dict[str, bool]]] = {
    "live": _live,
    "items": _items,
    "neighbours": _neighbours,
    "latency": _latency,
    "pressure": _pressure,
}
