"""The figures of a run as a table for the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

HEADS = (
    "per s",
    "p50 s",
    "p99 s",
    "API ms",
    "etcd ms",
    "oper. ms",
    "store ms",
    "MB",
    "other",
    "writes",
    "requests",
)


def table(document: dict[str, Any]) -> Iterator[str]:
    """The lines: a table for each control plane, and the writes of the operator."""
    for plane, found in document["planes"].items():
        yield f"\n{plane} control plane, medians of {document['repetitions']} repetitions"
        yield f"{'load':<30}" + "".join(f"{head:>10}" for head in HEADS)
        for load, figures in found["loads"].items():
            yield f"{load:<30}" + "".join(f"{cell:>10.4g}" for cell in cells(figures))
        for name, value in found["ratios"].items():
            yield f"rate of {name}: {value}"
        for load, figures in found["loads"].items():
            for what, lag in figures.get("freshness", {}).items():
                yield f"{load}, status behind ({what}): p50 {lag['p50']} s, p99 {lag['p99']} s"
            writes = ", ".join(f"{name} {count}" for name, count in figures["operatorWrites"].items())
            if writes:
                yield f"{load}, writes of the operator per Pod: {writes}"


def cells(figures: dict[str, Any]) -> list[float]:
    """The row of a load."""
    cpu = figures["cpuMs"]
    return [
        *(figures[name] for name in ("perSecond", "p50", "p99")),
        *(cpu[name] for name in ("kube-apiserver", "etcd", "operator", "MinIO")),
        figures["operatorPeakMB"],
        figures["otherCores"],
        sum(figures["allWrites"].values()),
        sum(figures["storeRequests"].values()),
    ]
